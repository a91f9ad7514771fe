package history

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/mapping"
	"github.com/pdaltagent/pdaltagent/migrations/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Main{M: m}) }

const nocKey = "0123456789abcdef0123456789abcdef"

func newHistory(t *testing.T) (*History, *pgxpool.Pool) {
	t.Helper()
	pool := pgtest.New(t)
	routes, err := delivery.NewRoutes([]delivery.Route{
		{Name: "noc", Type: ingest.EventsV2, Key: nocKey},
		{Name: "changes", Type: ingest.Change, Key: "00000000000000000000000000000001"},
	}, "noc")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), `CREATE TABLE ready_log (n serial, id uuid)`); err != nil {
		t.Fatal(err)
	}
	h := New(pool, routes, Config{Keep: 24 * time.Hour, Jobs: "INSERT INTO ready_log (id) SELECT id FROM ready"}, slog.New(slog.DiscardHandler))
	if err := h.Maintain(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	return h, pool
}

// event returns what a rule makes of a message that came now.
func event(action mapping.Action, dedupKey string) *mapping.Event {
	time.Sleep(time.Microsecond) // ids sort by time, to a quarter of that
	at := time.Now().UTC().Truncate(time.Microsecond)
	return &mapping.Event{
		ID: ingest.NewID(at), ReceivedAt: at, Protocol: ingest.SNMP, Host: "sw1", Rule: "link-down",
		Decision: mapping.Queued, API: ingest.EventsV2, Action: action, DedupKey: dedupKey, Severity: mapping.Error, Summary: "down",
		Payload: []byte(`{"event_action":"` + string(action) + `"}`), Message: []byte(`{"trap":{}}`),
	}
}

// commit commits events as the queue does, and returns what was decided and
// which deliveries got a job.
func commit(t *testing.T, h *History, again bool, events ...*mapping.Event) (c delivery.Committed, ready []uuid.UUID) {
	t.Helper()
	if err := h.Prepare(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	ready = readied(t, h, func(conn *pgx.Conn) (err error) {
		c, err = h.Commit(t.Context(), conn, events, again, roomy)
		return err
	})
	h.Committed(c)
	return c, ready
}

// settle ends the deliveries of events in state, and returns those that got a
// job by it.
func settle(t *testing.T, h *History, state delivery.State, events ...*mapping.Event) []uuid.UUID {
	t.Helper()
	var ids []uuid.UUID
	for _, e := range events {
		ids = append(ids, e.ID)
	}
	found, err := h.Load(t.Context(), ids)
	if err != nil || len(found) != len(ids) {
		t.Fatalf("loaded %d of %d: %v", len(found), len(ids), err)
	}
	var attempts []*delivery.Attempt
	for _, d := range found {
		a := &delivery.Attempt{Delivery: d, JobID: 7, Number: d.Attempts + 1, Node: "n", Started: time.Now(), Duration: 1500 * time.Microsecond, State: state}
		if a.Status = 202; state != delivery.Delivered {
			a.Status, a.Error = 500, "answered 500"
		}
		attempts = append(attempts, a)
	}
	if err := h.PrepareAttempts(t.Context(), attempts); err != nil {
		t.Fatal(err)
	}
	return readied(t, h, func(conn *pgx.Conn) error {
		freed, err := h.Settle(t.Context(), conn, attempts)
		if err != nil || len(freed) == 0 {
			return err
		}
		room := map[string]int{}
		for _, route := range freed {
			room[route] = 100
		}
		_, err = h.Admit(t.Context(), conn, room)
		return err
	})
}

// roomy admits everything.
func roomy(string, uuid.UUID) bool { return true }

// readied returns the deliveries that get a job while f runs, in their order.
func readied(t *testing.T, h *History, f func(*pgx.Conn) error) []uuid.UUID {
	t.Helper()
	conn, err := h.pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	if err := f(conn.Conn()); err != nil {
		t.Fatal(err)
	}
	rows, err := conn.Query(t.Context(), `WITH gone AS (DELETE FROM ready_log RETURNING n, id) SELECT id FROM gone ORDER BY n`)
	if err != nil {
		t.Fatal(err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[[16]byte])
	if err != nil {
		t.Fatal(err)
	}
	var ready []uuid.UUID
	for _, id := range ids {
		ready = append(ready, id)
	}
	return ready
}

// table returns what a query finds, a line a row.
func table(t *testing.T, pool *pgxpool.Pool, query string, args ...any) []string {
	t.Helper()
	rows, err := pool.Query(t.Context(), query, args...)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
		values, err := row.Values()
		return fmt.Sprint(values...), err
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// TestABatchIsDecidedInItsOrder: opened, folded, resolved and opened again,
// all in one transaction.
func TestABatchIsDecidedInItsOrder(t *testing.T) {
	h, pool := newHistory(t)
	a, again := event(mapping.Trigger, "k"), event(mapping.Trigger, "k")
	ok, unknown := event(mapping.Resolve, "k"), event(mapping.Resolve, "never opened")
	second, other := event(mapping.Trigger, "k"), event(mapping.Trigger, "other")
	dropped := event(mapping.Trigger, "dropped")
	dropped.Decision = mapping.Dropped
	c, ready := commit(t, h, false, a, again, ok, unknown, second, other, dropped)
	same(t, "decisions", c.Decisions, []mapping.Decision{
		mapping.Queued, mapping.Folded, mapping.Queued, mapping.Suppressed, mapping.Queued, mapping.Queued, mapping.Dropped,
	})
	same(t, "what may go", ready, []uuid.UUID{a.ID, other.ID})
	same(t, "alerts", table(t, pool, `SELECT dedup_key, ' ', status, ' ', occurrences FROM alerts ORDER BY 1`),
		[]string{"k open 1", "other open 1"})
	same(t, "deliveries", table(t, pool, `SELECT dedup_key, ' ', action, ' ', state, ' ', route FROM deliveries ORDER BY seq`),
		[]string{"k trigger queued noc", "k resolve held noc", "k trigger held noc", "other trigger queued noc"})
	same(t, "events", table(t, pool, `SELECT decision, ' ', delivery_id IS NOT NULL, ' ', alert_id IS NOT NULL FROM events ORDER BY id`),
		[]string{"queued true true", "folded false true", "queued true true", "suppressed false false", "queued true true", "queued true true", "dropped false false"})
}

// TestAnAlertsDeliveriesGoOneAfterTheOther, over several batches, through
// failure and death.
func TestAnAlertsDeliveriesGoOneAfterTheOther(t *testing.T) {
	h, _ := newHistory(t)
	one, two, three := event(mapping.Trigger, "k"), event(mapping.Resolve, "k"), event(mapping.Trigger, "k")
	gone := func(what string, got []uuid.UUID, want ...uuid.UUID) { t.Helper(); same(t, what, got, want) }
	_, ready := commit(t, h, false, one)
	gone("first", ready, one.ID)
	_, ready = commit(t, h, false, two)
	gone("second", ready)
	_, ready = commit(t, h, false, three)
	gone("third", ready)
	gone("a failure frees nothing", settle(t, h, delivery.Queued, one))
	gone("its end frees the second", settle(t, h, delivery.Delivered, one), two.ID)
	gone("so does death", settle(t, h, delivery.Dead, two), three.ID)
	gone("the last frees nothing", settle(t, h, delivery.Delivered, three))
}

// TestADeadTriggerDoesNotHideTheProblem: what PagerDuty never heard of is sent
// again with the next message about it, not folded.
func TestADeadTriggerDoesNotHideTheProblem(t *testing.T) {
	h, pool := newHistory(t)
	one := event(mapping.Trigger, "k")
	commit(t, h, false, one)
	settle(t, h, delivery.Dead, one)
	same(t, "status", table(t, pool, `SELECT status FROM alerts`), []string{"pending"})
	c, _ := commit(t, h, false, event(mapping.Trigger, "k"))
	same(t, "the next", c.Decisions, []mapping.Decision{mapping.Queued})
}

// TestReplayInsertsNothingTwice: a batch whose commit may or may not have
// happened is committed again, with one event that is new.
func TestReplayInsertsNothingTwice(t *testing.T) {
	h, pool := newHistory(t)
	one, two := event(mapping.Trigger, "k"), event(mapping.Trigger, "k")
	commit(t, h, false, one)
	c, _ := commit(t, h, true, one, two)
	same(t, "written", len(c.Events) == 1 && c.Events[0] == two, true)
	same(t, "events", table(t, pool, `SELECT count(*) FROM events`), []string{"2"})
	same(t, "occurrences", table(t, pool, `SELECT occurrences FROM alerts`), []string{"2"})
	same(t, "deliveries", table(t, pool, `SELECT count(*) FROM deliveries`), []string{"1"})
}

// TestSendersKeysStayOutOfTheHistory: a key that a sender brought is in one
// table only, and still reaches PagerDuty after a restart.
func TestSendersKeysStayOutOfTheHistory(t *testing.T) {
	h, pool := newHistory(t)
	const key = "fedcba9876543210fedcba9876543210"
	e := event(mapping.Trigger, "k")
	e.Key, e.Posted, e.API = key, true, ingest.Nagios
	e.Body, e.ContentType = []byte("service_key="+key+"&event_type=trigger"), "application/x-www-form-urlencoded"
	known := event(mapping.Trigger, "k2")
	known.Key, known.Posted = nocKey, true
	commit(t, h, false, e, known)
	for _, name := range []string{"events", "alerts", "deliveries", "attempts"} {
		for _, row := range table(t, pool, `SELECT to_jsonb(t)::text || encode(coalesce(to_jsonb(t)->>'body', '')::bytea, 'escape') FROM `+name+` t`) {
			if bytes.Contains([]byte(row), []byte(key)) {
				t.Errorf("%s holds the key: %s", name, row)
			}
		}
	}
	same(t, "routes", table(t, pool, `SELECT route LIKE 'sender-%' OR route = 'noc' FROM deliveries`), []string{"true", "true"})

	routes, err := delivery.NewRoutes([]delivery.Route{{Name: "noc", Type: ingest.EventsV2, Key: nocKey}}, "noc")
	if err != nil {
		t.Fatal(err)
	}
	restarted := New(pool, routes, Config{}, slog.New(slog.DiscardHandler))
	if err := restarted.LoadKeys(t.Context()); err != nil {
		t.Fatal(err)
	}
	found, err := restarted.Load(t.Context(), []uuid.UUID{e.ID})
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	if got := string(found[0].Body); got != string(e.Body) || found[0].ContentType != e.ContentType {
		t.Errorf("would send %q as %s, want %q", got, found[0].ContentType, e.Body)
	}
	if route, ok := routes.Lookup(found[0].Route); !ok || route.Key != key {
		t.Errorf("the sender's route is not known after a restart")
	}
}

// TestAttemptsAreOnRecord reads one back.
func TestAttemptsAreOnRecord(t *testing.T) {
	h, pool := newHistory(t)
	e := event(mapping.Trigger, "k")
	commit(t, h, false, e)
	settle(t, h, delivery.Queued, e)
	settle(t, h, delivery.Delivered, e)
	same(t, "attempts", table(t, pool, `SELECT number, ' ', node, ' ', duration_ms, ' ', status, ' ', coalesce(error, '') FROM attempts ORDER BY number`),
		[]string{"1 n 1.5 500 answered 500", "2 n 1.5 202 "})
	same(t, "delivery", table(t, pool, `SELECT state, ' ', attempts, ' ', last_status, ' ', last_error IS NULL, ' ', job_id, ' ', delivered_at > received_at FROM deliveries`),
		[]string{"delivered 2 202 true 7 true"})
}

// TestTheHistoryForgetsWhatIsOld but nothing that is not settled.
func TestTheHistoryForgetsWhatIsOld(t *testing.T) {
	h, pool := newHistory(t)
	old := time.Now().Add(-72 * time.Hour)
	done, waiting, fresh := event(mapping.Trigger, "done"), event(mapping.Trigger, "waiting"), event(mapping.Trigger, "fresh")
	done.ReceivedAt, waiting.ReceivedAt = old, old
	resolve := event(mapping.Resolve, "done")
	resolve.ReceivedAt = old
	for _, e := range []*mapping.Event{done, waiting, resolve} {
		e.ID = ingest.NewID(old)
	}
	commit(t, h, false, done, waiting, fresh)
	settle(t, h, delivery.Delivered, done)
	commit(t, h, false, resolve)
	settle(t, h, delivery.Delivered, resolve)
	if _, err := pool.Exec(t.Context(), `CREATE TABLE events_0_mine PARTITION OF events FOR VALUES FROM ('2001-01-01') TO ('2001-01-02')`); err != nil {
		t.Fatal(err)
	}
	if err := h.Maintain(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	same(t, "somebody's own partition", table(t, pool, `SELECT to_regclass('events_0_mine') IS NOT NULL`), []string{"true"})
	same(t, "events", table(t, pool, `SELECT dedup_key FROM events`), []string{"fresh"})
	same(t, "deliveries", table(t, pool, `SELECT dedup_key FROM deliveries ORDER BY 1`), []string{"fresh", "waiting"})
	same(t, "alerts", table(t, pool, `SELECT dedup_key FROM alerts ORDER BY 1`), []string{"fresh", "waiting"})
}

// TestACommitTakesAFixedNumberOfStatements: it does not grow with the batch.
func TestACommitTakesAFixedNumberOfStatements(t *testing.T) {
	h, pool := newHistory(t)
	statements := func(n int) int64 {
		var events []*mapping.Event
		for i := range n {
			events = append(events, event(mapping.Trigger, fmt.Sprint(n, "-", i)))
		}
		var tracer counter
		conf := pool.Config()
		conf.ConnConfig.Tracer = &tracer
		traced, err := pgxpool.NewWithConfig(t.Context(), conf)
		if err != nil {
			t.Fatal(err)
		}
		defer traced.Close()
		if err := traced.AcquireFunc(t.Context(), func(conn *pgxpool.Conn) error {
			tracer.n = 0
			_, err := h.Commit(t.Context(), conn.Conn(), events, false, roomy)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return tracer.n
	}
	if few, many := statements(2), statements(500); few != many {
		t.Errorf("2 events took %d statements, 500 took %d", few, many)
	}
}

// counter counts statements.
type counter struct{ n int64 }

func (c *counter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	c.n++
	return ctx
}
func (c *counter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}
func (c *counter) TraceBatchStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceBatchStartData) context.Context {
	c.n += int64(d.Batch.Len())
	return ctx
}
func (c *counter) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (c *counter) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}

// TestPayloadsComeBackAsJSON: what is sent is what was stored.
func TestPayloadsComeBackAsJSON(t *testing.T) {
	h, _ := newHistory(t)
	e := event(mapping.Trigger, "k")
	e.Payload = []byte(`{"payload":{"custom_details":{"n":12345678901234567890.5,"s":"ü \" \\"}}}`)
	commit(t, h, false, e)
	found, err := h.Load(t.Context(), []uuid.UUID{e.ID})
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	var got, want bytes.Buffer
	if err := json.Compact(&got, found[0].Body); err != nil {
		t.Fatal(err)
	}
	if err := json.Compact(&want, e.Payload); err != nil {
		t.Fatal(err)
	}
	if got.String() != want.String() {
		t.Errorf("got %s, want %s", got.String(), want.String())
	}
}

// TestAChangeRouteHearsOfEachTriggerAndOfNothingElse: change events belong to
// no alert, so that none folds and none resolves.
func TestAChangeRouteHearsOfEachTriggerAndOfNothingElse(t *testing.T) {
	h, pool := newHistory(t)
	one, two, over := event(mapping.Trigger, "k"), event(mapping.Trigger, "k"), event(mapping.Resolve, "k")
	for _, e := range []*mapping.Event{one, two, over} {
		e.Route = "changes"
	}
	c, ready := commit(t, h, false, one, two, over)
	same(t, "decisions", c.Decisions, []mapping.Decision{mapping.Queued, mapping.Queued, mapping.Suppressed})
	same(t, "what may go", ready, []uuid.UUID{one.ID, two.ID})
	same(t, "alerts", table(t, pool, `SELECT count(*) FROM alerts`), []string{"0"})
}

// TestAnotherNodesSendersAreKnown: a delivery of a sender's own key that another
// node committed is sent with that key.
func TestAnotherNodesSendersAreKnown(t *testing.T) {
	h, pool := newHistory(t)
	e := event(mapping.Trigger, "k")
	e.Key, e.Body = "fedcba9876543210fedcba9876543210", []byte("key=fedcba9876543210fedcba9876543210")
	commit(t, h, false, e)
	routes, err := delivery.NewRoutes([]delivery.Route{{Name: "noc", Type: ingest.EventsV2, Key: nocKey}}, "noc")
	if err != nil {
		t.Fatal(err)
	}
	other := New(pool, routes, Config{}, slog.New(slog.DiscardHandler))
	found, err := other.Load(t.Context(), []uuid.UUID{e.ID})
	if err != nil || len(found) != 1 {
		t.Fatalf("loaded %d: %v", len(found), err)
	}
	if route, ok := routes.Lookup(found[0].Route); !ok || route.Key != e.Key || string(found[0].Body) != string(e.Body) {
		t.Errorf("route %+v, known %t, body %q", route, ok, found[0].Body)
	}
}
