package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/pdaltagent/pdaltagent/cmd/internal/sender"
	"github.com/pdaltagent/pdaltagent/cmd/internal/sender/sendertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestEventsAreThoseOfPagerDutyAgent: its incident keys, so that what it opened
// is resolved by the new command.
func TestEventsAreThoseOfPagerDutyAgent(t *testing.T) {
	r := sendertest.Listen(t)
	f := func(eventType, message string, want map[string]any) {
		t.Helper()
		if got := sendertest.Run(program(0), r.URL, "", sendertest.Key, eventType, message); got != (sendertest.Outcome{}) {
			t.Errorf("%+v", got)
		}
		key, path, body := r.Next(t)
		if key != sendertest.Key || path != sender.EventsV1 {
			t.Errorf("%s got %s", path, key)
		}
		if diff := cmp.Diff(any(want), body); diff != "" {
			t.Error(diff)
		}
	}
	f("trigger", "name:db1: load: 9.3\r\nid:13502\nstatus:PROBLEM\nhostname:db1\nseverity:High\n", map[string]any{
		"event_type": "trigger", "incident_key": "13502-db1", "description": "db1: load: 9.3 : PROBLEM for db1",
		"details": map[string]any{"name": "db1: load: 9.3", "id": "13502", "status": "PROBLEM", "hostname": "db1", "severity": "High"},
	})
	f("resolve", "\n  name:load\n  id:13502\n  status:OK\n  hostname:db1\n  incident_key:mine\n  url:https://zabbix/13502", map[string]any{
		"event_type": "resolve", "incident_key": "mine", "description": "load : OK for db1", "client": "Zabbix", "client_url": "https://zabbix/13502",
		"details": map[string]any{"name": "load", "id": "13502", "status": "OK", "hostname": "db1", "incident_key": "mine", "url": "https://zabbix/13502"},
	})
	f("trigger", "an opening\nname:load is\n high\nid:1\nstatus:PROBLEM\nhostname:\nNOTE:Escalation cancelled: host disabled", map[string]any{
		"event_type": "resolve", "incident_key": "1-", "description": "load ishigh : PROBLEM for ",
		"details": map[string]any{
			"an opening": "an opening", "name": "load ishigh", "id": "1", "status": "PROBLEM", "hostname": "",
			"NOTE": "Escalation cancelled: host disabled (sent as resolve)",
		},
	})
}

func TestWrongUsageNamesEveryFault(t *testing.T) {
	f := func(args []string, want ...string) {
		t.Helper()
		got := sendertest.Run(program(0), "", "", args...)
		if got.Exit != 2 || got.Stdout != "" {
			t.Errorf("%q: %+v", args, got)
		}
		for _, part := range want {
			if !strings.Contains(got.Stderr, part) {
				t.Errorf("%q says %q, not %q", args, got.Stderr, part)
			}
		}
	}
	f([]string{sendertest.Key}, "called with 1 arguments instead of 3", "{ALERT.MESSAGE}")
	f([]string{"short", "Problem: load", "name:load\nstatus"}, "{ALERT.SENDTO}, must be 32 letters", `not "Problem: load"`, "has no line id:", "has no line status:", "has no line hostname:")
}

func TestHelp(t *testing.T) {
	if got := sendertest.Run(program(0), "", "", "-h"); got.Exit != 0 || !strings.Contains(got.Stdout, "{ALERT.SUBJECT}") || !strings.Contains(got.Stdout, "PDSEND_TOKEN") {
		t.Errorf("%+v", got)
	}
}

func FuzzMessage(f *testing.F) {
	f.Add("name:db1: load\nid:1\nstatus:PROBLEM\nhostname:db1")
	f.Add("first\n:\n\n a\r\nNOTE:Escalation cancelled")
	f.Fuzz(func(t *testing.T, message string) {
		v1, _ := event(sendertest.Key, "trigger", message)
		if v1.IncidentKey == "" {
			t.Error("no incident key")
		}
		for name, value := range v1.Details.(map[string]string) {
			if strings.Contains(name+value, "\n") {
				t.Errorf("%q: %q is no line", name, value)
			}
		}
	})
}
