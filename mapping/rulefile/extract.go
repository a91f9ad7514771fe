package rulefile

import (
	yaml "go.yaml.in/yaml/v4"

	"github.com/pdaltagent/pdaltagent/mapping"
)

// extract reads a pattern, a list of alternatives, patterns by field, or a
// format.
func (s *source) extract(key mapping.Text, n *yaml.Node) (attempts []mapping.Attempt) {
	n = follow(n)
	if n.Kind != yaml.SequenceNode {
		return s.attempt(key, n)
	}
	if len(n.Content) == 0 {
		s.fault(s.place(n), "extract is an empty list")
	}
	for _, c := range n.Content {
		attempts = append(attempts, s.attempt(key, follow(c))...)
	}
	return attempts
}

func (s *source) attempt(key mapping.Text, n *yaml.Node) []mapping.Attempt {
	if n.Kind != yaml.MappingNode {
		t, ok := s.scalar(key, n)
		switch {
		case !ok:
			return nil
		case isFormat(t.Value):
			return []mapping.Attempt{{{Format: mapping.Format(t.Value), Place: t.Place}}}
		}
		return []mapping.Attempt{{{Patterns: []mapping.Text{t}}}}
	}
	var all mapping.Attempt
	s.each(n, keys{what: "extract"}, func(key mapping.Text, value *yaml.Node) {
		if isFormat(key.Value) {
			all = append(all, s.format(key, value))
			return
		}
		all = append(all, mapping.Extraction{From: key, Patterns: s.texts(key, value)})
	})
	if len(n.Content) == 0 {
		s.fault(s.place(n), "extract is empty")
	}
	return []mapping.Attempt{all}
}

func isFormat(word string) bool {
	switch mapping.Format(word) {
	case mapping.FormatKV, mapping.FormatJSON, mapping.FormatCSV:
		return true
	}
	return false
}

// format reads what follows kv, json or csv: the field to take apart, or a
// mapping of options.
func (s *source) format(key mapping.Text, n *yaml.Node) mapping.Extraction {
	x := mapping.Extraction{Format: mapping.Format(key.Value), Place: key.Place}
	n = follow(n)
	if n.Kind != yaml.MappingNode {
		x.From, _ = s.scalar(key, n)
		return x
	}
	options := map[mapping.Format][]string{
		mapping.FormatKV:   {"from", "separator", "equals"},
		mapping.FormatJSON: {"from"},
		mapping.FormatCSV:  {"from", "separator", "columns"},
	}
	s.each(n, keys{what: key.Value, known: options[x.Format]}, func(key mapping.Text, value *yaml.Node) {
		switch key.Value {
		case "from":
			x.From, _ = s.scalar(key, value)
		case "separator":
			x.Separator, _ = s.scalar(key, value)
		case "equals":
			x.Equals, _ = s.scalar(key, value)
		case "columns":
			x.Columns = s.texts(key, value)
		}
	})
	return x
}
