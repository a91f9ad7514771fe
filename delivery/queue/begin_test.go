package queue_test

import (
	"context"
	"log/slog"
	"strings"
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
