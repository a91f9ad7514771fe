package main

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// BenchmarkRiver measures deliveries beside what River itself does on the same
// database: jobs that do nothing, with the settings that River's own `river
// bench` has, whose jobs are not recorded, ordered or sent anywhere.
func BenchmarkRiver(b *testing.B) {
	for range b.N {
		t := newTarget(b)
		t.backlog(b, "warming up", 10_000, 1)
		var ratios []float64
		for range 3 {
			ours := t.backlog(b, "deliveries", 40_000, 1)
			t.drain(b)
			river := t.jobs(b, 100_000)
			ratios = append(ratios, ours/river)
		}
		t.row("deliveries to jobs that do nothing", "ratio", fmt.Sprintf("%.2f", ratios))
		t.print()
		t.end()
	}
}

// idle is a job that does nothing.
type idle struct {
	Number int `json:"num"`
}

func (idle) Kind() string { return "idle" }

// jobs measures how many jobs that do nothing River works a second.
func (t *target) jobs(b *testing.B, n int) (perSecond float64) {
	b.Helper()
	const schema = "river_alone"
	ctx, driver, quiet := b.Context(), riverpgxv5.New(t.pool), slog.New(slog.DiscardHandler)
	if _, err := t.pool.Exec(ctx, `DROP SCHEMA IF EXISTS `+schema+` CASCADE; CREATE SCHEMA `+schema); err != nil {
		b.Fatal(err)
	}
	migrator, err := rivermigrate.New(driver, &rivermigrate.Config{Schema: schema, Logger: quiet})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		b.Fatal(err)
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, river.WorkFunc(func(context.Context, *river.Job[idle]) error { return nil }))
	client, err := river.NewClient(driver, &river.Config{
		Schema: schema, Logger: quiet, Workers: workers, Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 2000}},
		FetchCooldown: 2 * time.Millisecond, FetchPollInterval: 20 * time.Millisecond,
	})
	if err != nil {
		b.Fatal(err)
	}
	done, cancel := client.SubscribeConfig(&river.SubscribeConfig{ChanSize: n, Kinds: []river.EventKind{river.EventKindJobCompleted}})
	defer cancel()
	for first := 0; first < n; first += 5000 {
		batch := make([]river.InsertManyParams, 0, 5000)
		for i := first; i < min(first+5000, n); i++ {
			batch = append(batch, river.InsertManyParams{Args: idle{i}})
		}
		if _, err := client.InsertMany(ctx, batch); err != nil {
			b.Fatal(err)
		}
	}
	began := time.Now()
	if err := client.Start(ctx); err != nil {
		b.Fatal(err)
	}
	for deadline, worked := time.After(2*time.Minute), 0; worked < n; {
		select {
		case <-done:
			worked++
		case <-deadline:
			b.Fatalf("%d of %d jobs were done in two minutes", worked, n)
		}
	}
	perSecond = float64(n) / time.Since(began).Seconds()
	if err := client.Stop(ctx); err != nil {
		b.Error(err)
	}
	t.row("jobs that do nothing", "done", fmt.Sprintf("%.0f/s", perSecond))
	return perSecond
}
