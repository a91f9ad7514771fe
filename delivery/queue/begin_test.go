package queue_test

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/delivery/queue"
	"github.com/pdaltagent/pdaltagent/migrations/pgtest"
)

// TestDeliveryBeginsWhenRiverCan: a database that fails in the moment in which
// River's client starts does not leave a node that receives and never sends.
func TestDeliveryBeginsWhenRiverCan(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	exec := func(statement string) {
		t.Helper()
		if _, err := pool.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	exec(`ALTER TABLE river.river_queue RENAME TO away`)
	sent := make(chan struct{}, 1)
	sender := func(ctx context.Context, d *delivery.Delivery) (delivery.Answer, error) {
		sent <- struct{}{}
		return accept(ctx, d)
	}
	var log lockedBuffer
	q := newQueueThat(t, false, pool, sender, prometheus.NewRegistry(), queue.Config{Node: "n1"}, slog.New(slog.NewTextHandler(&log, nil)))
	start(t, q)
	enqueue(t, q, newEvent("trigger", "a"))
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(log.String(), "River cannot begin"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it was not said:\n%s", log.String())
		}
	}
	exec(`ALTER TABLE river.away RENAME TO river_queue`)
	select {
	case <-sent:
	case <-time.After(20 * time.Second):
		t.Fatalf("nothing was sent:\n%s", log.String())
	}
}

// TestAnAdmissionThatACrashForgotIsNotSentTwice: Postgres may lose, in a crash,
// that a delivery was admitted, but not what PagerDuty has answered since; nor
// is it forgotten here while that is on its way.
func TestAnAdmissionThatACrashForgotIsNotSentTwice(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	var calls atomic.Int64
	q := newQueue(t, pool, func(ctx context.Context, d *delivery.Delivery) (delivery.Answer, error) {
		calls.Add(1)
		if d.Attempts == 0 {
			for _, statement := range []string{`UPDATE deliveries SET state = 'held', held_by = 'route', job_id = NULL WHERE state = 'queued'`, `DELETE FROM river.river_job WHERE kind = 'deliver_v1'`} {
				if _, err := pool.Exec(ctx, statement); err != nil {
					t.Error(err)
				}
			}
			switch calls.Load() {
			case 2:
				return delivery.Answer{}, &delivery.Failed{Status: 500}
			case 4:
				eventually(t, pool, 1, `SELECT count(*) FROM deliveries WHERE state = 'queued'`) // it was admitted again
				time.Sleep(300 * time.Millisecond)                                               // and its new job fetched
			}
		}
		return accept(ctx, d)
	})
	start(t, q)
	for i, dedupKey := range []string{"accepted", "fails", "takes long"} {
		enqueue(t, q, newEvent("trigger", dedupKey))
		eventually(t, pool, int64(i+1), `SELECT count(*) FROM deliveries WHERE state = 'delivered' AND held_by IS NULL`)
	}
	if n := calls.Load(); n != 4 {
		t.Errorf("%d requests, want 1 that is accepted, 1 that fails and 1 after it, and 1 that is accepted late", n)
	}
}
