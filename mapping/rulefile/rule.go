package rulefile

import (
	yaml "go.yaml.in/yaml/v4"

	"github.com/pdaltagent/pdaltagent/mapping"
)

func (s *source) rule(n *yaml.Node) mapping.RuleSpec {
	r := mapping.RuleSpec{Place: s.place(n)}
	k := keys{
		what: "a rule",
		known: []string{
			"id", "match", "resolve", "acknowledge", "extract", "set", "event", "drop", "suppress", "continue",
			"threshold", "hold", "unless_open", "resolve_after", "repeat", "storm", "flapping", "tests",
		},
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
		case "tests":
			s.list(key, value, func(n *yaml.Node) { r.Tests = append(r.Tests, s.test(n)) })
		default:
			s.verdict(&r, key, value)
		}
	})
	for i := range r.Tests {
		r.Tests[i].Rule = r.ID.Value
	}
	return r
}

// verdict reads what is to be done with the event.
func (s *source) verdict(r *mapping.RuleSpec, key mapping.Text, value *yaml.Node) {
	switch key.Value {
	case "drop":
		r.Drop = s.flag(key, value)
	case "suppress":
		r.Suppress = s.flag(key, value)
	case "continue":
		r.Continue = s.flag(key, value)
	case "threshold":
		r.Threshold = s.threshold(key, value)
	case "hold":
		r.Hold = s.duration(key, value)
	case "repeat":
		r.Repeat = s.duration(key, value)
	case "resolve_after":
		r.ResolveAfter = s.duration(key, value)
	case "unless_open":
		r.UnlessOpen, _ = s.scalar(key, value)
	case "storm":
		r.Storm = s.storm(key, value)
	case "flapping":
		r.Flapping = s.flapping(key, value)
	}
}

func (s *source) match(key mapping.Text, n *yaml.Node) *mapping.MatchSpec {
	m := &mapping.MatchSpec{Place: key.Place}
	k := keys{what: key.Value, known: []string{"trap", "syslog", "http", "webhook", "from", "when", "each"}}
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
