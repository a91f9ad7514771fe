package history

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/migrations/pgtest"
)

// past is what the questions are asked about: events that came at equal
// intervals in the last four days. Event i, counted from the newest, is about
// device i%997, and its rule, decision and route follow from i, too.
type past struct {
	pool   *pgxpool.Pool
	events int
	day    int // events of the last 24 hours
}

const (
	pastDays = 4
	devices  = 997 // prime, so that each is subject to every rule and decision
)

// newPast fills a database with PDALTAGENT_EVENTS events (100,000).
func newPast(t *testing.T) *past {
	t.Helper()
	p := &past{pool: pgtest.New(t), events: 100_000}
	if s := os.Getenv("PDALTAGENT_EVENTS"); s != "" {
		var err error
		if p.events, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	p.day = p.events / pastDays
	h := New(p.pool, nil, Config{}, nil)
	for _, table := range partitioned() {
		for i := -pastDays; i <= 1; i++ {
			if err := h.ensureDay(t.Context(), table, dayOf(time.Now()).AddDate(0, 0, i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	began := time.Now()
	for _, statement := range []string{fillEvents, fillDeliveries, fillAlerts, fillAttempts} {
		if _, err := p.pool.Exec(t.Context(), strings.NewReplacer("EVENTS", strconv.Itoa(p.events), "DAYS", strconv.Itoa(pastDays)).Replace(statement)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.pool.Exec(t.Context(), `VACUUM ANALYZE events, deliveries, alerts, attempts`); err != nil {
		t.Fatal(err)
	}
	t.Logf("filled in %s", time.Since(began).Round(time.Millisecond))
	return p
}

const fillEvents = `INSERT INTO events (id, received_at, protocol, source, host, rule, decision, route, action, dedup_key, severity, summary, payload, message, alert_id, delivery_id)
	SELECT id, at, 'snmp', '192.0.2.7', '192.0.2.' || i % 997, rule, decision, CASE WHEN i % 2 = 0 THEN 'noc' ELSE 'lab' END, 'trigger', 'link-down/' || i % 997, 'error',
		'interface Gi0/1 is down', jsonb_build_object('event_action', 'trigger', 'dedup_key', 'link-down/' || i % 997, 'payload',
			jsonb_build_object('summary', 'interface Gi0/1 is down', 'source', '192.0.2.' || i % 997, 'severity', 'error')),
		jsonb_build_object('protocol', 'snmp', 'varbinds', jsonb_build_array('1.3.6.1.2.1.2.2.1.1.7', i, '1.3.6.1.2.1.2.2.1.8.7', 2, repeat('x', 100))),
		NULL, CASE WHEN decision IN ('queued', 'maintenance', 'inhibited') THEN id END
	FROM (SELECT i, at, CASE WHEN i % 3 = 0 THEN 'noisy' ELSE 'rule-' || i % 40 END AS rule,
			CASE i % 10 WHEN 0 THEN 'queued' WHEN 1 THEN 'queued' WHEN 2 THEN 'queued' WHEN 7 THEN 'suppressed' WHEN 8 THEN 'inhibited' WHEN 9 THEN 'maintenance' ELSE 'folded' END AS decision,
			(left(id_since(at)::text, 14) || '7000-8000-' || lpad(to_hex(EVENTS - i), 12, '0'))::uuid AS id
		FROM (SELECT i, now() - (i + 0.5) * DAYS * interval '1 day' / EVENTS AS at FROM generate_series(EVENTS - 1, 0, -1) AS i) AS series) AS events`

const fillDeliveries = `INSERT INTO deliveries (id, event_id, received_at, created_at, kind, route, api, action, dedup_key, severity, priority, state, held_by, due_at, parent,
		delivered_at, attempts, last_status, last_error)
	SELECT delivery_id, id, received_at, received_at, 'event', route, '', action, dedup_key, severity, 2, state,
		CASE WHEN state = 'held' THEN 'route' END, CASE decision WHEN 'maintenance' THEN received_at + interval '1 hour' END, CASE decision WHEN 'inhibited' THEN 'uplink' END,
		CASE WHEN state = 'delivered' THEN received_at + (1 + n / 10 % 10) * interval '0.1 s' END, CASE WHEN state IN ('delivered', 'dead') THEN 1 ELSE 0 END,
		CASE state WHEN 'delivered' THEN 202 WHEN 'dead' THEN 400 END, CASE state WHEN 'dead' THEN 'rejected with 400: no' END
	FROM (SELECT *, CASE WHEN decision IN ('maintenance', 'inhibited') THEN 'cancelled' WHEN n % 1000 = 0 THEN 'dead' WHEN n % 1000 = 10 THEN 'held' ELSE 'delivered' END AS state
		FROM (SELECT *, EVENTS - ('x' || right(id::text, 12))::bit(48)::bigint AS n FROM events WHERE delivery_id IS NOT NULL) AS events) AS events
	ORDER BY received_at`

const fillAlerts = `INSERT INTO alerts (id, route, dedup_key, status, severity, summary, source, rule, first_at, last_at, occurrences)
	SELECT gen_random_uuid(), 'noc', 'link-down/' || i, CASE WHEN i % 50 = 0 THEN 'open' ELSE 'resolved' END, 'error', 'interface ' || i, '192.0.2.' || i % 997, 'noisy',
		now() - i * DAYS * interval '1 day' / (EVENTS / 10), now(), 1 FROM generate_series(0, EVENTS / 10 - 1) AS i`

const fillAttempts = `INSERT INTO attempts (delivery_id, number, node, started_at, duration_ms, status, error)
	SELECT id, 1, 'edge-1', received_at, 100, last_status, last_error FROM deliveries WHERE attempts = 1`

// answer is what a question was answered with.
type answer struct {
	rows [][]any
	plan string
}

// ask has a question answered, and explained.
func (p *past) ask(t *testing.T, question string) (a answer) {
	t.Helper()
	began := time.Now()
	rows, err := p.pool.Query(t.Context(), question)
	if err != nil {
		t.Fatal(err)
	}
	a.rows, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) ([]any, error) { return row.Values() })
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	if err := p.pool.QueryRow(t.Context(), `EXPLAIN (FORMAT JSON) `+question).Scan(&a.plan); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d rows in %s; %s", len(a.rows), took.Round(time.Microsecond), strings.Join(scans(t, a.plan), ", "))
	return a
}

// scans are a plan's scans of whole tables.
func scans(t *testing.T, plan string) (tables []string) {
	t.Helper()
	type node struct {
		Type  string `json:"Node Type"`
		Table string `json:"Relation Name"`
		Plans []json.RawMessage
	}
	var walk func(text json.RawMessage)
	walk = func(text json.RawMessage) {
		var n node
		if err := json.Unmarshal(text, &n); err != nil {
			t.Fatal(err)
		}
		if n.Type == "Seq Scan" {
			tables = append(tables, n.Table)
		}
		for _, below := range n.Plans {
			walk(below)
		}
	}
	var whole []struct{ Plan json.RawMessage }
	if err := json.Unmarshal([]byte(plan), &whole); err != nil {
		t.Fatal(err)
	}
	walk(whole[0].Plan)
	return tables
}

// holds tells whether a table has any rows: the partitions of days to come have
// none.
func (p *past) holds(t *testing.T, table string) (some bool) {
	t.Helper()
	if err := p.pool.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM `+pgx.Identifier{table}.Sanitize()+`)`).Scan(&some); err != nil {
		t.Fatal(err)
	}
	return some
}

// questions are the SQL of delivery/README.md, by what stands before each.
func questions(t *testing.T) (list [][2]string) {
	t.Helper()
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?m)^([^\n]+)\n\n```sql\n((?s:.*?))```").FindAllStringSubmatch(string(text), -1) {
		list = append(list, [2]string{m[1], m[2]})
	}
	if n := strings.Count(string(text), "```sql"); n != len(list) || n < 10 {
		t.Fatalf("%d blocks of SQL, of which %d have a line before them", n, len(list))
	}
	return list
}

// TestTheReadmesQuestionsAreAnswered from what is on record, and by reading no
// more of it than they ask for: an index, or the partitions of the days that they name.
func TestTheReadmesQuestionsAreAnswered(t *testing.T) {
	p := newPast(t)
	checks := p.checks()
	for _, q := range questions(t) {
		i := slices.IndexFunc(checks, func(c check) bool { return strings.HasPrefix(q[0], c.question) })
		if i < 0 {
			t.Errorf("nothing checks the answer to %q", q[0])
			continue
		}
		t.Run(checks[i].question, func(t *testing.T) {
			if checks[i].right == nil {
				for statement := range strings.Lines(q[1]) {
					if _, err := p.pool.Exec(t.Context(), statement); err != nil {
						t.Error(err)
					}
				}
				return
			}
			a := p.ask(t, q[1])
			if !strings.Contains(a.plan, checks[i].index) {
				t.Errorf("%s is not used: %s", checks[i].index, a.plan)
			}
			if wrong := checks[i].right(a.rows); wrong != "" {
				t.Error(wrong)
			}
			for _, table := range scans(t, a.plan) {
				if !slices.Contains(checks[i].whole, table) && p.holds(t, table) {
					t.Errorf("%s is read as a whole", table)
				}
			}
		})
	}
}

// check is what is right about the answer to a question, and which tables may
// be read as a whole for it, or which index must be used. Without right it is
// something that is done.
type check struct {
	question string
	right    func(rows [][]any) (wrong string)
	whole    []string
	index    string
}

func (p *past) checks() []check {
	today := []string{"events_" + dayOf(time.Now()).Format("20060102"), "events_" + dayOf(time.Now()).AddDate(0, 0, -1).Format("20060102")}
	of := func(n int) func([][]any) string {
		return func(rows [][]any) string {
			if !near(len(rows), n) {
				return fmt.Sprintf("%d rows, want %d", len(rows), n)
			}
			return ""
		}
	}
	return []check{
		{question: "A maintenance window of the moment is a row."},
		{question: "`deliveries.intervention_id` names", right: of(0), whole: []string{"interventions"}},
		{question: "What was told of incidents", right: of(0)},
		{question: "What happened to a device since yesterday", right: of(p.day / devices)},
		{question: "What is open, and since when", right: of(p.events / 10 / 50)},
		{question: "What waits, and for what", right: p.waits},
		{question: "What was dead-lettered, and why", right: of(min(100, p.events/1000))},
		{question: "What went wrong in the last hour", right: p.wrong, index: "_started_at_idx"},
		{question: "time, so that the primary key", right: p.delays},
		{question: "The noisiest rules", right: p.noisy, whole: today},
		{question: "The noisiest devices", right: p.loud, whole: today},
		{question: "What was kept from PagerDuty", right: p.kept, whole: today},
		{question: "The same of one device", right: of(p.day * 7 / 10 / devices)},
	}
}

// near reports whether n is about want, of a time that has begun a little later
// than the question asks for.
func near[T int | int64](n, want T) bool { return n >= want-want/10-1 && n <= want+want/50+1 }

func (p *past) waits(rows [][]any) string {
	if len(rows) != 1 || rows[0][0] != "noc" || rows[0][1] != "route" || rows[0][3] != int64(p.events/1000) {
		return fmt.Sprintf("%v; %d wait", rows, p.events/1000)
	}
	return ""
}

func (p *past) wrong(rows [][]any) string {
	if len(rows) != 1 || rows[0][0] != "noc" || rows[0][1] != int32(400) || !near(rows[0][3].(int64), int64(p.day/24/1000)) {
		return fmt.Sprintf("%v; one of %d is dead", rows, p.events/1000)
	}
	return ""
}

func (p *past) delays(rows [][]any) string {
	total := int64(0)
	for _, row := range rows {
		total += row[2].(int64)
		seconds := fmt.Sprint(row[3])
		if row[2].(int64) > 100 && !regexp.MustCompile(`^\[0\.[56]\d* (0\.9\d*|1) 1]$`).MatchString(seconds) {
			return fmt.Sprintf("%v of %v: %s", row[0], row[1], seconds)
		}
	}
	if want := int64(p.day * 298 / 1000); !near(total, want) || len(rows) < 48 {
		return fmt.Sprintf("%d deliveries in %d rows, want %d", total, len(rows), want)
	}
	return ""
}

func (p *past) noisy(rows [][]any) string {
	if events := int64(p.day / 3); len(rows) != 20 || rows[0][0] != "noisy" || !near(rows[0][1].(int64), events) || rows[0][3] != int64(devices) {
		return fmt.Sprintf("%v; want noisy %d", rows[0], events)
	}
	return ""
}

func (p *past) loud(rows [][]any) string {
	for _, row := range rows {
		if n := row[1].(int64); len(rows) != 20 || !near(n, int64(p.day/devices)) || row[2].(int64) == 0 || row[2].(int64) > n/2 || row[3] != "noisy" {
			return fmt.Sprint(row)
		}
	}
	return ""
}

func (p *past) kept(rows [][]any) string {
	if len(rows) != 20 || rows[0][0] != "folded" || rows[0][1] != "noisy" || !near(rows[0][2].(int64), int64(p.day*4/10/3)) || rows[0][4] != "interface Gi0/1 is down" {
		return fmt.Sprint(rows[0])
	}
	return ""
}

// TestIDSinceIsTheLeastOfItsTime, as ids are minted at the sockets.
func TestIDSinceIsTheLeastOfItsTime(t *testing.T) {
	pool := pgtest.New(t)
	for _, at := range []time.Time{time.Now(), time.Unix(1, 0), time.Date(2026, 12, 31, 23, 59, 59, 999_999_999, time.UTC), time.Date(2100, 1, 1, 0, 0, 0, 1_000_000, time.UTC)} {
		at = at.Truncate(time.Microsecond) // Postgres' own
		var least, next [16]byte
		if err := pool.QueryRow(t.Context(), `SELECT id_since($1), id_since($1 + interval '1 ms')`, at).Scan(&least, &next); err != nil {
			t.Fatal(err)
		}
		id := ingest.NewID(at)
		if string(least[:]) > string(id[:]) || string(id[:]) >= string(next[:]) {
			t.Errorf("%s: %x is not from %x to %x", at, id, least, next)
		}
	}
}
