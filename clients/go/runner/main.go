// The conformance runner: it uses the client as any program does, and says what it saw.
//
//	runner cases|replicas|watch|idioms|old|upgrade SERVERS_FILE CONFORMANCE_FILE
package main

import (
	"encoding/json"
	"fmt"
	"os"

	inbox "leadchat.internal/inbox-go"
)

// endpoint is an address of a server, with its authority if it serves TLS.
type endpoint struct {
	Address string
	CA      string
}

// servers is the file that lists the servers, and the files of credentials.
type servers struct {
	Plain, Unix, TLS endpoint
	Callers          map[string]struct{ Certificate, Key, Token string }
	ViewerTokens     map[string]string `json:"viewer_tokens"`
	Replicas         []string
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) != 3 {
		return fmt.Errorf("usage: runner cases|replicas|watch|idioms|old|upgrade SERVERS_FILE CONFORMANCE_FILE")
	}
	var at servers
	if err := readJSON(arguments[1], &at); err != nil {
		return err
	}
	switch arguments[0] {
	case "cases":
		var file struct{ Cases []conformanceCase }
		if err := readJSON(arguments[2], &file); err != nil {
			return err
		}
		return runCases(&at, file.Cases)
	case "replicas":
		return runReplicas(&at)
	case "watch":
		return runWatch(&at)
	case "idioms":
		return runIdioms(&at)
	case "old":
		return runOld(&at)
	case "upgrade":
		return runUpgrade(&at)
	default:
		return fmt.Errorf("there is no mode %q", arguments[0])
	}
}

func readJSON(path string, into any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// printJSON prints a line. Standard output has no buffer.
func printJSON(value any) {
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// result is the line of one case.
type result struct {
	Case     string `json:"case"`
	Endpoint string `json:"endpoint"`
	OK       bool   `json:"ok"`
	Problem  string `json:"problem,omitempty"`
}

func printResult(name, endpoint string, problem error) {
	line := result{Case: name, Endpoint: endpoint, OK: problem == nil}
	if problem != nil {
		line.Problem = problem.Error()
	}
	printJSON(line)
}

// plain returns the configuration for the server without callers.
func (s *servers) plain() inbox.Config {
	return inbox.Config{Addresses: []string{s.Plain.Address}}
}

// caller returns the configuration of a caller, with what proves it.
func (s *servers) caller(name string) (inbox.Config, error) {
	known, ok := s.Callers[name]
	if !ok {
		return inbox.Config{}, fmt.Errorf("the servers file has no caller %q", name)
	}
	config := inbox.Config{Addresses: []string{s.TLS.Address}}
	if known.Token != "" {
		config.Token = inbox.TokenFile(known.Token)
	}
	var err error
	config.TLS, err = inbox.LoadTLS(
		inbox.TLSFiles{CA: s.TLS.CA, Certificate: known.Certificate, Key: known.Key})
	return config, err
}
