package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/pdaltagent/pdaltagent/mapping"
)

// expect compares what a step expects with what has happened since the last
// expect. Events that name another decision than queued are looked for among
// those that were not sent; the others must be what was sent, in its order.
func (s *stage) expect() {
	want := s.step.Expect
	wanted := []mapping.Value{*want}
	switch want.Kind {
	case mapping.List:
		wanted = want.List
	case mapping.Template: // none
		wanted = nil
	case mapping.Plain, mapping.Mapping:
	}
	kept := slices.DeleteFunc(slices.Clone(s.decided), func(o outcome) bool { return o.decision == mapping.Queued })
	var sent []mapping.Value
	for _, w := range wanted {
		if named(w, "decision") == "" || named(w, "decision") == string(mapping.Queued) {
			sent = append(sent, w)
			continue
		}
		i := slices.IndexFunc(kept, func(o outcome) bool { return len(s.differences(w, o)) == 0 })
		if i < 0 {
			s.fault(w.Text.Place, "no event %s%s", brief(w), s.instead())
			return
		}
		kept = slices.Delete(kept, i, i+1)
	}
	s.compare(sent)
	s.heard, s.decided = nil, nil
}

// compare holds what PagerDuty was to hear against what it heard.
func (s *stage) compare(want []mapping.Value) {
	at := s.step.Expect.Text.Place
	if len(want) != len(s.heard) {
		s.fault(at, "%s to be sent%s", expected(len(want)), s.instead())
		return
	}
	for i, w := range want {
		if lines := s.differences(w, s.heard[i]); len(lines) > 0 {
			s.fault(w.Text.Place, "the event that was sent differs:%s", block(lines))
			return
		}
	}
}

func expected(n int) string {
	switch n {
	case 0:
		return "nothing was"
	case 1:
		return "one event was"
	}
	return fmt.Sprintf("%d events were", n)
}

// instead says what has happened.
func (s *stage) instead() string {
	var lines []string
	for _, o := range s.heard {
		lines = append(lines, "sent: "+s.describe(o.event))
	}
	for _, o := range s.decided {
		if o.decision != mapping.Queued {
			lines = append(lines, string(o.decision)+": "+s.describe(o.event))
		}
	}
	if len(lines) == 0 {
		return "; nothing has happened since the last expect"
	}
	return "; this has happened:" + block(lines)
}

// maxLines bounds what a fault shows.
const maxLines = 12

func block(lines []string) string {
	if more := len(lines) - maxLines; more > 0 {
		lines = append(lines[:maxLines:maxLines], fmt.Sprintf("and %d more", more))
	}
	return "\n        " + strings.Join(lines, "\n        ")
}

func (s *stage) describe(e *mapping.Event) string {
	by := "no rule"
	if e.Rule != "" {
		by = "rule " + e.Rule
	}
	if e.DedupKey == "" {
		return fmt.Sprintf("%q, by %s", e.Summary, by)
	}
	return fmt.Sprintf("%s %s %q, dedup_key %s, by %s", e.Action, e.Severity, e.Summary, e.DedupKey, by)
}

// differences returns a line for each key that is not as wanted.
func (s *stage) differences(want mapping.Value, got outcome) (lines []string) {
	fields := s.fields(got)
	for _, e := range want.Map {
		if have := fields[e.Key.Value]; !s.matches(e.Key.Value, e.Value, have) {
			lines = append(lines, fmt.Sprintf("%s: expected %s, got %s", e.Key.Value, brief(e.Value), compact(have)))
		}
	}
	return lines
}

// fields returns an event by the keys that rules give it.
func (s *stage) fields(o outcome) map[string]any {
	e := o.event
	all := map[string]any{}
	var sent map[string]any
	if decodeJSON(e.Payload, &sent) == nil {
		payload, _ := sent["payload"].(map[string]any)
		for _, part := range []map[string]any{sent, payload} {
			for key, v := range part {
				all[key] = v
			}
		}
	}
	route := e.Route
	if e.Key == "" {
		route = cmp.Or(route, s.standard)
	}
	all["rule"], all["action"], all["decision"] = e.Rule, string(e.Action), string(o.decision)
	all["route"], all["dedup_key"] = route, e.DedupKey
	all["severity"], all["summary"] = string(e.Severity), e.Summary
	return all
}

func decodeJSON(raw []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return d.Decode(to)
}

// matches says whether got, which stands under name, has what want lists.
// Scalars are compared as text: a component is one, even where YAML reads a
// number. What the rules' masks cover in got may stand in want: tests of packs
// hold with whatever masks are set.
func (s *stage) matches(name string, want mapping.Value, got any) bool {
	switch want.Kind {
	case mapping.Mapping:
		object, _ := got.(map[string]any)
		for _, e := range want.Map {
			if !s.matches(e.Key.Value, e.Value, object[e.Key.Value]) {
				return false
			}
		}
		return object != nil
	case mapping.List:
		list, _ := got.([]any)
		if len(list) != len(want.List) {
			return false
		}
		for i, v := range want.List {
			if !s.matches(name, v, list[i]) {
				return false
			}
		}
		return true
	case mapping.Plain, mapping.Template:
	}
	if want.Kind == mapping.Plain && want.Scalar == nil {
		return got == nil
	}
	switch got.(type) {
	case nil, map[string]any, []any:
		return got == nil && want.Text.Value == ""
	}
	text := fmt.Sprint(got)
	return text == want.Text.Value || want.Kind == mapping.Plain && text == fmt.Sprint(want.Scalar) ||
		text == s.rules.Cover(name, want.Text.Value)
}

// named returns the text of a key; empty: there is none.
func named(v mapping.Value, key string) string {
	for _, e := range v.Map {
		if e.Key.Value == key {
			return e.Value.Text.Value
		}
	}
	return ""
}

func brief(v mapping.Value) string {
	return string(appendValue(nil, v))
}

func compact(v any) string {
	if v == nil {
		return "nothing"
	}
	return string(appendScalar(nil, v))
}
