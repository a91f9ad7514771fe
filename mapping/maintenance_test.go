package mapping_test

import (
	"testing"
	"time"
	_ "time/tzdata" // the tests must not depend on the machine's zones

	"github.com/pdaltagent/pdaltagent/mapping"
)

// window returns the window that a line which comes at a time falls into.
func window(t *testing.T, rules *mapping.Rules, at string) string {
	t.Helper()
	m := said("app")
	var err error
	if m.ReceivedAt, err = time.Parse(time.RFC3339, at); err != nil {
		t.Fatal(err)
	}
	var r mapping.Result
	rules.Apply(&m, &r)
	if w := r.Events[0].Gates.Maintenance; w != nil {
		return w.Until.UTC().Format(time.RFC3339)
	}
	return ""
}

// TestWindowsFollowTheClocks: where these are set forward, a time that they
// never show is the moment when that is done; where they are set back, a
// window reaches from the first time that they show its start to the last time
// that they show its end.
func TestWindowsFollowTheClocks(t *testing.T) {
	f := func(every, at, want string) {
		t.Helper()
		rules := load(t, "maintenance: [ { name: w, every: \""+every+"\" } ]\nrules: [ { id: a, match: { syslog: app }, event: {} } ]")
		if got := window(t, rules, at); got != want {
			t.Errorf("%s at %s: until %q, want %q", every, at, got, want)
		}
	}
	// New York, 8 March 2026: 02:00 EST is 03:00 EDT, at 07:00 UTC.
	f("Sun 02:00-04:00 America/New_York", "2026-03-08T06:59:59Z", "")
	f("Sun 02:00-04:00 America/New_York", "2026-03-08T07:00:00Z", "2026-03-08T08:00:00Z")
	f("Sun 01:00-02:30 America/New_York", "2026-03-08T06:30:00Z", "2026-03-08T07:00:00Z")
	f("Sun 01:00-02:30 America/New_York", "2026-03-08T07:00:00Z", "")
	f("Sun 02:00-03:00 America/New_York", "2026-03-08T07:00:00Z", "")
	// New York, 1 November 2026: 02:00 EDT is 01:00 EST, at 06:00 UTC.
	f("Sun 01:30-03:00 America/New_York", "2026-11-01T05:29:59Z", "")
	f("Sun 01:30-03:00 America/New_York", "2026-11-01T05:30:00Z", "2026-11-01T08:00:00Z")
	f("Sun 00:00-01:30 America/New_York", "2026-11-01T06:29:59Z", "2026-11-01T06:30:00Z")
	f("Sun 00:00-01:30 America/New_York", "2026-11-01T06:30:00Z", "")
	// Lord Howe moves by half an hour: 4 October 2026, 02:00 is 02:30, at 15:30 UTC.
	f("Sun 02:15-03:00 Australia/Lord_Howe", "2026-10-03T15:30:00Z", "2026-10-03T16:00:00Z")
	f("Sun 02:15-03:00 Australia/Lord_Howe", "2026-10-03T15:29:59Z", "")
	// Beirut sets its clocks at midnight: 29 March 2026, 00:00 is 01:00, at 22:00 UTC.
	f("Sun 00:00-02:00 Asia/Beirut", "2026-03-28T22:00:00Z", "2026-03-28T23:00:00Z")
	f("Sun 00:00-02:00 Asia/Beirut", "2026-03-28T21:59:59Z", "")

	// Over midnight, over the week's end, and several at once.
	f("Sat 23:00-01:00", "2026-03-01T00:59:59Z", "2026-03-01T01:00:00Z")
	f("Sat 23:00-01:00", "2026-03-01T01:00:00Z", "")
	f("Sat 23:00-01:00", "2026-02-28T00:30:00Z", "")
	f("Fri-Mon 22:00-24:00", "2026-03-02T23:59:59Z", "2026-03-03T00:00:00Z")
	f("fri-monday 22:00-24:00", "2026-03-03T22:30:00Z", "")
	f("Mon, Wed, Fri 01:00-02:00, 03:00-04:00", "2026-03-04T03:30:00Z", "2026-03-04T04:00:00Z")
	f("01:00-02:00,02:00-03:00", "2026-03-04T01:30:00Z", "2026-03-04T03:00:00Z")
	f("Wed", "2026-03-04T01:30:00Z", "2026-03-05T00:00:00Z")
}

// TestAWindowNeverEndsBeforeTheMessage, whatever the zone and the hour.
func TestAWindowNeverEndsBeforeTheMessage(t *testing.T) {
	rules := load(t, `
maintenance:
  - { name: a, every: ["Sun 02:00-04:00 Europe/London", "Sat 22:00-03:30 America/Sao_Paulo", "Mon-Fri 00:15-00:45 Asia/Kathmandu", "23:59-00:01 Pacific/Apia"] }
rules: [ { id: a, match: { syslog: app }, event: {} } ]`)
	m := said("app")
	in := 0
	for at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC); at.Year() == 2026; at = at.Add(7*time.Minute + 3*time.Second) {
		m.ReceivedAt = at
		var r mapping.Result
		rules.Apply(&m, &r)
		w := r.Events[0].Gates.Maintenance
		if w == nil {
			continue
		}
		in++
		if !w.Until.After(at) || w.Until.Sub(at) > 12*time.Hour {
			t.Errorf("at %v until %v", at, w.Until)
		}
		m.ReceivedAt = w.Until
		r = mapping.Result{}
		if rules.Apply(&m, &r); r.Events[0].Gates.Maintenance != nil {
			t.Errorf("at %v it ends at %v, when another one is open", at, w.Until)
		}
	}
	if in < 1000 {
		t.Errorf("%d messages fell into a window", in)
	}
}

// TestEventsOfARuleShareTheirGates: they are made once, when the rules are
// loaded.
func TestEventsOfARuleShareTheirGates(t *testing.T) {
	rules := load(t, "rules: [ { id: a, match: { syslog: app }, hold: 1m, event: {} } ]")
	m := said("app")
	var r mapping.Result
	rules.Apply(&m, &r)
	rules.Apply(&m, &r)
	if r.Events[0].Gates != r.Events[1].Gates || r.Events[0].Gates.Hold != time.Minute {
		t.Errorf("got %+v and %+v", r.Events[0].Gates, r.Events[1].Gates)
	}
}
