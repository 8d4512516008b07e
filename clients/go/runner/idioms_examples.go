// The examples of the module, which build has compiled beside the runner.

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

var exampleIdioms = []idiom{
	{"example-picker", example("picker", "account 2: nothing to choose from")},
	{"example-webhooks", example("webhooks", "account 2, inbox 23: page 555000000000104")},
	{"example-cache", example("cache", "account 2: nothing is held")},
	{"example-sender", example("sender", "the user may not send from it")},
}

// example runs a program against the server without a callers file.
func example(name, expected string) func(*servers) error {
	return func(at *servers) error {
		runner, err := os.Executable()
		if err != nil {
			return err
		}
		program := filepath.Join(filepath.Dir(runner), name)
		output, err := exec.Command(program, at.plain().Addresses[0]).CombinedOutput()
		return errors.Join(err, expect(strings.Contains(string(output), expected),
			"%q, got %s", expected, fmt.Sprint(string(output))))
	}
}
