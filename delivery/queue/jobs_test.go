package queue

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/google/uuid"

	"github.com/pdaltagent/pdaltagent/migrations"
	"github.com/pdaltagent/pdaltagent/migrations/pgtest"
)

// TestJobsAreWhatRiverInserts holds our statement against River's own
// insertion, column by column, and our announcement against River's listener.
func TestJobsAreWhatRiverInserts(t *testing.T) {
	pool := pgtest.New(t)
	id := uuid.MustParse("01a205d9-0359-70d1-b654-7cb1044f8755")
	if _, err := pool.Exec(t.Context(), `WITH ready AS (SELECT $1::uuid AS id, 2::smallint AS priority) `+Jobs(migrations.RiverSchema, "n1"), [16]byte(id)); err != nil {
		t.Fatal(err)
	}
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{Schema: migrations.RiverSchema})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.InsertManyFast(t.Context(), []river.InsertManyParams{{Args: deliverArgs{id}, InsertOpts: &river.InsertOpts{Priority: 2, Queue: NameOf("n1")}}}); err != nil {
		t.Fatal(err)
	}
	rows, err := pool.Query(t.Context(), `SELECT to_jsonb(j) - '{id,created_at,scheduled_at}'::text[] AS job,
		abs(extract(epoch FROM clock_timestamp() - scheduled_at)) < 60 AND abs(extract(epoch FROM clock_timestamp() - created_at)) < 60 AS now
		FROM river.river_job j ORDER BY id`)
	if err != nil {
		t.Fatal(err)
	}
	type row struct {
		Job map[string]any
		Now bool
	}
	jobs, err := pgx.CollectRows(rows, pgx.RowToStructByName[row])
	if err != nil {
		t.Fatal(err)
	}
	if len(jobs) != 2 {
		t.Fatalf("%d jobs", len(jobs))
	}
	if diff := cmp.Diff(jobs[1], jobs[0]); diff != "" {
		t.Errorf("-River's +ours:\n%s", diff)
	}
	heard(t, pool, "river.river_insert", func(ctx context.Context) error {
		_, err := pool.Exec(ctx, Announce(migrations.RiverSchema, "n1"))
		return err
	})
	heard(t, pool, "river.river_insert", func(ctx context.Context) error {
		time.Sleep(time.Second) // River announces a queue only now and then
		_, err := client.InsertManyFast(ctx, []river.InsertManyParams{{Args: deliverArgs{id}, InsertOpts: &river.InsertOpts{Queue: NameOf("n1")}}})
		return err
	})
}

// heard fails the test unless act announces the queue of deliveries.
func heard(t *testing.T, pool *pgxpool.Pool, channel string, act func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	conn, err := pool.Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, `LISTEN "`+channel+`"`); err != nil {
		t.Fatal(err)
	}
	if err := act(ctx); err != nil {
		t.Fatal(err)
	}
	n, err := conn.Conn().WaitForNotification(ctx)
	if err != nil || n.Payload != `{"queue": "deliveries-n1"}` {
		t.Errorf("heard %+v: %v", n, err)
	}
}
