package history

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/mapping"
)

// partitioned lists the tables that have a partition for each day (UTC).
func partitioned() []string { return []string{"events", "attempts"} }

// ahead is how many days have their partition before they begin.
const ahead = 3

// days remembers which partitions exist, so that a batch need not ask.
type days struct {
	mu    sync.Mutex
	known map[string]bool
}

// Prepare makes the partitions that events need. It costs nothing but a
// look-up where they exist already, which is nearly always.
func (h *History) Prepare(ctx context.Context, events []*mapping.Event) error {
	var last time.Time
	for _, e := range events {
		if day := dayOf(e.ReceivedAt); !day.Equal(last) {
			if err := h.ensureDay(ctx, "events", day); err != nil {
				return err
			}
			last = day
		}
	}
	return nil
}

// PrepareAttempts does for attempts what Prepare does for events.
func (h *History) PrepareAttempts(ctx context.Context, attempts []*delivery.Attempt) error {
	var last time.Time
	for _, a := range attempts {
		if day := dayOf(a.Started); !day.Equal(last) {
			if err := h.ensureDay(ctx, "attempts", day); err != nil {
				return err
			}
			last = day
		}
	}
	return nil
}

// dayOf returns the beginning of t's day in UTC.
func dayOf(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

// ensureDay makes the partition of table for the day that begins at day.
func (h *History) ensureDay(ctx context.Context, table string, day time.Time) error {
	name := table + "_" + day.Format("20060102")
	h.days.mu.Lock()
	defer h.days.mu.Unlock()
	if h.days.known[name] {
		return nil
	}
	_, err := h.pool.Exec(ctx, fmt.Sprintf(`CREATE TABLE IF NOT EXISTS %s PARTITION OF %s FOR VALUES FROM ('%s') TO ('%s')`,
		pgx.Identifier{name}.Sanitize(), table, day.Format(time.RFC3339), day.AddDate(0, 0, 1).Format(time.RFC3339)))
	if err != nil {
		return fmt.Errorf("partition %s: %w", name, err)
	}
	h.days.known[name] = true
	return nil
}

// Maintain makes the partitions of the days to come and removes what is older
// than Config.Keep. Deliveries that are not settled, and alerts that are not
// resolved, stay whatever their age.
func (h *History) Maintain(ctx context.Context, now time.Time) error {
	today := dayOf(now)
	for _, table := range partitioned() {
		for i := -1; i <= ahead; i++ {
			if err := h.ensureDay(ctx, table, today.AddDate(0, 0, i)); err != nil {
				return err
			}
		}
	}
	if h.config.Keep <= 0 {
		return nil
	}
	oldest := now.Add(-h.config.Keep)
	for _, table := range partitioned() {
		if err := h.dropDays(ctx, table, oldest); err != nil {
			return err
		}
	}
	return h.deleteOld(ctx, oldest)
}

// dropDays drops table's partitions that end before oldest.
func (h *History) dropDays(ctx context.Context, table string, oldest time.Time) error {
	rows, err := h.pool.Query(ctx, `SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
		WHERE i.inhparent = $1::regclass ORDER BY 1`, table)
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, name := range names {
		day, err := time.Parse(table+"_20060102", name)
		if err != nil || day.AddDate(0, 0, 1).After(oldest) {
			continue // somebody's own partition, or not old enough
		}
		if err := h.dropDay(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

func (h *History) dropDay(ctx context.Context, name string) error {
	h.days.mu.Lock()
	defer h.days.mu.Unlock()
	if _, err := h.pool.Exec(ctx, "DROP TABLE IF EXISTS "+pgx.Identifier{name}.Sanitize()); err != nil {
		return fmt.Errorf("drop %s: %w", name, err)
	}
	delete(h.days.known, name)
	h.logger.Info("history partition dropped", "partition", name, "keep", h.config.Keep)
	return nil
}

// deleteOld deletes in pieces, so that no transaction grows long. Old deliveries
// are found by their ids: the ranges of a BRIN index never narrow, so that in
// space that was used again it finds everything.
func (h *History) deleteOld(ctx context.Context, oldest time.Time) error {
	for _, statement := range []string{
		`DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries
			WHERE id < id_since($1) AND state IN ('delivered', 'dead', 'cancelled') LIMIT 10000)`,
		`DELETE FROM alerts WHERE id IN (SELECT id FROM alerts a WHERE status = 'resolved' AND last_at < $1
			AND NOT EXISTS (SELECT FROM deliveries d WHERE d.alert_id = a.id AND d.state IN ('held', 'queued')) LIMIT 10000)`,
	} {
		for {
			tag, err := h.pool.Exec(ctx, statement, oldest)
			if err != nil {
				return err
			}
			if tag.RowsAffected() == 0 {
				break
			}
		}
	}
	return nil
}
