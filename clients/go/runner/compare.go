// Comparison of JSON values with expected ones.

package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// anyText, where it is expected, stands for any text but an empty one.
const anyText = "…"

// compare returns the first difference, with its path.
func compare(path string, expected, got any) error {
	switch expected := expected.(type) {
	case map[string]any:
		object, ok := got.(map[string]any)
		if !ok {
			break
		}
		keys := slices.Concat(slices.Collect(maps.Keys(expected)), slices.Collect(maps.Keys(object)))
		slices.Sort(keys)
		for _, key := range slices.Compact(keys) {
			wanted, expects := expected[key]
			value, has := object[key]
			switch {
			case !expects:
				return fmt.Errorf("%s.%s: expected nothing, got %s", path, key, show(value))
			case !has:
				return fmt.Errorf("%s.%s: expected %s, got nothing", path, key, show(wanted))
			}
			if err := compare(path+"."+key, wanted, value); err != nil {
				return err
			}
		}
		return nil
	case []any:
		list, ok := got.([]any)
		if !ok {
			break
		}
		if len(list) != len(expected) {
			return fmt.Errorf("%s: expected %s, got %s", path, show(expected), show(got))
		}
		for i := range expected {
			if err := compare(fmt.Sprintf("%s[%d]", path, i), expected[i], list[i]); err != nil {
				return err
			}
		}
		return nil
	case string:
		if text, ok := got.(string); ok && (text == expected || expected == anyText && text != "") {
			return nil
		}
	default:
		if expected == got {
			return nil
		}
	}
	return fmt.Errorf("%s: expected %s, got %s", path, show(expected), show(got))
}

// show returns a value as short JSON.
func show(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return err.Error()
	}
	const most = 200
	if len(text) > most {
		return string(text[:most]) + "…"
	}
	return string(text)
}
