package rulefile

import (
	"slices"

	yaml "go.yaml.in/yaml/v4"

	"github.com/pdaltagent/pdaltagent/mapping"
)

// document reads one document of a rule file into spec.
func (s *source) document(n *yaml.Node, spec *mapping.Spec) {
	top := keys{
		what:  "a rule file",
		known: []string{"rules", "tables", "enrich", "defaults", "mask", "maintenance", "storm", "flapping"},
	}
	s.each(n, top, func(key mapping.Text, value *yaml.Node) {
		switch key.Value {
		case "rules":
			spec.Rules = slices.Grow(spec.Rules, len(follow(value).Content))
			s.list(key, value, func(n *yaml.Node) { spec.Rules = append(spec.Rules, s.rule(n)) })
		case "tables":
			s.each(value, keys{what: "tables"}, func(name mapping.Text, value *yaml.Node) {
				spec.Tables = append(spec.Tables, s.table(name, value, spec))
			})
		case "enrich":
			s.list(key, value, func(n *yaml.Node) { spec.Enrich = append(spec.Enrich, s.enrich(n)...) })
		case "defaults":
			s.each(value, keys{what: "defaults", known: []string{"event"}}, func(_ mapping.Text, value *yaml.Node) {
				spec.Defaults = append(spec.Defaults, s.entries(value, "defaults.event")...)
			})
		case "mask":
			s.list(key, value, func(n *yaml.Node) { spec.Mask = append(spec.Mask, s.mask(n)) })
		case "maintenance":
			s.list(key, value, func(n *yaml.Node) { spec.Maintenance = append(spec.Maintenance, s.window(n)) })
		case "storm":
			spec.Storm = s.once(key, spec.Storm, s.storm(key, value))
		case "flapping":
			spec.Flapping = s.once(key, spec.Flapping, s.flapping(key, value))
		}
	})
}

// once notes a limit of all rules that another file gives already.
func (s *source) once(key mapping.Text, first, l *mapping.LimitSpec) *mapping.LimitSpec {
	if first != nil {
		s.fault(key.Place, key.Value+" is given at "+first.Place.String()+" already")
		return first
	}
	return l
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

// mask reads a mask: the name of one that is built in, or a pattern.
func (s *source) mask(n *yaml.Node) (m mapping.MaskSpec) {
	if n.Kind == yaml.ScalarNode {
		m.Name, _ = s.scalar(mapping.Text{Value: "a mask"}, n)
		return m
	}
	s.each(n, keys{what: "a mask", known: []string{"pattern", "replace"}}, func(key mapping.Text, value *yaml.Node) {
		if t, ok := s.scalar(key, value); ok && key.Value == "pattern" {
			m.Pattern = t
		} else if ok {
			m.Replace = t
		}
	})
	if m.Pattern.Value == "" {
		s.fault(s.place(n), "a mask is a name, like email, or { pattern: …, replace: … }")
	}
	return m
}

// window reads a maintenance window.
func (s *source) window(n *yaml.Node) mapping.WindowSpec {
	w := mapping.WindowSpec{Place: s.place(n)}
	k := keys{what: "a maintenance window", known: []string{"name", "when", "every", "from", "to"}}
	s.each(n, k, func(key mapping.Text, value *yaml.Node) {
		switch key.Value {
		case "name":
			w.Name, _ = s.scalar(key, value)
		case "when":
			w.When = s.texts(key, value)
		case "every":
			w.Every = s.texts(key, value)
		case "from":
			w.From, _ = s.scalar(key, value)
		case "to":
			w.To, _ = s.scalar(key, value)
		}
	})
	return w
}
