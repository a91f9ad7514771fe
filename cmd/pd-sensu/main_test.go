package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/pdaltagent/pdaltagent/cmd/internal/sender"
	"github.com/pdaltagent/pdaltagent/cmd/internal/sender/sendertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const core = `{"id":"c6ad4f14","action":"ACTION","client":{"name":"web1","address":"192.0.2.1"},"occurrences":1,
	"check":{"name":"disk","output":"98% used\n","status":2,"handlers":["pagerduty"]}}`

// TestEventsAreThoseOfPagerDutyAgent: its incident keys, so that what it opened
// is resolved by the new command, with the whole event as details.
func TestEventsAreThoseOfPagerDutyAgent(t *testing.T) {
	r := sendertest.Listen(t)
	f := func(event, eventType, id, description string, args ...string) {
		t.Helper()
		if got := sendertest.Run(program(0), r.URL, event, append([]string{"-k", sendertest.Key}, args...)...); got != (sendertest.Outcome{}) {
			t.Errorf("%+v", got)
		}
		key, path, body := r.Next(t)
		if key != sendertest.Key || path != sender.EventsV1 {
			t.Errorf("%s got %s", path, key)
		}
		var got sender.V1
		raw, _ := json.Marshal(body)
		if err := json.Unmarshal(raw, &got); err != nil {
			t.Fatal(err)
		}
		want := sender.V1{EventType: eventType, IncidentKey: id, Description: description}
		if err := json.Unmarshal([]byte(event), &want.Details); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	action := func(name string) string { return strings.Replace(core, "ACTION", name, 1) }
	f(action("create"), "trigger", "web1/disk", "web1/disk : 98% used")
	f(action("flapping"), "trigger", "web1/disk", "web1/disk : 98% used")
	f(action("resolve"), "resolve", "web1/disk", "web1/disk : 98% used")
	f(action("create"), "trigger", "mine", "mine : 98% used", "-i", "mine")
	f(`{"id":"c6ad4f14","action":"create","check":{"output":"odd"}}`, "trigger", "c6ad4f14", "c6ad4f14 : odd")
	f(`{"entity":{"metadata":{"name":"web2"}},"check":{"metadata":{"name":"http"},"output":"refused","status":2,"state":"failing"}}`, "trigger", "web2/http", "web2/http : refused")
	f(`{"entity":{"metadata":{"name":"web2"}},"check":{"metadata":{"name":"http"},"output":"ok","status":0,"state":"passing"}}`, "resolve", "web2/http", "web2/http : ok")
}

func TestWrongUsageNamesEveryFault(t *testing.T) {
	f := func(stdin string, args []string, want ...string) {
		t.Helper()
		got := sendertest.Run(program(0), "", stdin, args...)
		if got.Exit != 2 || got.Stdout != "" {
			t.Errorf("%q: %+v", args, got)
		}
		for _, part := range want {
			if !strings.Contains(got.Stderr, part) {
				t.Errorf("%q says %q, not %q", args, got.Stderr, part)
			}
		}
	}
	key := []string{"-k", sendertest.Key}
	f("", nil, "-k (--integration-key) is required", "standard input is no JSON of a Sensu event")
	f(`{"action":"create"}`, key, "has no check")
	f(`{"check":{"name":"disk","output":"x"}}`, key, "neither a client or entity with a name nor an id")
	f(core, append(key, "create"), `"create" belongs to no option`)
	f(core, []string{"--nope"}, "unknown flag: --nope")
}

func TestHelp(t *testing.T) {
	if got := sendertest.Run(program(0), "", "", "--help"); got.Exit != 0 || !strings.Contains(got.Stdout, "--integration-key") || !strings.Contains(got.Stdout, "PDSEND_TOKEN") {
		t.Errorf("%+v", got)
	}
}

func FuzzEvent(f *testing.F) {
	f.Add([]byte(core))
	f.Add([]byte(`{"entity":{"metadata":{"name":"web2"}},"check":{"metadata":{"name":"http"},"output":"ok","status":0}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		o := options{key: sendertest.Key}
		v1, err := o.event(raw)
		if err != nil {
			return
		}
		if v1.IncidentKey == "" || v1.EventType != "trigger" && v1.EventType != "resolve" {
			t.Errorf("%+v", v1)
		}
		if _, err := json.Marshal(v1); err != nil {
			t.Error(err)
		}
	})
}
