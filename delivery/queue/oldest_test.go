package queue_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/pdaltagent/pdaltagent/migrations/pgtest"
)

// TestOldestIsOfWhatWaitsForItsRoute, or is with River: not of what a gate holds
// or what has ended, nor of alerts about the appliance itself, which would have
// no end.
func TestOldestIsOfWhatWaitsForItsRoute(t *testing.T) {
	pool := pgtest.New(t)
	q := newQueueWith(t, pool, accept, prometheus.NewRegistry(), time.Hour)
	got, err := q.Oldest(t.Context(), "a-first")
	if err != nil || len(got) != 0 {
		t.Errorf("of nothing: %v: %v", got, err)
	}
	if _, err := pool.Exec(t.Context(), `WITH d AS (INSERT INTO deliveries (id, event_id, received_at, kind, route, api, action, dedup_key, severity, priority, state, held_by)
			SELECT gen_random_uuid(), gen_random_uuid(), '2026-01-01'::timestamptz - age * interval '1 hour', 'event', route, '', 'trigger', key, 'error', priority, state, held_by
			FROM (VALUES ('a-first', 'self/a', 2, 9, 'held', 'route'), ('a-first', 'a', 2, 3, 'held', 'route'), ('a-first', 'self/a', 2, 9, 'queued', NULL),
				('lab', 'b', 1, 1, 'held', 'route'), ('lab', 'self/b', 4, 5, 'held', 'route'), ('lab', 'c', 4, 2, 'held', 'route'),
				('with-river', 'd', 2, 4, 'queued', NULL), ('with-river', 'e', 2, 1, 'held', 'route'), ('only-ours', 'self/f', 2, 1, 'held', 'route'),
				('gated', 'g', 2, 9, 'held', 'hold'), ('ended', 'h', 2, 9, 'dead', NULL)) AS d (route, key, priority, age, state, held_by)
			RETURNING id, state)
		INSERT INTO river.river_job (args, kind, queue, state, max_attempts, scheduled_at)
			SELECT jsonb_build_object('delivery_id', id), 'deliver_v1', 'deliveries-x', 'retryable', 5, now() FROM d WHERE state <> 'held'`); err != nil {
		t.Fatal(err)
	}
	if got, err = q.Oldest(t.Context(), "a-first"); err != nil {
		t.Fatal(err)
	}
	ages := map[string]float64{}
	for route, at := range got {
		ages[route] = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Sub(at).Hours()
	}
	want := map[string]float64{"a-first": 3, "lab": 5, "with-river": 4, "only-ours": 1}
	if diff := cmp.Diff(want, ages); diff != "" {
		t.Errorf("hours: -want +got:\n%s", diff)
	}
}
