package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/delivery/history"
	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/mapping"
)

// explained is an explanation as --json prints it.
type explained struct {
	Recorded *recordedJSON    `json:"recorded,omitempty"` // of an event of the history: what was decided then
	Selector string           `json:"selector"`
	Source   string           `json:"source"`
	Message  json.RawMessage  `json:"message"`
	Enriched map[string]any   `json:"enriched,omitempty"`
	Looks    []lookJSON       `json:"looks"`
	Events   []explainedEvent `json:"events"`
	Errors   []string         `json:"errors,omitempty"`
}

type recordedJSON struct {
	ID         string        `json:"id"`
	ReceivedAt time.Time     `json:"received_at"`
	Rule       string        `json:"rule"`
	Decision   string        `json:"decision"`
	Action     string        `json:"action"`
	Severity   string        `json:"severity"`
	Summary    string        `json:"summary"`
	DedupKey   string        `json:"dedup_key"`
	Route      string        `json:"route"`
	Told       *history.Told `json:"delivered,omitempty"`
}

type lookJSON struct {
	Rule    string         `json:"rule"`
	Place   string         `json:"place"`
	Item    *int           `json:"item,omitempty"`
	Took    string         `json:"took,omitempty"`
	Reasons []string       `json:"reasons,omitempty"`
	Given   map[string]any `json:"given,omitempty"`
}

type explainedEvent struct {
	Rule     string          `json:"rule"`
	Action   string          `json:"action"`
	Severity string          `json:"severity"`
	Summary  string          `json:"summary"`
	DedupKey string          `json:"dedup_key"`
	Route    string          `json:"route"`
	Decision string          `json:"decision"` // were nothing open
	Gates    []string        `json:"gates,omitempty"`
	Payload  json.RawMessage `json:"payload,omitempty"`
}

// explain prints what rules make of a message.
func (x *explainer) explain(m *ingest.Message) {
	e := x.rules.Explain(m)
	out := x.explained(m, &e)
	x.found = x.found || len(out.Events) > 0
	if x.flags.json {
		encoder := json.NewEncoder(x.in.stdout)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		x.failed = errors.Join(x.failed, encoder.Encode(out))
		return
	}
	x.verdict(&e)
	x.looks(&e)
	x.message(&e, out)
	for _, event := range out.Events {
		x.made(event)
	}
	for _, err := range out.Errors {
		fmt.Fprintf(x.in.stdout, "\nan error in a rule, whose default was used: %s\n", printable(err))
	}
}

func (x *explainer) explained(m *ingest.Message, e *mapping.Explanation) explained {
	out := explained{Recorded: x.record, Selector: e.Selector, Source: m.Origin(), Message: e.Message, Enriched: map[string]any{}, Looks: []lookJSON{}, Events: []explainedEvent{}}
	for _, g := range e.Given {
		out.Enriched[g.Name] = g.Value
	}
	for _, l := range e.Looks {
		look := lookJSON{Rule: l.Rule, Place: l.Place.String(), Took: l.Took, Given: map[string]any{}}
		if l.Item >= 0 {
			look.Item = &l.Item
		}
		for _, r := range l.Reasons {
			look.Reasons = append(look.Reasons, r.Key+": "+r.Text)
		}
		for _, g := range l.Given {
			look.Given[g.Name] = g.Value
		}
		out.Looks = append(out.Looks, look)
	}
	gates := delivery.NewRehearsal(x.standard)
	for i := range e.Events {
		event := &e.Events[i]
		_, decision := gates.Take(event)
		out.Events = append(out.Events, explainedEvent{
			Rule: event.Rule, Action: string(event.Action), Severity: string(event.Severity), Summary: event.Summary,
			DedupKey: event.DedupKey, Route: x.route(event), Decision: string(decision), Gates: gateWords(event), Payload: event.Payload,
		})
	}
	for _, err := range e.Errors {
		out.Errors = append(out.Errors, err.Rule+": "+err.Err.Error())
	}
	return out
}

func (x *explainer) route(e *mapping.Event) string {
	if e.Route == "" && e.Key != "" {
		return "that of the sender's key"
	}
	return cmp.Or(e.Route, x.standard)
}

// verdict is the first line: which rule took it.
func (x *explainer) verdict(e *mapping.Explanation) {
	var took []string
	for _, l := range e.Looks {
		if l.Took == "" {
			continue
		}
		what := fmt.Sprintf("rule %s takes it (%s, %s)", l.Rule, l.Took, l.Place)
		if len(took) == 0 || took[len(took)-1] != what {
			took = append(took, what)
		}
	}
	if x.record != nil {
		fmt.Fprint(x.in.stdout, "\nBy the rules of today, as far as masks and secrets have left the message:\n")
	}
	switch {
	case len(took) == 0 && len(e.Events) > 0:
		fmt.Fprintln(x.in.stdout, "no rule takes it: it goes as it was posted")
	case len(took) > 0:
		fmt.Fprintln(x.in.stdout, strings.Join(took, "\n"))
	case len(e.Looks) == 0 && e.Rules == 0:
		fmt.Fprintf(x.in.stdout, "no rule takes it: %s has no rules; name those of a configuration with --config FILE, or in it with rules: [FOLDER]\n", x.config.document.name())
	case len(e.Looks) == 0:
		fmt.Fprintf(x.in.stdout, "no rule takes it: none of %d looks at %s%s\n", e.Rules, printable(e.Selector), e.Near)
	default:
		fmt.Fprintf(x.in.stdout, "no rule takes it, of %s that look at %s\n", count(lookedAt(e.Looks), "rule"), printable(e.Selector))
	}
}

func lookedAt(looks []mapping.Look) int {
	rules := map[string]bool{}
	for _, l := range looks {
		rules[l.Rule] = true
	}
	return len(rules)
}

// looks says of each rule that was looked at why it did not take the message,
// or what it gave.
func (x *explainer) looks(e *mapping.Explanation) {
	if len(e.Looks) > 0 {
		fmt.Fprintf(x.in.stdout, "\nRules that look at %s, in their order:\n", printable(e.Selector))
	}
	for _, l := range e.Looks {
		element := ""
		if l.Item >= 0 {
			element = fmt.Sprintf(", element %d", l.Item)
		}
		fmt.Fprintf(x.in.stdout, "  %s (%s)%s\n", l.Rule, l.Place, element)
		for _, r := range l.Reasons {
			fmt.Fprintf(x.in.stdout, "      not by %s: %s\n", r.Key, printable(r.Text))
		}
		for _, g := range l.Given {
			fmt.Fprintf(x.in.stdout, "      %s = %s\n", g.Name, printable(compact(g.Value)))
		}
	}
}

// message prints what is known of the message.
func (x *explainer) message(e *mapping.Explanation, out explained) {
	w := tabwriter.NewWriter(x.in.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\nMessage:\n  source\t%s\n", printable(out.Source))
	var fields map[string]any
	if decodeJSON(e.Message, &fields) == nil {
		for _, key := range sortedKeys(fields) {
			if list, ok := fields[key].([]any); ok && key == "varbinds" {
				for _, v := range list {
					varbind, _ := v.(map[string]any)
					fmt.Fprintf(w, "  %s\t%s\n", printable(fmt.Sprint(cmp.Or(varbind["name"], varbind["oid"]))), printable(compact(varbind["value"])))
				}
				continue
			}
			fmt.Fprintf(w, "  %s\t%s\n", key, cut(printable(compact(fields[key])), 1000))
		}
	}
	for _, g := range e.Given {
		fmt.Fprintf(w, "  enrich: %s\t%s\n", g.Name, printable(compact(g.Value)))
	}
	_ = w.Flush() // to the terminal
}

// made prints an event and its gates.
func (x *explainer) made(e explainedEvent) {
	w := tabwriter.NewWriter(x.in.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\nEvent of rule %s:\n", cmp.Or(e.Rule, "(none: as it was posted)"))
	for _, f := range [][2]string{
		{"action", e.Action},
		{"severity", e.Severity},
		{"summary", e.Summary},
		{"dedup_key", e.DedupKey},
		{"route", e.Route},
		{"decision", e.Decision + ", were nothing open"},
		{"payload", string(e.Payload)},
	} {
		if f[1] != "" {
			fmt.Fprintf(w, "  %s\t%s\n", f[0], printable(f[1]))
		}
	}
	for _, g := range e.Gates {
		fmt.Fprintf(w, "  gate\t%s\n", printable(g))
	}
	_ = w.Flush() // to the terminal
}

// gateWords says what stands between an event and PagerDuty.
func gateWords(e *mapping.Event) (words []string) {
	g := e.Gates
	if g == nil {
		return nil
	}
	add := func(there bool, format string, args ...any) {
		if there {
			words = append(words, fmt.Sprintf(format, args...))
		}
	}
	add(g.Threshold.Count > 1, "threshold: the alert opens with %d within %s", g.Threshold.Count, g.Threshold.Within)
	if w := g.Maintenance; w != nil {
		add(true, "maintenance: %s, until %s", w.Name, w.Until.Format(time.RFC3339))
	}
	add(g.UnlessOpen != "", "unless_open: waits while %s is open", g.UnlessOpen)
	add(g.Hold > 0, "hold: waits for %s, and is never sent when it is resolved sooner", g.Hold)
	add(g.Repeat > 0, "repeat: sent again after %s", g.Repeat)
	add(g.ResolveAfter > 0, "resolve_after: resolved after %s of silence", g.ResolveAfter)
	add(g.Storm.Alerts > 0, "storm: beyond %d alerts of this source within %s it folds into one", g.Storm.Alerts, g.Storm.Within)
	add(g.Flapping.Changes > 0 && e.Action != mapping.Trigger, "flapping: waits for %s of quiet after %d changes within %s", g.Flapping.Quiet, g.Flapping.Changes, g.Flapping.Within)
	return words
}

// recorded prints what was decided about an event of the history.
func (x *explainer) recorded(e history.Recorded) {
	x.record = &recordedJSON{
		ID: e.ID.String(), ReceivedAt: e.ReceivedAt, Rule: e.Rule, Decision: string(e.Decision), Action: string(e.Action),
		Severity: string(e.Severity), Summary: e.Summary, DedupKey: e.DedupKey, Route: e.Route,
	}
	if x.flags.json {
		return
	}
	fmt.Fprintf(x.in.stdout, "Event %s, received %s by %s:\n", e.ID, moment(e.ReceivedAt), e.Protocol)
	fmt.Fprintf(x.in.stdout, "  it was %s by %s: %s\n", e.Decision, ruleWord(e.Rule), printable(strings.Join(strings.Fields(
		strings.Join([]string{string(e.Action), string(e.Severity), e.DedupKey, e.Summary}, " ")), " ")))
}

func ruleWord(id string) string {
	if id == "" {
		return "no rule"
	}
	return "rule " + id
}

// told prints what became of its delivery.
func (x *explainer) told(t history.Told) {
	if x.record.Told = &t; x.flags.json {
		return
	}
	d := t.Delivery
	fmt.Fprintf(x.in.stdout, "  its delivery to %s is %s after %s", d.Route, d.State, count(len(t.Attempts), "attempt"))
	if n := len(t.Attempts); n > 0 {
		fmt.Fprintf(x.in.stdout, ", the last at %s: %s", moment(t.Attempts[n-1].StartedAt), resultOf(t.Attempts[n-1]))
	}
	fmt.Fprintln(x.in.stdout)
	if a := t.Alert; a != nil {
		fmt.Fprintf(x.in.stdout, "  its alert is %s: %s, the last at %s\n", a.Status, count(int(a.Occurrences), "occurrence"), moment(a.LastAt))
	}
}

// faultOf is what the receivers said against the message.
func (x *explainer) faultOf() error {
	if len(x.faults) == 0 {
		return nil
	}
	_, what, _ := strings.Cut(x.faults[0].Message, ": ")
	return errors.New(what)
}
