package main

import (
	"encoding/hex"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/pdaltagent/pdaltagent/delivery/history"
	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/mapping"
)

// replayOf returns a replay by rules, and the rules.
func replayOf(t *testing.T, text string) (*replay, *mapping.Rules) {
	t.Helper()
	c, _, err := loadConfig(lone(t, text), os.LookupEnv)
	if err != nil {
		t.Fatal(err)
	}
	rules := readRules(t.Context(), c)
	if len(rules.faults) > 0 {
		t.Fatal(rules.faults)
	}
	return newReplay(rules.rules, "noc", 3), rules.rules
}

// TestReplayTellsMessagesOfOneInstantApart: one read of a socket brings many,
// and each may have made several events.
func TestReplayTellsMessagesOfOneInstantApart(t *testing.T) {
	r, rules := replayOf(t, "rules:\n"+
		"  - { id: first, match: { syslog: x }, continue: true, event: { summary: 'first ${message}', component: '${message}' } }\n"+
		"  - { id: second, match: { syslog: x }, event: { summary: '${message}', component: '${message}' } }\n")
	var ids ingest.IDs
	at := time.Now().Add(-time.Hour)
	var all []history.Recorded
	for _, word := range []string{"a", "b", "c", "c", "d"} {
		m := ingest.Message{ID: ids.Next(at), ReceivedAt: at, Protocol: ingest.Syslog, Line: &ingest.Line{AppName: "x", Text: word, Raw: []byte(word)}}
		var made mapping.Result
		rules.Apply(&m, &made)
		for _, e := range made.Events {
			all = append(all, history.Recorded{
				ID: e.ID, ReceivedAt: at, Protocol: e.Protocol, Host: e.Host, Message: e.Message, Rule: e.Rule, Decision: e.Decision,
				Action: e.Action, Severity: e.Severity, DedupKey: e.DedupKey, Summary: e.Summary, DeliveryID: &e.ID, State: "delivered",
			})
		}
	}
	all[1], all[8] = all[8], all[1] // the order of ids is not that of messages
	for _, e := range all {
		r.take(e)
	}
	r.flush()
	if r.Messages != 5 || len(r.Changed) != 0 {
		t.Errorf("%d messages, want 5; %v", r.Messages, r.Changed)
	}
	want := map[string]*tallied{"first": {5, 5, 5, 4}, "second": {5, 5, 5, 4}} // the second c folds
	if diff := cmp.Diff(want, r.Rules); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
}

// TestReplayMakesOurOwnEventsAgain: a storm, or the end of a silence, has no
// message that could be lost.
func TestReplayMakesOurOwnEventsAgain(t *testing.T) {
	r, _ := replayOf(t, "rules: [ { id: r, match: { syslog: x }, event: {} } ]")
	id := uuid.Must(uuid.NewV7())
	r.take(history.Recorded{ID: id, ReceivedAt: time.Now(), Rule: "r", Decision: mapping.Queued, Action: mapping.Resolve, DedupKey: "k", DeliveryID: &id, State: "delivered"})
	r.flush()
	if diff := cmp.Diff(map[string]*tallied{"r": {0, 0, 1, 0}}, r.Rules); diff != "" || r.Lost != 0 {
		t.Errorf("%d lost; rules (-want +got):\n%s", r.Lost, diff)
	}
}

// TestExplainShowsNoCommunity, whatever rules make of it.
func TestExplainShowsNoCommunity(t *testing.T) {
	file := lone(t, `
enrich: [ { set: { who: trap.community } } ]
rules:
  - { id: a, match: { trap: "*", when: 'trap.community + "x" == who' }, event: {} }
  - { id: b, match: { trap: "*" }, set: { c: '{"a": trap.community}', d: 'trap.community + "!"' }, event: {} }
`)
	trap := hex.EncodeToString(withCommunity(t, linkDown(t, 7), "s3cret"))
	for _, flag := range [][]string{nil, {"--json"}} {
		got := runCommandLine(t, "explain", file, append(flag, "--trap-hex", trap)...)
		got.says(t, 0, "[community]")
		if out := got.stdout + got.stderr; strings.Contains(out, "s3cret") {
			t.Errorf("%v:\n%s", flag, out)
		}
	}
}
