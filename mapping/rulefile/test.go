package rulefile

import (
	"slices"

	yaml "go.yaml.in/yaml/v4"

	"github.com/pdaltagent/pdaltagent/mapping"
)

// test reads one test of a rule: { name: …, steps: [ … ] }.
func (s *source) test(n *yaml.Node) mapping.TestSpec {
	t := mapping.TestSpec{Place: s.place(n)}
	s.each(n, keys{what: "a test", known: []string{"name", "steps"}}, func(key mapping.Text, value *yaml.Node) {
		switch key.Value {
		case "name":
			name, _ := s.scalar(key, value)
			t.Name = name.Value
		case "steps":
			s.list(key, value, func(n *yaml.Node) { t.Steps = append(t.Steps, s.step(n)) })
		}
	})
	if t.Name == "" {
		s.fault(t.Place, "a test needs a name: what it shows")
	}
	if len(t.Steps) == 0 {
		s.fault(t.Place, "a test needs steps: [ { trap: … }, { after: 30s, expect: none } ]")
	}
	return t
}

// step reads a message, an expectation, or both.
func (s *source) step(n *yaml.Node) mapping.StepSpec {
	step := mapping.StepSpec{Place: s.place(n), Times: 1}
	k := keys{
		what:  "a step",
		known: []string{"trap", "vb", "syslog", "http", "body", "headers", "from", "host", "after", "times", "expect"},
	}
	var vb, body, headers mapping.Text // their keys, where they are given
	s.each(n, k, func(key mapping.Text, value *yaml.Node) {
		switch key.Value {
		case "vb":
			vb, step.VB = key, s.entries(value, "vb")
		case "body":
			v := s.value(value)
			body, step.Body = key, &v
		case "headers":
			headers, step.Headers = key, s.entries(value, "headers")
		case "from":
			step.From, _ = s.scalar(key, value)
		case "host":
			step.Host, _ = s.scalar(key, value)
		case "after":
			step.After = s.duration(key, value)
		case "times":
			step.Times = s.count(key, value)
		case "expect":
			s.expectation(&step, value)
		default:
			if step.Kind != "" {
				s.fault(key.Place, "a step is one message: a "+string(step.Kind)+" or a "+key.Value)
			}
			step.Kind = mapping.Selector(key.Value)
			step.Message, _ = s.scalar(key, value)
		}
	})
	s.belongs(vb, step.Kind, mapping.SelectTrap)
	s.belongs(body, step.Kind, mapping.SelectHTTP)
	s.belongs(headers, step.Kind, mapping.SelectHTTP)
	if step.Kind == "" && step.Expect == nil && step.After == 0 {
		s.fault(step.Place, "a step is a message (trap, syslog or http), an expect, or both")
	}
	return step
}

// belongs notes a key that stands with another kind of message than its own.
func (s *source) belongs(key mapping.Text, kind, own mapping.Selector) {
	if key.Value != "" && kind != own {
		s.fault(key.Place, key.Value+" belongs to a step with "+string(own))
	}
}

// expectation reads none, an event, or a list of events.
func (s *source) expectation(step *mapping.StepSpec, n *yaml.Node) {
	v := s.value(n)
	step.Expect = &v
	none := func(v mapping.Value) bool { return v.Kind == mapping.Template && v.Text.Value == "none" }
	events := []mapping.Value{v}
	if v.Kind == mapping.List {
		events = v.List
	}
	for _, e := range events {
		if e.Kind == mapping.Mapping {
			s.checkExpected(e)
		} else if !none(v) {
			s.fault(e.Text.Place, "expect is none, an event, or a list of events: { severity: error, summary: … }")
		}
	}
}

// checkExpected finds keys that no event has.
func (s *source) checkExpected(event mapping.Value) {
	known := append(mapping.EventKeys(), "rule", "action", "decision")
	for _, e := range event.Map {
		if !slices.Contains(known, e.Key.Value) {
			s.fault(e.Key.Place, `unknown key "`+e.Key.Value+`" in expect`+mapping.DidYouMean(e.Key.Value, known))
		}
	}
}
