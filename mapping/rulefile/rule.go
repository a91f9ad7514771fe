package rulefile

import (
	yaml "go.yaml.in/yaml/v4"

	"github.com/pdaltagent/pdaltagent/mapping"
)

// document reads one document of a rule file into spec.
func (s *source) document(n *yaml.Node, spec *mapping.Spec) {
	top := keys{
		what:  "a rule file",
		known: []string{"rules", "enrich", "defaults"},
		later: []string{"tables", "mask", "maintenance", "storm"},
	}
	s.each(n, top, func(key mapping.Text, value *yaml.Node) {
		switch key.Value {
		case "rules":
			s.list(key, value, func(n *yaml.Node) { spec.Rules = append(spec.Rules, s.rule(n)) })
		case "enrich":
			s.list(key, value, func(n *yaml.Node) { spec.Enrich = append(spec.Enrich, s.enrich(n)...) })
		case "defaults":
			s.each(value, keys{what: "defaults", known: []string{"event"}}, func(_ mapping.Text, value *yaml.Node) {
				spec.Defaults = append(spec.Defaults, s.entries(value, "defaults.event")...)
			})
		}
	})
}

// list calls do for the elements of a list.
func (s *source) list(key mapping.Text, n *yaml.Node, do func(*yaml.Node)) {
	n = follow(n)
	if n.Kind != yaml.SequenceNode {
		if !isNull(n) {
			s.fault(s.place(n), key.Value+" is a list: each element starts with -")
		}
		return
	}
	for _, c := range n.Content {
		do(follow(c))
	}
}

func (s *source) enrich(n *yaml.Node) (list []mapping.Assignment) {
	s.each(n, keys{what: "enrich", known: []string{"set"}}, func(_ mapping.Text, value *yaml.Node) {
		list = append(list, s.assignments(value)...)
	})
	return list
}

// assignments reads set: names and expressions, in their order.
func (s *source) assignments(n *yaml.Node) (list []mapping.Assignment) {
	s.each(n, keys{what: "set"}, func(key mapping.Text, value *yaml.Node) {
		if t, ok := s.scalar(key, value); ok {
			list = append(list, mapping.Assignment{Name: key, Expr: t})
		}
	})
	return list
}

func (s *source) rule(n *yaml.Node) mapping.RuleSpec {
	r := mapping.RuleSpec{Place: s.place(n)}
	k := keys{
		what: "a rule",
		known: []string{
			"id", "match", "resolve", "acknowledge", "extract", "set", "event", "drop", "suppress", "continue",
		},
		later: []string{"hold", "threshold", "unless_open", "resolve_after", "repeat", "storm", "tests"},
	}
	s.each(n, k, func(key mapping.Text, value *yaml.Node) {
		switch key.Value {
		case "id":
			r.ID, _ = s.scalar(key, value)
		case "match":
			r.Match = *s.match(key, value)
		case "resolve":
			r.Resolve = s.match(key, value)
		case "acknowledge":
			r.Acknowledge = s.match(key, value)
		case "extract":
			r.Extract = s.extract(key, value)
		case "set":
			r.Set = s.assignments(value)
		case "event":
			r.Event, r.HasEvent = s.entries(value, "event"), true
		case "drop":
			r.Drop = s.flag(key, value)
		case "suppress":
			r.Suppress = s.flag(key, value)
		case "continue":
			r.Continue = s.flag(key, value)
		}
	})
	return r
}

func (s *source) match(key mapping.Text, n *yaml.Node) *mapping.MatchSpec {
	m := &mapping.MatchSpec{Place: key.Place}
	k := keys{
		what:  key.Value,
		known: []string{"trap", "syslog", "http", "from", "when", "each"},
		later: []string{"webhook"},
	}
	s.each(n, k, func(key mapping.Text, value *yaml.Node) {
		switch key.Value {
		case "from":
			m.From = s.texts(key, value)
		case "when":
			m.When = s.texts(key, value)
		case "each":
			m.Each, _ = s.scalar(key, value)
		default:
			if m.Selector != "" {
				s.fault(key.Place, "a message is a "+key.Value+" or a "+string(m.Selector)+", never both: write two rules")
				return
			}
			m.Selector, m.Patterns = mapping.Selector(key.Value), s.texts(key, value)
		}
	})
	return m
}

// extract reads a pattern, a list of alternatives, or patterns by field.
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
		if t, ok := s.scalar(key, n); ok {
			return []mapping.Attempt{{{Patterns: []mapping.Text{t}}}}
		}
		return nil
	}
	var all mapping.Attempt
	s.each(n, keys{what: "extract", later: []string{"kv", "json", "csv"}}, func(key mapping.Text, value *yaml.Node) {
		all = append(all, mapping.Extraction{From: key, Patterns: s.texts(key, value)})
	})
	if len(n.Content) == 0 {
		s.fault(s.place(n), "extract is empty")
	}
	return []mapping.Attempt{all}
}
