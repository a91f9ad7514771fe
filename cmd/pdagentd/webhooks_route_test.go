package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pdaltagent/pdaltagent/delivery/sandbox"
)

// TestARuleSendsAWebhookToAnotherDestination, in whose form it is, whatever its
// filters let pass, and which is told of each entry once.
func TestARuleSendsAWebhookToAnotherDestination(t *testing.T) {
	to, tickets, desk := newHooked(t), newHooked(t), newHooked(t)
	rules := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(rules, []byte(`rules:
  - id: notes-to-tickets
    match: { webhook: incident.annotate }
    continue: true
    event: { route: tickets }
  - id: resolved-to-the-desk
    match: { webhook: incident.resolve }
    continue: true
    event: { route: desk }
  - id: tell-who
    match: { webhook: '*' }
    event: { custom_details: { sent_by: pdaltagent } }
`), 0o600); err != nil {
		t.Fatal(err)
	}
	file := settings(t, fmt.Sprintf(`pagerduty: { events_url: sandbox }
webhooks:
  url: %s/hook
  every: 1s
  config: { of: default }
  destinations:
    - { name: tickets, url: "%s/tickets", types: [trigger], config: { of: tickets }, secret: s3cr3t }
    - { name: desk, url: "%s/desk", redirected: true }`, to.URL, tickets.URL, desk.URL))
	rewrite(t, file, "../../deploy/rules.d", rules)
	a := begin(t, file)
	time.Sleep(1500 * time.Millisecond) // the first poll says from when on
	for _, kind := range []string{"trigger", "annotate", "resolve"} {
		play(t, a.stand, sandbox.LogEntry{Type: kind, Incident: "k"})
	}
	tickets.until(t, 2, 20*time.Second)
	desk.until(t, 1, 20*time.Second)
	time.Sleep(1200 * time.Millisecond) // whoever is told twice is told by now
	said := func(h *hooked) (events []string) {
		for _, hook := range h.all() {
			events = append(events, hook.Event)
			if !strings.Contains(hook.Body, `"sent_by":"pdaltagent"`) || h == tickets && (!strings.Contains(hook.Body, `"of":"tickets"`) || hook.Signature == "") {
				t.Errorf("it is not as the destination's own are: %+v", hook)
			}
		}
		return events
	}
	want := [][]string{{"incident.trigger"}, {"incident.trigger", "incident.annotate"}, {"incident.resolve"}}
	if diff := cmp.Diff(want, [][]string{said(to), said(tickets), said(desk)}); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if n := outcomes(t, a)["redirected"]; n != 2 {
		t.Errorf("%v are counted as redirected", n)
	}
}

// outcomes are what became of log entries.
func outcomes(t *testing.T, a *appliance) map[string]float64 {
	t.Helper()
	families, err := a.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]float64{}
	for _, family := range families {
		if family.GetName() == "pdaltagent_log_entries_total" {
			for _, m := range family.GetMetric() {
				counts[m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
			}
		}
	}
	return counts
}
