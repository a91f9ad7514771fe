package queue_test

import (
	"cmp"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	diff "github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/delivery/history"
	"github.com/pdaltagent/pdaltagent/delivery/queue"
	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/mapping"
	"github.com/pdaltagent/pdaltagent/mapping/rulefile"
	"github.com/pdaltagent/pdaltagent/migrations"
	"github.com/pdaltagent/pdaltagent/migrations/pgtest"
)

// gatedRules has a rule for each gate, and one for all of them. A message says
// the object, its severity and what happened: "a error down".
const gatedRules = `
flapping: { changes: 5, within: 10m, quiet: 3m }
storm: { alerts: 12, within: 1m }
maintenance:
  - { name: night, when: 'syslog.app_name in ["maintained", "all"]', every: "04:00-04:20" }
rules:
  - id: plain
    match: { syslog: plain, when: what == "down" }
    acknowledge: { when: what == "seen" }
    resolve: { when: what == "up" }
    extract: &says '%{WORD:object} %{WORD:grade} %{WORD:what}'
    event: &says_so { component: '${object}', severity: '${grade}' }
  - id: held
    match: { syslog: held, when: what == "down" }
    acknowledge: { when: what == "seen" }
    resolve: { when: what == "up" }
    extract: *says
    event: *says_so
    hold: 60s
  - id: counted
    match: { syslog: counted, when: what == "down" }
    resolve: { when: what == "up" }
    extract: *says
    event: *says_so
    threshold: { count: 3, within: 90s }
    repeat: 2m
  - id: child
    match: { syslog: child, when: what == "down" }
    resolve: { when: what == "up" }
    extract: *says
    event: *says_so
    unless_open: 'plain/${source}/${object}'
  - id: silent
    match: { syslog: silent, when: what == "down" }
    resolve: { when: what == "up" }
    extract: *says
    event: *says_so
    hold: 1m
    resolve_after: 4m
  - id: short
    match: { syslog: short, when: what == "down" }
    extract: *says
    event: *says_so
    hold: 4m
    resolve_after: 1m
  - id: maintained
    match: { syslog: maintained, when: what == "down" }
    acknowledge: { when: what == "seen" }
    resolve: { when: what == "up" }
    extract: *says
    event: *says_so
  - id: stormy
    match: { syslog: stormy, when: what == "down" }
    resolve: { when: what == "up" }
    extract: *says
    event: *says_so
    storm: { alerts: 1, within: 1m }
  - id: all
    match: { syslog: all, when: what == "down" }
    acknowledge: { when: what == "seen" }
    resolve: { when: what == "up" }
    extract: *says
    event: *says_so
    threshold: { count: 2, within: 2m }
    hold: 30s
    repeat: 3m
    resolve_after: 20m
    unless_open: 'held/${source}/${object}'
`

// noNames is a mapping.Namer that knows no module.
type noNames struct{}

func (noNames) OID(name string) (string, error)                    { return name, nil }
func (noNames) Name(string) (module, label, index string, ok bool) { return "", "", "", false }
func (noNames) Value(_ string, v any) any                          { return v }
func (noNames) Index(string) string                                { return "" }

func compile(t *testing.T, rules string) *mapping.Rules {
	t.Helper()
	rs, err := rulefile.Parse("rules.yaml", []byte(rules), noNames{})
	if err != nil {
		t.Fatal(err)
	}
	return rs
}

// said returns the events that rules make of a syslog line.
func said(t *testing.T, rules *mapping.Rules, at time.Time, host, app, text string) []mapping.Event {
	t.Helper()
	var made mapping.Result
	rules.Apply(&ingest.Message{
		ID: ingest.NewID(at), ReceivedAt: at, Protocol: ingest.Syslog, Source: netip.MustParseAddr("192.0.2.1"), Host: host,
		Line: &ingest.Line{Severity: 3, AppName: app, Text: text},
	}, &made)
	for _, e := range made.Errors {
		t.Errorf("%q: %v", text, e.Err)
	}
	return made.Events
}

// stage commits events on a clock of its own: what Rehearsal does in memory, by
// the statements of the commit.
type stage struct {
	t     *testing.T
	pool  *pgxpool.Pool
	conn  *pgx.Conn
	story *history.History
	now   time.Time // of the last event
}

func newStage(t *testing.T) *stage {
	t.Helper()
	pool := pgtest.New(t)
	routes, err := delivery.NewRoutes([]delivery.Route{{Name: "noc", Type: ingest.EventsV2, Key: "0123456789abcdef0123456789abcdef"}}, "noc")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Release)
	s := &stage{t: t, pool: pool, conn: conn.Conn()}
	s.story = history.New(pool, routes, history.Config{Jobs: queue.Jobs(migrations.RiverSchema, "n1")}, slog.New(slog.DiscardHandler))
	return s
}

func always(string, uuid.UUID) bool { return true }

func (s *stage) take(e *mapping.Event) (heard []string, decision mapping.Decision) {
	s.t.Helper()
	if err := s.story.Prepare(s.t.Context(), []*mapping.Event{e}); err != nil {
		s.t.Fatal(err)
	}
	c, err := s.story.Commit(s.t.Context(), s.conn, []*mapping.Event{e}, false, always)
	if err != nil {
		s.t.Fatal(err)
	}
	s.now = e.ReceivedAt
	return s.news(e.ReceivedAt), c.Decisions[0]
}

// advance looks after the gates at every moment at which one of them is due.
func (s *stage) advance(at time.Time) (heard []string) {
	s.t.Helper()
	heard = s.tick(s.now) // a parent may be over
	for now := s.now; ; {
		var due *time.Time
		if err := s.conn.QueryRow(s.t.Context(), `SELECT min(due) FROM (
				SELECT due_at AS due FROM deliveries WHERE held_by IN ('hold', 'maintenance', 'parent')
				UNION ALL SELECT resolve_at FROM alerts) AS timers WHERE due > $1 AND due < $2`, now, at).Scan(&due); err != nil {
			s.t.Fatal(err)
		}
		if due == nil {
			return append(heard, s.tick(at)...)
		}
		now = *due
		heard = append(heard, s.tick(now)...)
	}
}

func (s *stage) tick(now time.Time) []string {
	s.t.Helper()
	for range 3 { // the end of one may be the beginning of another
		if _, _, err := s.story.Release(s.t.Context(), s.conn, now); err != nil {
			s.t.Fatal(err)
		}
		if _, _, err := s.story.Expire(s.t.Context(), s.conn, now, always); err != nil {
			s.t.Fatal(err)
		}
	}
	return s.news(now)
}

// news are the deliveries that go since the last call. PagerDuty accepts them
// at once.
func (s *stage) news(now time.Time) (heard []string) {
	s.t.Helper()
	rows, err := s.conn.Query(s.t.Context(), `WITH gone AS (UPDATE deliveries d SET state = 'delivered', held_by = NULL
			WHERE d.state = 'queued' OR d.state = 'held' AND d.held_by IN ('alert', 'route') RETURNING *)
		SELECT action, dedup_key, severity FROM gone ORDER BY seq`)
	if err != nil {
		s.t.Fatal(err)
	}
	var action, key, severe string
	if _, err := pgx.ForEachRow(rows, []any{&action, &key, &severe}, func() error {
		heard = append(heard, telling(now, mapping.Action(action), key, mapping.Severity(severe)))
		return nil
	}); err != nil {
		s.t.Fatal(err)
	}
	return heard
}

// clear ends a play: nothing may be open, and nothing of it is left.
func (s *stage) clear() {
	s.t.Helper()
	var open int
	if err := s.conn.QueryRow(s.t.Context(), `SELECT count(*) FROM alerts WHERE status IN ('open', 'acknowledged')`).Scan(&open); err != nil || open > 0 {
		s.t.Errorf("%d alerts are open, %v", open, err)
	}
	if _, err := s.conn.Exec(s.t.Context(), `TRUNCATE events, alerts, deliveries, storms, river.river_job`); err != nil {
		s.t.Fatal(err)
	}
}

func telling(at time.Time, action mapping.Action, key string, severity mapping.Severity) string {
	if action != mapping.Trigger {
		severity = ""
	}
	return strings.TrimSpace(fmt.Sprintf("%s %s %s %s", at.UTC().Format(time.TimeOnly), action, key, severity))
}

// inMemory is a Rehearsal that tells what it hears as stage does.
type inMemory struct{ *delivery.Rehearsal }

func tell(all []delivery.Heard) (heard []string) {
	for _, h := range all {
		heard = append(heard, telling(h.At, h.Event.Action, h.Event.DedupKey, h.Event.Severity))
	}
	return heard
}

func (r inMemory) take(e *mapping.Event) ([]string, mapping.Decision) {
	heard, decision := r.Take(e)
	return tell(heard), decision
}

func (r inMemory) advance(at time.Time) []string { return tell(r.Advance(at)) }

// theatre is where a play is given.
type theatre interface {
	advance(at time.Time) []string
	take(e *mapping.Event) (heard []string, decision mapping.Decision)
}

// line is what a device says in a play, some time after the line before.
type line struct {
	after     time.Duration
	app, text string
}

// write makes up a play.
func write(seed uint64) (play []line) {
	r := rand.New(rand.NewPCG(seed, 11))
	apps := []string{"plain", "held", "counted", "child", "silent", "short", "maintained", "stormy", "all"}
	r.Shuffle(len(apps), func(i, j int) { apps[i], apps[j] = apps[j], apps[i] })
	apps = apps[:2+r.IntN(3)]
	switch {
	case seed%3 == 0: // of parents and children alone
		apps = [][]string{{"held", "all", "all"}, {"plain", "child"}}[r.IntN(2)]
	case slices.Contains(apps, "child"):
		apps = append(apps, "plain")
	}
	happens := []string{"down", "down", "down", "down", "up", "up", "seen"}
	pauses := []time.Duration{0, 0, time.Second, 7 * time.Second, 30 * time.Second, time.Minute, 4 * time.Minute}
	objects := []string{"a", "a", "b", "c"}[:1+r.IntN(4)]
	for range 10 + r.IntN(30) {
		play = append(play, line{
			pauses[r.IntN(len(pauses))], apps[r.IntN(len(apps))],
			objects[r.IntN(len(objects))] + " " + []string{"info", "error", "critical"}[r.IntN(3)] + " " + happens[r.IntN(len(happens))],
		})
	}
	return play
}

// give plays lines to a theatre, ends every problem, and lets time pass. It
// returns what happened.
func give(t *testing.T, on theatre, rules *mapping.Rules, host string, start time.Time, play []line) (happened []string, heard []string) {
	t.Helper()
	at := start
	say := func(l line) {
		at = at.Add(l.after)
		told := on.advance(at)
		events := said(t, rules, at, host, l.app, l.text)
		for i := range events {
			more, decision := on.take(&events[i])
			happened = append(happened, fmt.Sprintf("%s %s %s: %s", at.UTC().Format(time.TimeOnly), l.app, l.text, decision))
			told = append(told, more...)
		}
		inOrder(told)
		happened, heard = append(happened, told...), append(heard, told...)
	}
	for _, l := range play {
		say(l)
	}
	end := func() {
		for _, app := range []string{"plain", "held", "counted", "child", "silent", "maintained", "stormy", "all"} {
			for _, object := range []string{"a", "b", "c"} {
				say(line{time.Second, app, object + " info up"})
			}
		}
	}
	end()
	at = at.Add(2 * time.Hour)
	before := len(happened)
	end()
	for _, what := range happened[before:] {
		if strings.Contains(what, ": ") && !strings.HasSuffix(what, ": suppressed") {
			t.Errorf("%s: it was still open", what)
		}
	}
	return happened, heard
}

// inOrder sorts what different alerts tell at one time, which has no order.
func inOrder(heard []string) {
	slices.SortStableFunc(heard, func(a, b string) int {
		x, y := strings.Fields(a), strings.Fields(b)
		return cmp.Or(strings.Compare(x[0], y[0]), strings.Compare(x[2], y[2]))
	})
}

// lastOf returns the last thing that was heard of each alert.
func lastOf(heard []string) map[string]string {
	last := map[string]string{}
	for _, h := range heard {
		words := strings.Fields(h)
		last[words[2]] = words[1]
	}
	return last
}

// plays is how many plays are given.
func plays(t *testing.T, most int) int {
	t.Helper()
	if n, err := strconv.Atoi(os.Getenv("PDALTAGENT_TEST_PLAYS")); err == nil {
		return n
	}
	if testing.Short() {
		return most / 5
	}
	return most
}

// TestAResolveLeavesNothingOpen: whatever came before, through every gate, when
// all was resolved and time has passed the last that PagerDuty has heard of an
// alert is its end, or it has heard nothing.
func TestAResolveLeavesNothingOpen(t *testing.T) {
	rules := compile(t, gatedRules)
	start := time.Date(2026, 3, 1, 3, 50, 0, 0, time.UTC)
	for seed := range uint64(plays(t, 1000)) {
		_, heard := give(t, inMemory{delivery.NewRehearsal("noc")}, rules, "h", start, write(seed))
		for key, last := range lastOf(heard) {
			if last != "resolve" {
				t.Errorf("play %d leaves %s open:\n%s", seed, key, strings.Join(heard, "\n"))
			}
		}
	}
}

// TestTheCommitDecidesAsARehearsal: the same messages at the same times are
// decided alike, and PagerDuty hears the same at the same times.
func TestTheCommitDecidesAsARehearsal(t *testing.T) {
	rules := compile(t, gatedRules)
	s := newStage(t)
	start := time.Now().UTC().Truncate(24 * time.Hour).Add(3*time.Hour + 50*time.Minute)
	for seed := range uint64(plays(t, 20)) {
		play, host := write(seed), fmt.Sprint("h", seed)
		want, _ := give(t, inMemory{delivery.NewRehearsal("noc")}, rules, host, start, play)
		got, heard := give(t, s, rules, host, start, play)
		if d := diff.Diff(want, got); d != "" {
			t.Fatalf("play %d (-rehearsal +commit):\n%s\n%s", seed, d, strings.Join(want, "\n"))
		}
		for key, last := range lastOf(heard) {
			if last != "resolve" {
				t.Errorf("play %d leaves %s open", seed, key)
			}
		}
		s.clear()
	}
}

// TestAParentThatGoesInTheSameMomentHoldsItsChildren: the timers of nodes look
// at what is due twice a second; a child whose time comes after its parent's is
// inhibited, though both are looked at together.
func TestAParentThatGoesInTheSameMomentHoldsItsChildren(t *testing.T) {
	s := newStage(t)
	rules := compile(t, strings.ReplaceAll(gatedRules, "count: 2", "count: 1"))
	start := time.Now().UTC().Truncate(24 * time.Hour).Add(12 * time.Hour)
	at := func(after time.Duration, app, what string) {
		t.Helper()
		events := said(t, rules, start.Add(after), "h", app, what)
		s.take(&events[0])
	}
	at(0, "held", "a error down")
	at(30*time.Second, "all", "a error down")
	at(31*time.Second, "all", "b error down")
	if d := diff.Diff([]string{"12:01:02 trigger held/h/a error", "12:01:02 trigger all/h/b error"}, s.tick(start.Add(62*time.Second))); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	at(63*time.Second, "held", "a error up")
	if d := diff.Diff([]string{"12:01:04 trigger all/h/a error"}, s.tick(start.Add(64*time.Second))); d != "" {
		t.Errorf("when the parent is over (-want +got):\n%s", d)
	}
}
