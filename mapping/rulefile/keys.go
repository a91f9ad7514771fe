package rulefile

import (
	"slices"

	yaml "go.yaml.in/yaml/v4"

	"github.com/pdaltagent/pdaltagent/mapping"
)

// keys says what keys a mapping may have.
type keys struct {
	what  string   // what the mapping is called in errors
	known []string // nil: any
}

// each calls do for the keys of a mapping, in their order, and notes those
// that are unknown or come twice.
func (s *source) each(n *yaml.Node, k keys, do func(key mapping.Text, value *yaml.Node)) {
	n = follow(n)
	if n.Kind != yaml.MappingNode {
		if !isNull(n) {
			s.fault(s.place(n), k.what+" is a mapping of keys to values")
		}
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := follow(n.Content[i]), n.Content[i+1]
		t := s.text(key)
		switch {
		case key.Kind != yaml.ScalarNode:
			s.fault(t.Place, "a key is a word, not a list or a mapping")
		case key.ShortTag() == "!!merge":
			s.fault(t.Place, "merge keys (<<) are not supported: repeat what they would merge")
		case seen[t.Value]:
			s.fault(t.Place, `key "`+t.Value+`" is given twice`)
		case k.known != nil && !slices.Contains(k.known, t.Value):
			s.fault(t.Place, `unknown key "`+t.Value+`" in `+k.what+mapping.DidYouMean(t.Value, k.known))
		default:
			do(t, value)
		}
		seen[t.Value] = true
	}
}

// texts returns a scalar, or the scalars of a list.
func (s *source) texts(key mapping.Text, n *yaml.Node) []mapping.Text {
	n = follow(n)
	if n.Kind != yaml.SequenceNode {
		if t, ok := s.scalar(key, n); ok {
			return []mapping.Text{t}
		}
		return nil
	}
	if len(n.Content) == 0 {
		s.fault(s.place(n), key.Value+" is an empty list")
	}
	var all []mapping.Text
	for _, c := range n.Content {
		if t, ok := s.scalar(key, c); ok {
			all = append(all, t)
		}
	}
	return all
}

// scalar returns the text of a scalar.
func (s *source) scalar(key mapping.Text, n *yaml.Node) (t mapping.Text, ok bool) {
	n = follow(n)
	if n.Kind != yaml.ScalarNode || isNull(n) {
		s.fault(s.place(n), key.Value+" is a text"+nothing(n))
		return t, false
	}
	return s.text(n), true
}

func nothing(n *yaml.Node) string {
	if isNull(n) {
		return "; there is none"
	}
	return ", not a list or a mapping"
}

// flag returns a boolean.
func (s *source) flag(key mapping.Text, n *yaml.Node) bool {
	n = follow(n)
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!bool" {
		s.fault(s.place(n), key.Value+" is true or false")
		return false
	}
	var b bool
	return n.Load(&b) == nil && b
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// value returns any value.
func (s *source) value(n *yaml.Node) mapping.Value {
	n = follow(n)
	if n.Kind == yaml.SequenceNode {
		v := mapping.Value{Kind: mapping.List, Text: mapping.Text{Place: s.place(n)}, List: []mapping.Value{}}
		for _, c := range n.Content {
			v.List = append(v.List, s.value(c))
		}
		return v
	}
	if n.Kind == yaml.MappingNode {
		return mapping.Value{Kind: mapping.Mapping, Text: mapping.Text{Place: s.place(n)}, Map: s.entries(n, "this")}
	}
	v := mapping.Value{Text: s.text(n)}
	switch n.ShortTag() {
	case "!!null", "!!bool", "!!int", "!!float":
		if n.Load(&v.Scalar) == nil {
			v.Kind = mapping.Plain
		}
	}
	return v
}

// entries returns the keys and values of a mapping.
func (s *source) entries(n *yaml.Node, what string) []mapping.Entry {
	entries := []mapping.Entry{}
	s.each(n, keys{what: what}, func(key mapping.Text, value *yaml.Node) {
		entries = append(entries, mapping.Entry{Key: key, Value: s.value(value)})
	})
	return entries
}
