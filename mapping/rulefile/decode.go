package rulefile

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	yaml "go.yaml.in/yaml/v4"

	"github.com/pdaltagent/pdaltagent/mapping"
)

// Decode reads one YAML document into a struct, whose keys are those of its
// yaml tags. Keys that the struct has not, keys that come twice and values
// that do not fit are errors. The error is mapping.Faults: all of them, each
// with its place in the file, in words that need no knowledge of Go. An empty
// document leaves into as it is.
func Decode(name string, data []byte, into any) error {
	s := newSource(name, data)
	l, err := yaml.NewLoader(strings.NewReader(s.data), yaml.WithKnownFields(true))
	if err != nil {
		return err
	}
	switch err := l.Load(into); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		s.misfit(err, typesOf(into))
	}
	var second yaml.Node
	if len(s.faults) == 0 && !errors.Is(l.Load(&second), io.EOF) {
		s.fault(mapping.Place{File: name, Line: max(second.Line, 1), Column: max(second.Column, 1)},
			"the file has a second document after ---: put everything into one")
	}
	return s.faults.Err()
}

// misfit notes what does not fit into a struct.
func (s *source) misfit(err error, types map[string]reflect.Type) {
	var all *yaml.LoadErrors
	if !errors.As(err, &all) || len(all.Errors) == 0 {
		s.syntax(err)
		return
	}
	for _, e := range all.Errors {
		s.fault(s.mark(e), plainMessage(e.Message, types)+s.hint(e))
	}
}

// plainMessage says what the YAML library says without the names of types.
func plainMessage(message string, types map[string]reflect.Type) string {
	if m := regexp.MustCompile(`(?s)^field (.*) not found in type (.*)$`).FindStringSubmatch(message); m != nil {
		return `unknown key "` + m[1] + `"` + mapping.DidYouMean(m[1], keysOf(types[m[2]]))
	}
	if m := regexp.MustCompile(`(?s)^field (.*) already set in type .*$`).FindStringSubmatch(message); m != nil {
		return `key "` + m[1] + `" is given twice`
	}
	if m := regexp.MustCompile(`(?s)^mapping key "(.*)" already defined at line (\d+)$`).FindStringSubmatch(message); m != nil {
		return fmt.Sprintf("key %q is given twice, first on line %s", m[1], m[2])
	}
	if m := regexp.MustCompile("(?s)^cannot construct !!(\\w+)(?: `(.*)`)? into (.*?)(?: \\(TextUnmarshaler\\))?$").FindStringSubmatch(message); m != nil {
		return given(m[1], m[2]) + " does not fit: " + wanted(types[m[3]], m[3]) + " is needed"
	}
	return message
}

// given names a value of the file by its YAML type.
func given(tag, value string) string {
	switch {
	case tag == "seq":
		return "a list"
	case tag == "map":
		return "a mapping"
	case tag == "null" || value == "":
		return "an empty value"
	}
	return `"` + value + `"`
}

// wanted names what a Go type takes.
func wanted(t reflect.Type, name string) string {
	if t == reflect.TypeFor[time.Duration]() || name == "time.Duration" {
		return "a duration like 500ms, 30s or 1h"
	}
	if t == nil {
		return "another kind of value"
	}
	switch k := indirect(t).Kind(); {
	case k == reflect.Bool:
		return "true or false"
	case reflect.Int <= k && k <= reflect.Int64:
		return "a whole number"
	case reflect.Uint <= k && k <= reflect.Uint64:
		return "a whole number that is not negative"
	case k == reflect.Float32 || k == reflect.Float64:
		return "a number"
	case k == reflect.Slice || k == reflect.Array:
		return "a list"
	case k == reflect.Map || k == reflect.Struct:
		return "a mapping of keys to values"
	case k == reflect.String:
		return "a text"
	}
	return "another kind of value"
}

// typesOf returns the types that a value is made of, by the names that the
// YAML library gives them.
func typesOf(v any) map[string]reflect.Type {
	types := map[string]reflect.Type{}
	collectTypes(reflect.TypeOf(v), types)
	return types
}

func collectTypes(t reflect.Type, types map[string]reflect.Type) {
	if t == nil || types[t.String()] != nil {
		return
	}
	types[t.String()] = t
	if t.Kind() == reflect.Struct {
		for f := range t.Fields() {
			collectTypes(f.Type, types)
		}
		return
	}
	if contains := []reflect.Kind{reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map}; slices.Contains(contains, t.Kind()) {
		collectTypes(t.Elem(), types)
	}
}

// keysOf returns the YAML keys of a struct.
func keysOf(t reflect.Type) (keys []string) {
	if t == nil || t.Kind() != reflect.Struct {
		return nil
	}
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case slices.Contains(strings.Split(options, ","), "inline"):
			keys = append(keys, keysOf(indirect(f.Type))...)
		case name == "-" || !f.IsExported():
		case name == "":
			keys = append(keys, strings.ToLower(f.Name))
		default:
			keys = append(keys, name)
		}
	}
	return keys
}

func indirect(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}
