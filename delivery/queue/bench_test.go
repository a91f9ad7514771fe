package queue_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pdaltagent/pdaltagent/delivery/queue"
	"github.com/pdaltagent/pdaltagent/mapping"
	"github.com/pdaltagent/pdaltagent/migrations/pgtest"
)

// BenchmarkCommit measures events committed, each of which opens an alert and
// gets a delivery and a River job; nothing is sent meanwhile.
func BenchmarkCommit(b *testing.B) {
	const batch, total = 64, 20_000
	pool := pgtest.New(b)
	for range b.N {
		q := newQueueWith(b, pool, accept, prometheus.NewRegistry(), time.Hour)
		stop := startCommits(b, q)
		began := time.Now()
		var done sync.WaitGroup
		for i := 0; i < total; i += batch {
			var events []mapping.Event
			for j := range batch {
				events = append(events, newEvent(mapping.Trigger, fmt.Sprint(i+j)))
			}
			done.Add(1)
			q.Enqueue(context.Background(), events, func(err error) {
				if err != nil {
					b.Error(err)
				}
				done.Done()
			})
		}
		done.Wait()
		b.ReportMetric(total/time.Since(began).Seconds(), "events/s")
		stop()
		if _, err := pool.Exec(context.Background(), "TRUNCATE events, alerts, deliveries; TRUNCATE river.river_job"); err != nil {
			b.Fatal(err)
		}
	}
}

// startCommits runs the committing half of q.
func startCommits(b *testing.B, q *queue.Queue) (stop func()) {
	b.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- q.RunCommits(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	}
}
