package selfwatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/mapping"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// desk is a watch with a hand on the clock and on all that it sees.
type desk struct {
	*Watch
	t      *testing.T
	now    time.Time
	node   Node
	record Record
	fault  error // of the database
	full   error // of the queue
	told   []string
	events []mapping.Event
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, now: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}
	d.restart()
	return d
}

// restart forgets all that was in memory.
func (d *desk) restart() {
	config := Defaults()
	config.Route = "noc"
	d.node = Node{StaleRules: d.node.StaleRules, Spooled: d.node.Spooled}
	d.Watch = New(config, "edge-1", Sources{
		Node:   func() Node { return d.node },
		Record: func(context.Context, []string) (Record, error) { return d.record, d.fault },
	}, d, slog.New(slog.DiscardHandler))
}

// Enqueue takes what is told, and puts it on record as a commit would.
func (d *desk) Enqueue(_ context.Context, events []mapping.Event, done func(error)) {
	if d.full == nil {
		for _, e := range events {
			d.told = append(d.told, fmt.Sprint(e.Action, " ", e.DedupKey, " ", e.Severity, " ", e.Route))
			d.events = append(d.events, e)
			is := func(a delivery.OpenAlert) bool { return a.DedupKey == e.DedupKey }
			d.record.Open = slices.DeleteFunc(d.record.Open, is)
			if e.Action == mapping.Trigger {
				d.record.Open = append(d.record.Open, delivery.OpenAlert{DedupKey: e.DedupKey, Route: e.Route, Severity: e.Severity})
			}
		}
	}
	done(d.full)
}

// looks has it look n times, and holds what it told against want.
func (d *desk) looks(n int, want ...string) {
	d.t.Helper()
	d.told = nil
	for range n {
		d.now = d.now.Add(d.config.Every)
		d.look(d.t.Context(), d.now)
	}
	if diff := cmp.Diff(want, d.told); diff != "" {
		d.t.Errorf("after %d looks: -want +got:\n%s", n, diff)
	}
}

const openSpool, overSpool = "trigger self/edge-1/spool error noc", "resolve self/edge-1/spool error noc"

// TestAnAlertOpensOnceAndResolvesWhenItsTroubleIsGone for a while.
func TestAnAlertOpensOnceAndResolvesWhenItsTroubleIsGone(t *testing.T) {
	d := newDesk(t)
	d.looks(30)
	d.node.Spooled = 12
	d.looks(1)
	d.node.Spooled = 0
	d.looks(30) // a blip
	d.node.Spooled = 12
	d.looks(2, openSpool)
	d.looks(5)
	d.node.Spooled = 0
	d.looks(quietLooks - 1)
	d.node.Spooled = 1
	d.looks(1) // a flicker
	d.node.Spooled = 0
	d.looks(quietLooks-1, []string(nil)...)
	d.looks(1, overSpool)
	d.looks(100)
}

// TestWhatHasHappenedOpensAtOnce: it cannot be unsaid by the next look.
func TestWhatHasHappenedOpensAtOnce(t *testing.T) {
	f := func(happen func(d *desk), key, severity string) {
		t.Helper()
		d := newDesk(t)
		d.looks(3)
		happen(d)
		d.looks(1, "trigger "+key+" "+severity+" noc")
		d.record.Dead = nil
		d.looks(quietLooks-1, []string(nil)...)
		d.looks(1, "resolve "+key+" "+severity+" noc")
		d.looks(10)
	}
	f(func(d *desk) { d.node.Lost = 3 }, "self/edge-1/lost", "critical")
	f(func(d *desk) { d.node.Damaged = 1 }, "self/edge-1/damage", "error")
	f(func(d *desk) { d.node.Drops = map[string]int{"udp://:5514": 8} }, "self/edge-1/drops", "error")
	f(func(d *desk) { d.node.RuleErrors = map[string]int{"ios-link": 8} }, "self/edge-1/rules", "warning")
	f(func(d *desk) { d.record.Dead = []delivery.DeadLetters{{Route: "lab", Count: 2, Error: "answered 400"}} }, "self/dead", "error")
}

// TestWhatIsSoOpensAtTheSecondLook.
func TestWhatIsSoOpensAtTheSecondLook(t *testing.T) {
	f := func(happen func(d *desk), want string) {
		t.Helper()
		d := newDesk(t)
		happen(d)
		d.looks(1)
		d.looks(1, want)
	}
	f(func(d *desk) { d.node.Spooled = 1 }, openSpool)
	f(func(d *desk) { d.node.StaleRules = "10.yaml:3:20: no linkDwon" }, "trigger self/edge-1/reload warning noc")
	f(func(d *desk) { d.record.Oldest = map[string]time.Time{"lab": d.now.Add(-time.Hour)} }, "trigger self/backlog error noc")
	d := newDesk(t)
	d.record.Oldest = map[string]time.Time{"lab": d.now.Add(2*d.config.Every - d.config.Backlog)}
	d.looks(3) // at the second it is as old as it may be
	d.looks(1, "trigger self/backlog error noc")
}

// TestALastingTroubleIsToldNowAndThen, so that its alert does not resolve by
// itself, and at once when it has become worse.
func TestALastingTroubleIsToldNowAndThen(t *testing.T) {
	d := newDesk(t)
	d.node.Spooled, d.node.SpoolMax = 1, 100
	d.looks(2, openSpool)
	d.looks(int(refresh/d.config.Every)-1, []string(nil)...)
	d.looks(1, openSpool)
	d.node.SpoolBytes = 51
	d.looks(1, "trigger self/edge-1/spool critical noc")
	d.looks(3)
	for _, e := range d.events {
		if e.Gates.ResolveAfter < 2*refresh {
			t.Errorf("resolves after %s, and is told each %s", e.Gates.ResolveAfter, refresh)
		}
	}
}

// TestARestartForgetsNoAlert: what is open on record is resolved, on the route
// that it was opened on; other nodes' are left alone.
func TestARestartForgetsNoAlert(t *testing.T) {
	d := newDesk(t)
	d.node.Spooled = 1
	d.looks(2, openSpool)
	d.node.Spooled = 0
	d.restart()
	d.record.Open = []delivery.OpenAlert{
		{DedupKey: "self/edge-1/spool", Route: "before", Severity: "error"}, {DedupKey: "self/edge-2/spool", Route: "noc"},
	}
	d.looks(quietLooks-1, []string(nil)...)
	d.looks(1, "resolve self/edge-1/spool error before")
}

// TestADatabaseThatIsAwayIsNoAnswer: it neither opens nor resolves anything, and
// what a node knows by itself is told all the same.
func TestADatabaseThatIsAwayIsNoAnswer(t *testing.T) {
	d := newDesk(t)
	d.record.Dead = []delivery.DeadLetters{{Route: "lab", Count: 1}}
	d.looks(1, "trigger self/dead error noc")
	d.record.Dead, d.fault = nil, errors.New("away")
	d.looks(quietLooks + 5)
	d.fault = nil
	d.looks(quietLooks - 1)
	d.fault = errors.New("away")
	d.node.Spooled = 5
	d.looks(2, openSpool)
	d.fault = nil
	d.looks(quietLooks + 5) // the spool is not empty yet: what is on record is not all
	d.node.Spooled = 0
	d.looks(1, "resolve self/dead error noc")
	d.looks(quietLooks-1, overSpool)
}

// TestAResolveThatIsUnderWayIsNotToldAgain: until it is committed its alert is
// open on record.
func TestAResolveThatIsUnderWayIsNotToldAgain(t *testing.T) {
	d := newDesk(t)
	open := []delivery.OpenAlert{{DedupKey: "self/dead", Route: "noc", Severity: "error"}}
	d.record.Open = slices.Clone(open)
	d.looks(quietLooks, "resolve self/dead error noc")
	d.record.Open = slices.Clone(open)
	d.looks(5)
	d.looks(int(refresh/d.config.Every), "resolve self/dead error noc") // it was lost
}

// TestWhatTheQueueRefusesIsToldAgain.
func TestWhatTheQueueRefusesIsToldAgain(t *testing.T) {
	d := newDesk(t)
	d.node.Lost, d.full = 2, errors.New("full")
	d.looks(3)
	d.full = nil
	d.looks(1, "trigger self/edge-1/lost critical noc")
	d.looks(quietLooks-5, []string(nil)...)
	d.full = errors.New("full")
	d.looks(3)
	d.full = nil
	d.looks(1, "resolve self/edge-1/lost critical noc")
}

// TestAnAlertSaysWhatToDo, in a sentence, with figures.
func TestAnAlertSaysWhatToDo(t *testing.T) {
	d := newDesk(t)
	d.node = Node{
		Spooled: 1234, SpoolBytes: 5, SpoolMax: 10, Lost: 1, Damaged: 1, StaleRules: "10.yaml:3:20: no linkDwon",
		Drops: map[string]int{"a": 1, "b": 9, "c": 3, "d": 4}, RuleErrors: map[string]int{"ios-link": 2},
	}
	d.record = Record{
		Oldest: map[string]time.Time{"lab": d.now.Add(-time.Hour)},
		Dead:   []delivery.DeadLetters{{Route: "lab", Count: 2, Error: "rejected with 400: no"}, {Route: "noc", Count: 1}},
	}
	d.look(t.Context(), d.now)
	d.look(t.Context(), d.now)
	f := func(key, summary, details string) {
		t.Helper()
		i := slices.IndexFunc(d.events, func(e mapping.Event) bool { return e.DedupKey == key })
		if i < 0 {
			t.Fatalf("nothing is told of %s", key)
		}
		var told struct {
			Action  string `json:"event_action"`
			Key     string `json:"dedup_key"`
			Payload struct {
				Summary, Source, Severity string
				Details                   json.RawMessage `json:"custom_details"`
			}
		}
		e := &d.events[i]
		if err := json.Unmarshal(e.Payload, &told); err != nil {
			t.Fatal(err)
		}
		if told.Key != key || told.Action != "trigger" || told.Payload.Source != "edge-1" || told.Payload.Summary != e.Summary || told.Payload.Severity != string(e.Severity) {
			t.Errorf("%s: %s", key, e.Payload)
		}
		if !strings.Contains(e.Summary, summary) || !strings.Contains(string(told.Payload.Details), details) {
			t.Errorf("%s: %s\n%s", key, e.Summary, told.Payload.Details)
		}
	}
	f("self/edge-1/spool", "edge-1: events wait on disk (1234), since", `"max_bytes":10`)
	f("self/edge-1/lost", "edge-1: messages were lost (1), since", `"messages":1`)
	f("self/edge-1/damage", "spool was damaged", `"since_start":1`)
	f("self/edge-1/drops", "dropped datagrams (17) of b, d, c and 1 more", `"b":9`)
	f("self/edge-1/rules", "(ios-link)", `"ios-link":2`)
	f("self/edge-1/reload", "'pdagentd check'", "linkDwon")
	f("self/backlog", "more than 10m0s on lab: ", `"lab":"1h0m0s"`)
	f("self/dead", "deliveries were given up (3 in the last 10m0s), on lab, noc: ", `rejected with 400: no`)
}

// TestWithoutARouteNothingIsAsked.
func TestWithoutARouteNothingIsAsked(t *testing.T) {
	w := New(Defaults(), "edge-1", Sources{}, nil, slog.New(slog.DiscardHandler))
	if err := w.Run(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestItLooksUntilItIsStopped.
func TestItLooksUntilItIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.node.Spooled = 1
		ctx, cancel := context.WithTimeout(t.Context(), 2*d.config.Every+time.Second)
		defer cancel()
		if err := d.Run(ctx); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([]string{openSpool}, d.told); diff != "" {
			t.Error(diff)
		}
	})
}

// TestConfigNamesTheMend.
func TestConfigNamesTheMend(t *testing.T) {
	f := func(c Config, want ...string) {
		t.Helper()
		err := fmt.Sprint(c.Validate())
		for _, w := range want {
			if !strings.Contains(err, w) {
				t.Errorf("%+v: %s", c, err)
			}
		}
	}
	f(Defaults(), "<nil>")
	f(Config{}, "backlog: 0s is no age; write 10m", "every: 0s is not between 100ms and 15m0s; write 30s")
	f(Config{Backlog: 1, Every: time.Hour}, "every: 1h0m0s")
}
