package queue_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/delivery/history" // the test wires what cmd wires
	"github.com/pdaltagent/pdaltagent/delivery/queue"
	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/mapping"
	"github.com/pdaltagent/pdaltagent/migrations"
	"github.com/pdaltagent/pdaltagent/migrations/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Main{M: m}) }

// sendFunc is a function that is a delivery.Sender.
type sendFunc func(context.Context, *delivery.Delivery) (delivery.Answer, error)

func (f sendFunc) Send(ctx context.Context, d *delivery.Delivery) (delivery.Answer, error) {
	return f(ctx, d)
}

func accept(context.Context, *delivery.Delivery) (delivery.Answer, error) {
	return delivery.Answer{Status: 202, Body: "ok"}, nil
}

func newQueue(t *testing.T, pool *pgxpool.Pool, sender sendFunc) *queue.Queue {
	t.Helper()
	return newQueueWith(t, pool, sender, prometheus.NewRegistry(), time.Hour)
}

func newQueueWith(t testing.TB, pool *pgxpool.Pool, sender sendFunc, r prometheus.Registerer, giveUp time.Duration) *queue.Queue {
	t.Helper()
	return newQueueFrom(t, pool, sender, r, queue.Config{Node: "n1", GiveUpAfter: giveUp})
}

func newNode(t *testing.T, pool *pgxpool.Pool, node string, sender sendFunc) *queue.Queue {
	t.Helper()
	return newQueueFrom(t, pool, sender, prometheus.NewRegistry(), queue.Config{Node: node})
}

// newQueueFrom completes config.
func newQueueFrom(t testing.TB, pool *pgxpool.Pool, sender sendFunc, r prometheus.Registerer, config queue.Config) *queue.Queue {
	t.Helper()
	return newQueueThat(t, false, pool, sender, r, config, slog.New(slog.DiscardHandler))
}

// newQueueThat collapses what came and went, or sends it.
func newQueueThat(t testing.TB, collapse bool, pool *pgxpool.Pool, sender sendFunc, r prometheus.Registerer, config queue.Config, logger *slog.Logger) *queue.Queue {
	t.Helper()
	routes, err := delivery.NewRoutes([]delivery.Route{{Name: "noc", Type: ingest.EventsV2, Key: "0123456789abcdef0123456789abcdef"}}, "noc")
	if err != nil {
		t.Fatal(err)
	}
	ledger := history.New(pool, routes, history.Config{
		Jobs: queue.Jobs(migrations.RiverSchema, config.Node), Announce: queue.Announce(migrations.RiverSchema, config.Node),
		Collapse: collapse, Recall: queue.Recall(migrations.RiverSchema), End: queue.End(migrations.RiverSchema),
	}, logger)
	config.Schema, config.Workers, config.Drain = migrations.RiverSchema, 16, 2*time.Second
	if config.Backoff.Max == 0 {
		config.Backoff = queue.Backoff{Initial: 10 * time.Millisecond, Max: 50 * time.Millisecond}
	}
	q, err := queue.New(t.Context(), config, pool, ledger, sender, mapping.NewEventCounter(r), r, logger)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.Close)
	return q
}

// start runs q until stop is called or the test ends.
func start(t *testing.T, q *queue.Queue) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- q.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func newEvent(action mapping.Action, dedupKey string) mapping.Event {
	at := time.Now()
	return mapping.Event{
		ID: ingest.NewID(at), ReceivedAt: at, Protocol: ingest.HTTP, Host: "h", Rule: "r",
		Decision: mapping.Queued, API: ingest.EventsV2, Action: action, DedupKey: dedupKey, Severity: mapping.Error, Summary: "s",
		Payload: []byte(`{"dedup_key":"` + dedupKey + `"}`), Message: []byte(`{}`),
	}
}

// enqueue returns when events are committed.
func enqueue(t *testing.T, q *queue.Queue, events ...mapping.Event) {
	t.Helper()
	done := make(chan error, 1)
	q.Enqueue(t.Context(), events, func(err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// enqueueOnly commits events by q, which does not run otherwise.
func enqueueOnly(t *testing.T, q *queue.Queue, events ...mapping.Event) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- q.RunCommits(ctx) }()
	enqueue(t, q, events...)
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

// eventually waits until a query's single value is want.
func eventually(t *testing.T, pool *pgxpool.Pool, want int64, query string) {
	t.Helper()
	var got int64
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if err := pool.QueryRow(t.Context(), query).Scan(&got); err != nil {
			t.Fatal(err)
		}
		if got == want {
			return
		}
	}
	t.Fatalf("%s: got %d, want %d", query, got, want)
}

// TestAnEventIsDeliveredAndOnRecord is the plain path.
func TestAnEventIsDeliveredAndOnRecord(t *testing.T) {
	pool := pgtest.New(t)
	var sent atomic.Pointer[delivery.Delivery]
	r := prometheus.NewRegistry()
	q := newQueueWith(t, pool, func(_ context.Context, d *delivery.Delivery) (delivery.Answer, error) {
		sent.Store(d)
		return accept(t.Context(), d)
	}, r, time.Hour)
	start(t, q)
	e := newEvent(mapping.Trigger, "k")
	enqueue(t, q, e)
	eventually(t, pool, 1, `SELECT count(*) FROM deliveries WHERE state = 'delivered' AND attempts = 1 AND last_status = 202`)
	eventually(t, pool, 1, `SELECT count(*) FROM river.river_job j JOIN deliveries d ON d.job_id = j.id WHERE j.state = 'completed'`)
	if d := sent.Load(); d.ID != e.ID || string(d.Body) != `{"dedup_key": "k"}` {
		t.Errorf("sent %s %s", d.ID, d.Body)
	}
	if err := testutil.GatherAndCompare(r, strings.NewReader(`
# HELP pdaltagent_events_total Events, by rule and by what was decided about them.
# TYPE pdaltagent_events_total counter
pdaltagent_events_total{decision="queued",rule="r"} 1
# HELP pdaltagent_attempts_total Attempts made, by kind of delivery and by outcome: delivered, dead, or retry.
# TYPE pdaltagent_attempts_total counter
pdaltagent_attempts_total{kind="event",outcome="delivered"} 1
`), "pdaltagent_events_total", "pdaltagent_attempts_total"); err != nil {
		t.Error(err)
	}
	if how, err := q.Ready(t.Context()); err != nil || how != "committing" {
		t.Errorf("not ready: %q, %v", how, err)
	}
}

// TestDoneMeansCommitted: when done is called the row can be seen by anybody.
func TestDoneMeansCommitted(t *testing.T) {
	pool := pgtest.New(t)
	q := newQueue(t, pool, accept)
	start(t, q)
	for i := range 20 {
		e := newEvent(mapping.Trigger, fmt.Sprint(i))
		done := make(chan int64, 1)
		q.Enqueue(t.Context(), []mapping.Event{e}, func(error) {
			var n int64
			if err := pool.QueryRow(context.Background(), `SELECT count(*) FROM events WHERE id = $1`, [16]byte(e.ID)).Scan(&n); err != nil {
				t.Error(err)
			}
			done <- n
		})
		if n := <-done; n != 1 {
			t.Fatalf("done was called with %d rows to be seen", n)
		}
	}
}

// TestOrderPerAlertUnderFailure: whatever fails, each alert's events arrive in
// their order, and no alert waits for another.
func TestOrderPerAlertUnderFailure(t *testing.T) {
	const alerts, each = 20, 6
	pool := pgtest.New(t)
	var (
		mu   sync.Mutex
		seen = map[string][]uuid.UUID{}
	)
	q := newQueue(t, pool, func(_ context.Context, d *delivery.Delivery) (delivery.Answer, error) {
		mu.Lock()
		defer mu.Unlock()
		key := string(d.Body)
		if last := seen[key]; len(last) == 0 || last[len(last)-1] != d.ID {
			seen[key] = append(last, d.ID)
		}
		switch rand.N(6) {
		case 0:
			return delivery.Answer{}, &delivery.Failed{Status: 500, Answer: "oops"}
		case 1:
			return delivery.Answer{}, &delivery.Busy{Status: 429}
		case 2:
			return delivery.Answer{}, errors.New("connection reset by peer")
		}
		return delivery.Answer{Status: 202}, nil
	})
	start(t, q)
	want := map[string][]uuid.UUID{}
	var done sync.WaitGroup
	for i := range each {
		var batch []mapping.Event
		for a := range alerts {
			action := mapping.Trigger
			if i%2 == 1 {
				action = mapping.Resolve
			}
			e := newEvent(action, fmt.Sprint("alert-", a))
			body := `{"dedup_key": "` + e.DedupKey + `"}`
			want[body] = append(want[body], e.ID)
			batch = append(batch, e)
		}
		done.Add(1)
		q.Enqueue(t.Context(), batch, func(err error) {
			if err != nil {
				t.Error(err)
			}
			done.Done()
		})
	}
	done.Wait()
	eventually(t, pool, alerts*each, `SELECT count(*) FROM deliveries WHERE state = 'delivered'`)
	mu.Lock()
	defer mu.Unlock()
	for key, ids := range want {
		if !slices.Equal(ids, seen[key]) {
			t.Errorf("%s arrived as %v, want %v", key, seen[key], ids)
		}
	}
}

// TestVerdictsEndADeliveryOrNot: a rejection is dead at once, a failure is
// dead after give_up_after, busy is neither.
func TestVerdictsEndADeliveryOrNot(t *testing.T) {
	pool := pgtest.New(t)
	q := newQueueWith(t, pool, func(_ context.Context, d *delivery.Delivery) (delivery.Answer, error) {
		switch {
		case strings.Contains(string(d.Body), "rejected"):
			return delivery.Answer{}, &delivery.Rejected{Status: 400, Answer: "invalid key"}
		case strings.Contains(string(d.Body), "failing"):
			return delivery.Answer{}, &delivery.Failed{Status: 502, Answer: "bad gateway"}
		case strings.Contains(string(d.Body), "panics"):
			panic("a bug")
		}
		return delivery.Answer{}, &delivery.Busy{Status: 429, Answer: "slow down"}
	}, prometheus.NewRegistry(), 2*time.Second)
	start(t, q)
	enqueue(t, q, newEvent(mapping.Trigger, "rejected"), newEvent(mapping.Trigger, "failing"),
		newEvent(mapping.Trigger, "panics"), newEvent(mapping.Trigger, "busy"))
	eventually(t, pool, 1, `SELECT count(*) FROM deliveries WHERE dedup_key = 'rejected' AND state = 'dead' AND attempts = 1
		AND last_status = 400 AND last_error = 'rejected with 400: invalid key'`)
	eventually(t, pool, 1, `SELECT count(*) FROM deliveries WHERE dedup_key = 'failing' AND state = 'dead' AND attempts > 1 AND last_status = 502`)
	eventually(t, pool, 1, `SELECT count(*) FROM deliveries WHERE dedup_key = 'panics' AND state = 'dead' AND last_error LIKE 'panic while sending%'`)
	eventually(t, pool, 1, `SELECT count(*) FROM deliveries WHERE dedup_key = 'busy' AND state IN ('held', 'queued') AND attempts > 3`)
	eventually(t, pool, 1, `SELECT count(*) FROM attempts WHERE response = 'invalid key' AND status = 400`)
}

// TestInterruptedDeliveriesRunAgainAtStart: a job that a killed node left
// running is worked within seconds of that node's return, and one whose
// delivery was settled before the kill is not sent again.
func TestInterruptedDeliveriesRunAgainAtStart(t *testing.T) {
	pool := pgtest.New(t)
	hung := make(chan struct{})
	var first atomic.Int64
	q := newQueue(t, pool, func(ctx context.Context, _ *delivery.Delivery) (delivery.Answer, error) {
		first.Add(1)
		<-ctx.Done()
		close(hung)
		return delivery.Answer{}, ctx.Err()
	})
	stop := start(t, q)
	enqueue(t, q, newEvent(mapping.Trigger, "k"))
	eventually(t, pool, 1, `SELECT count(*) FROM river.river_job WHERE state = 'running'`)
	stop()
	<-hung
	// What a killed node leaves behind: its job still running, under its name.
	if _, err := pool.Exec(t.Context(), `UPDATE river.river_job SET state = 'running', finalized_at = NULL, attempted_by = '{n1}' WHERE kind = 'deliver_v1'`); err != nil {
		t.Fatal(err)
	}
	var again atomic.Int64
	began := time.Now()
	start(t, newQueue(t, pool, func(ctx context.Context, d *delivery.Delivery) (delivery.Answer, error) {
		again.Add(1)
		return accept(ctx, d)
	}))
	eventually(t, pool, 1, `SELECT count(*) FROM deliveries WHERE state = 'delivered'`)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	if first.Load() != 1 || again.Load() != 1 {
		t.Errorf("sent %d and %d times, want once each", first.Load(), again.Load())
	}
}

// TestASettledDeliveryIsNotSentAgain: the job ran, the delivery was settled,
// and the node died before River heard of it.
func TestASettledDeliveryIsNotSentAgain(t *testing.T) {
	pool := pgtest.New(t)
	var sent atomic.Int64
	send := func(ctx context.Context, d *delivery.Delivery) (delivery.Answer, error) {
		sent.Add(1)
		return accept(ctx, d)
	}
	q := newQueue(t, pool, send)
	stop := start(t, q)
	enqueue(t, q, newEvent(mapping.Trigger, "k"))
	eventually(t, pool, 1, `SELECT count(*) FROM river.river_job WHERE kind = 'deliver_v1' AND state = 'completed'`)
	stop()
	if _, err := pool.Exec(t.Context(), `UPDATE river.river_job SET state = 'running', finalized_at = NULL WHERE kind = 'deliver_v1'`); err != nil {
		t.Fatal(err)
	}
	start(t, newQueue(t, pool, send))
	eventually(t, pool, 1, `SELECT count(*) FROM river.river_job WHERE kind = 'deliver_v1' AND state = 'completed'`)
	if sent.Load() != 1 {
		t.Errorf("sent %d times", sent.Load())
	}
}

// TestOneBadEventDoesNotHoldTheOthers: a payload that Postgres does not take as
// JSON is kept as bytes; what cannot be stored at all is refused by itself.
func TestOneBadEventDoesNotHoldTheOthers(t *testing.T) {
	pool := pgtest.New(t)
	q := newQueue(t, pool, accept)
	start(t, q)
	huge := newEvent(mapping.Trigger, "huge")
	huge.Payload = []byte(`{"n":1e400000}`)
	nul := newEvent(mapping.Trigger, "nul")
	nul.Summary = "a\x00b"
	good := []mapping.Event{newEvent(mapping.Trigger, "1"), newEvent(mapping.Trigger, "2"), newEvent(mapping.Trigger, "3")}
	results := make(chan error, 3)
	for _, batch := range [][]mapping.Event{{good[0], huge}, {nul}, good[1:]} {
		q.Enqueue(t.Context(), batch, func(err error) { results <- err })
	}
	var refused []error
	for range 3 {
		if err := <-results; err != nil {
			refused = append(refused, err)
		}
	}
	var invalid interface{ InvalidEvent() []string }
	if len(refused) != 1 || !errors.As(refused[0], &invalid) || len(invalid.InvalidEvent()) != 1 {
		t.Errorf("refused %v, want the event with a NUL alone", refused)
	}
	eventually(t, pool, 4, `SELECT count(*) FROM deliveries WHERE state = 'delivered'`)
	eventually(t, pool, 1, `SELECT count(*) FROM deliveries WHERE dedup_key = 'huge' AND body = '{"n":1e400000}'`)
}

// TestEnqueueWaitsForRoomNotForEver: with the database out of reach events
// wait in memory up to a bound, and a caller learns in time that there is no
// room.
func TestEnqueueWaitsForRoomNotForEver(t *testing.T) {
	pool := pgtest.New(t)
	q := newQueue(t, pool, accept) // not running: nothing is committed
	payload := []byte(`"` + strings.Repeat("x", 2<<20) + `"`)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	full := make(chan error, 16)
	for range 16 {
		big := newEvent(mapping.Trigger, "k")
		big.Payload = payload
		q.Enqueue(ctx, []mapping.Event{big}, func(err error) { full <- err })
		if len(full) > 0 {
			break
		}
	}
	if err := <-full; !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "database") {
		t.Errorf("got %v", err)
	}
	start(t, q)
	eventually(t, pool, 3, `SELECT count(*) FROM events`)
}

// TestWhatWasEnqueuedIsCommittedBeforeRunReturns.
func TestWhatWasEnqueuedIsCommittedBeforeRunReturns(t *testing.T) {
	pool := pgtest.New(t)
	q := newQueue(t, pool, accept)
	stop := start(t, q)
	eventually(t, pool, 1, `SELECT count(*) FROM river.river_leader`)
	var committed atomic.Int64
	for i := range 2000 {
		q.Enqueue(t.Context(), []mapping.Event{newEvent(mapping.Trigger, fmt.Sprint(i))}, func(err error) {
			if err == nil {
				committed.Add(1)
			}
		})
	}
	stop()
	if committed.Load() != 2000 {
		t.Errorf("%d of 2000 committed", committed.Load())
	}
	eventually(t, pool, 2000, `SELECT count(*) FROM events`)
}
