package queue_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/riverqueue/river"

	"github.com/pdaltagent/pdaltagent/delivery/queue"
	"github.com/pdaltagent/pdaltagent/migrations/pgtest"
)

// TestAPeriodicJobRunsOnceAtATime, on whichever of two nodes, and again after
// it failed.
func TestAPeriodicJobRunsOnceAtATime(t *testing.T) {
	pool := pgtest.New(t)
	var running, runs, overlaps atomic.Int64
	job := queue.Periodic{
		Name: "ups", Schedule: river.PeriodicInterval(100 * time.Millisecond), Timeout: 10 * time.Second, AtStart: true,
		Run: func(ctx context.Context) error {
			if running.Add(1) > 1 {
				overlaps.Add(1)
			}
			defer running.Add(-1)
			select {
			case <-time.After(350 * time.Millisecond):
			case <-ctx.Done():
			}
			if runs.Add(1)%2 == 1 {
				return errors.New("the command said no")
			}
			return nil
		},
	}
	for _, node := range []string{"n1", "n2"} {
		start(t, newQueueFrom(t, pool, accept, prometheus.NewRegistry(), queue.Config{Node: node, Periodic: []queue.Periodic{job}}))
	}
	for deadline := time.Now().Add(20 * time.Second); runs.Load() < 4; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d runs", runs.Load())
		}
	}
	if overlaps.Load() > 0 {
		t.Errorf("%d runs began while another was under way", overlaps.Load())
	}
}
