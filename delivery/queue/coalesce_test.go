package queue_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/delivery/queue"
	"github.com/pdaltagent/pdaltagent/mapping"
	"github.com/pdaltagent/pdaltagent/migrations/pgtest"
)

// TestWhatCameAndWentWhilePagerDutyWasAwayPagesNobody, though attempts were
// made: they had no connection. Where one may have been heard, its resolve is
// sent.
func TestWhatCameAndWentWhilePagerDutyWasAwayPagesNobody(t *testing.T) {
	f := func(name string, failure error, want ...string) {
		t.Helper()
		pool := pgtest.New(t)
		var (
			mu   sync.Mutex
			back bool
			sent []string
		)
		q := newQueueThat(t, true, pool, func(_ context.Context, d *delivery.Delivery) (delivery.Answer, error) {
			mu.Lock()
			defer mu.Unlock()
			if !back {
				return delivery.Answer{}, failure
			}
			sent = append(sent, string(d.Action))
			return delivery.Answer{Status: 202}, nil
		}, prometheus.NewRegistry(), queue.Config{Node: "n1", Backoff: queue.Backoff{Initial: time.Second, Max: time.Second}}, slog.New(slog.DiscardHandler))
		start(t, q)
		enqueue(t, q, newEvent(mapping.Trigger, "k"))
		eventually(t, pool, 1, `SELECT count(*) FROM deliveries JOIN river.river_job j ON j.id = job_id WHERE attempts > 0 AND j.state IN ('available', 'scheduled', 'retryable')`)
		enqueue(t, q, newEvent(mapping.Resolve, "k"))
		mu.Lock()
		back = true
		mu.Unlock()
		eventually(t, pool, 2, `SELECT count(*) FROM deliveries WHERE state IN ('delivered', 'cancelled')`)
		mu.Lock()
		defer mu.Unlock()
		if diff := cmp.Diff(want, sent); diff != "" {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
	}
	f("refused", &delivery.Unsent{Reason: "connection refused"})
	f("answered 500", &delivery.Failed{Status: 500})
	f("no answer", errors.New("EOF"), "trigger", "resolve")
	f("a gateway's answer", &delivery.Failed{Status: 504}, "trigger", "resolve")
}
