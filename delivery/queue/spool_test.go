package queue_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/delivery/queue"
	"github.com/pdaltagent/pdaltagent/delivery/spool"
	"github.com/pdaltagent/pdaltagent/mapping"
	"github.com/pdaltagent/pdaltagent/migrations/pgtest"
)

// wire is the way to the database, which can be cut.
type wire struct {
	mu    sync.Mutex
	cut   bool
	conns []net.Conn
}

// through returns a pool like pool whose connections, and those of whoever
// copies its configuration, go through the wire.
func (w *wire) through(t *testing.T, pool *pgxpool.Pool) *pgxpool.Pool {
	t.Helper()
	conf := pool.Config()
	dial := conf.ConnConfig.DialFunc
	conf.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.cut {
			return nil, errors.New("the wire is cut")
		}
		c, err := dial(ctx, network, addr)
		if err == nil {
			w.conns = append(w.conns, c)
		}
		return c, err
	}
	wired, err := pgxpool.NewWithConfig(t.Context(), conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(wired.Close)
	return wired
}

func (w *wire) set(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
	if cut {
		for _, c := range w.conns {
			_ = c.Close() // some are closed already
		}
		w.conns = nil
	}
}

func newSpool(t *testing.T, config spool.Config) *spool.Spool {
	t.Helper()
	s, err := spool.Open(config, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestWhatPostgresMissesIsSpooledAndCommittedOnce: the database goes away, and
// comes back, several times in the middle of a stream; what was acknowledged is
// on record once, each alert's deliveries in their order.
func TestWhatPostgresMissesIsSpooledAndCommittedOnce(t *testing.T) {
	const alerts, rounds = 10, 60
	pool := pgtest.New(t)
	var (
		w    wire
		mu   sync.Mutex
		seen = map[string][]string{}
	)
	q := newQueueFrom(t, w.through(t, pool), func(ctx context.Context, d *delivery.Delivery) (delivery.Answer, error) {
		mu.Lock()
		defer mu.Unlock()
		key := d.AlertID.String()
		if last := seen[key]; len(last) == 0 || last[len(last)-1] != d.ID.String() {
			seen[key] = append(last, d.ID.String())
		}
		return accept(ctx, d)
	}, prometheus.NewRegistry(), queue.Config{Node: "n1", Spool: newSpool(t, spool.Config{Dir: t.TempDir()})})
	start(t, q)
	var acknowledged atomic.Int64
	var done sync.WaitGroup
	for i := range rounds {
		var events []mapping.Event
		for a := range alerts {
			action := mapping.Trigger
			if i%2 == 1 {
				action = mapping.Resolve
			}
			events = append(events, newEvent(action, fmt.Sprint(a)))
		}
		done.Add(1)
		q.Enqueue(t.Context(), events, func(err error) {
			defer done.Done()
			if err != nil {
				t.Errorf("not acknowledged: %v", err)
				return
			}
			acknowledged.Add(int64(len(events)))
		})
		w.set(i%12 >= 4 && i%12 < 8)
		time.Sleep(10 * time.Millisecond)
	}
	w.set(true)
	done.Wait()
	if how, err := q.Ready(t.Context()); err != nil || !strings.HasPrefix(how, "spooling") {
		t.Errorf("while the database is away: %q, %v", how, err)
	}
	w.set(false)
	eventually(t, pool, alerts*rounds, `SELECT count(*) FROM deliveries WHERE state = 'delivered'`)
	eventually(t, pool, alerts*rounds, `SELECT count(*) FROM events WHERE decision = 'queued'`)
	if acknowledged.Load() != alerts*rounds {
		t.Errorf("%d of %d acknowledged", acknowledged.Load(), alerts*rounds)
	}
	mu.Lock()
	defer mu.Unlock()
	for alert, ids := range seen {
		for i := 1; i < len(ids); i++ {
			if ids[i] < ids[i-1] {
				t.Errorf("alert %s: %s came after %s", alert, ids[i], ids[i-1])
			}
		}
	}
	if how, err := q.Ready(t.Context()); err != nil || how != "committing" {
		t.Errorf("when it is back: %q, %v", how, err)
	}
}

// TestAQueueBeginsWithoutItsDatabase: what comes in before the database does
// is spooled, and a full spool is told to whoever sends.
func TestAQueueBeginsWithoutItsDatabase(t *testing.T) {
	pool := pgtest.New(t)
	var (
		w        wire
		prepared atomic.Int64
	)
	w.set(true)
	wired := w.through(t, pool)
	q := newQueueFrom(t, wired, accept, prometheus.NewRegistry(), queue.Config{
		Node: "n1", Spool: newSpool(t, spool.Config{Dir: t.TempDir(), MaxBytes: 256 << 10, SegmentBytes: 64 << 10}),
		Prepare: func(ctx context.Context) error {
			prepared.Add(1)
			return wired.Ping(ctx)
		},
	})
	start(t, q)
	e := newEvent(mapping.Trigger, "early")
	enqueue(t, q, e)
	big := newEvent(mapping.Trigger, "big")
	big.Payload = []byte(`"` + strings.Repeat("x", 400<<10) + `"`)
	refused := make(chan error, 1)
	q.Enqueue(t.Context(), []mapping.Event{big}, func(err error) { refused <- err })
	if err := <-refused; !errors.Is(err, spool.ErrFull) {
		t.Errorf("a full spool says %v", err)
	}
	w.set(false)
	eventually(t, pool, 1, `SELECT count(*) FROM deliveries WHERE state = 'delivered' AND dedup_key = 'early'`)
	if prepared.Load() < 2 {
		t.Errorf("prepared %d times", prepared.Load())
	}
}

// crammed is a spool whose disk is full for as long as a test says so.
type crammed struct {
	*spool.Spool
	full atomic.Bool
}

func (c *crammed) Append(events []*mapping.Event) error {
	if c.full.Load() {
		return syscall.ENOSPC
	}
	return c.Spool.Append(events)
}

// TestNothingIsReadyThatTakesNothing: where neither the database nor the spool
// takes an event, /readyz says so though nothing waits in the spool, until an
// event is taken, or a while has passed and it is tried again.
func TestNothingIsReadyThatTakesNothing(t *testing.T) {
	away := pgtest.New(t).Config()
	away.ConnConfig.Host, away.ConnConfig.Port, away.ConnConfig.Fallbacks = "127.0.0.1", 1, nil // where nobody listens
	pool, err := pgxpool.NewWithConfig(t.Context(), away)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	disk := &crammed{Spool: newSpool(t, spool.Config{Dir: t.TempDir()})}
	q := newQueueFrom(t, pool, accept, prometheus.NewRegistry(), queue.Config{Node: "n1", Spool: disk, Prepare: pool.Ping})
	start(t, q)
	refused := func() {
		t.Helper()
		told := make(chan error, 1)
		q.Enqueue(t.Context(), []mapping.Event{newEvent(mapping.Trigger, "refused")}, func(err error) { told <- err })
		if err := <-told; !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("a full disk says %v", err)
		}
	}
	ready := func(want error) {
		t.Helper()
		if how, err := q.Ready(t.Context()); !errors.Is(err, want) {
			t.Errorf("ready (%s), %v, want %v", how, err, want)
		}
	}
	disk.full.Store(true)
	refused()
	ready(syscall.ENOSPC)
	q.AgeSpool(time.Minute)
	ready(nil)
	refused()
	ready(syscall.ENOSPC)
	disk.full.Store(false)
	enqueue(t, q, newEvent(mapping.Trigger, "taken"))
	ready(nil)
}
