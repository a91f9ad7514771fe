package history

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pdaltagent/pdaltagent/delivery"
)

// told is a poll that brought an entry about an incident, of which one
// destination is told.
func told(entry, incident string) delivery.Poll {
	now := time.Now()
	return delivery.Poll{
		At: now, Cursor: now,
		Entries:  []delivery.LogEntry{{ID: entry, Type: "annotate_log_entry", CreatedAt: now, IncidentID: incident}},
		Webhooks: []delivery.Webhook{{ID: uuid.NewSHA1(uuid.NameSpaceOID, []byte(entry)), Entry: entry, Incident: incident, Route: "webhook/d", Type: "incident.annotate", Body: []byte("{}")}},
	}
}

func record(ctx context.Context, h *History, pool *pgxpool.Pool, p delivery.Poll) error {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	_, err = h.Record(ctx, conn.Conn(), p)
	return err
}

// TestNoWebhookIsStrandedBehindACancelledOne: while a poll that adds to an
// incident's webhooks is being committed, somebody cancels the one that its own
// would wait behind. The poll is held up between its statements and its commit
// by a lock on the cursor, which it writes last.
func TestNoWebhookIsStrandedBehindACancelledOne(t *testing.T) {
	d, h, pool := newDesk(t)
	first := told("R1", "PINC")
	if err := record(t.Context(), h, pool, first); err != nil {
		t.Fatal(err)
	}
	hold, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer hold.Rollback(context.Background()) //nolint:errcheck // it is committed
	if _, err := hold.Exec(t.Context(), `SELECT FROM log_entry_cursor FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	recorded, cancelled := make(chan error, 1), make(chan error, 1)
	go func() { recorded <- record(context.Background(), h, pool, told("R2", "PINC")) }()
	waiting(t, pool, 1)
	go func() {
		done, err := d.Cancel(context.Background(), Choice{IDs: []uuid.UUID{first.Webhooks[0].ID}}, somebody())
		if err == nil && done.Deliveries != 1 {
			err = fmt.Errorf("cancelled %+v", done)
		}
		cancelled <- err
	}()
	select {
	case err := <-cancelled:
		t.Errorf("it did not wait for the poll: %v", err)
		cancelled <- err
	case <-time.After(300 * time.Millisecond):
	}
	if err := hold.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	for what, ended := range map[string]chan error{"record": recorded, "cancel": cancelled} {
		if err := <-ended; err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	same(t, "what is left goes", table(t, pool, `SELECT state, ' ', held_by FROM deliveries WHERE state <> 'cancelled'`), []string{"held route"})
}

// waiting waits until n transactions wait for a lock.
func waiting(t *testing.T, pool *pgxpool.Pool, n int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		var found int
		if err := pool.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&found); err != nil {
			t.Fatal(err)
		}
		if found >= n {
			return
		}
	}
	t.Fatalf("no %d transactions wait for a lock", n)
}

// TestADeadWebhookIsRetried, since it says what happened, not what is so now:
// whatever its receiver was told since.
func TestADeadWebhookIsRetried(t *testing.T) {
	d, h, pool := newDesk(t)
	for _, entry := range []string{"R1", "R2"} {
		if err := record(t.Context(), h, pool, told(entry, "PINC")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := pool.Exec(t.Context(), `UPDATE deliveries SET state = CASE WHEN action = 'incident.annotate' AND seq = (SELECT min(seq) FROM deliveries) THEN 'dead' ELSE 'delivered' END, held_by = NULL`); err != nil {
		t.Fatal(err)
	}
	n, reasons := retryAll(t, d, Choice{})
	same(t, "retried", n, 1)
	same(t, "refused", len(reasons), 0)
	same(t, "it goes", table(t, pool, `SELECT state, ' ', held_by FROM deliveries WHERE state <> 'delivered'`), []string{"held route"})
}
