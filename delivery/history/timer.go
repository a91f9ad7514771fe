package history

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/mapping"
)

// timerRows is how many gates are opened, or alerts resolved, at once.
const timerRows = 500

// Release lets deliveries go whose gate is open now: their hold time or
// maintenance window is over, and no alert of their parent inhibits, nor is let
// go here before them. They wait for their route then: the routes are returned.
// More reports that others may be due.
func (h *History) Release(ctx context.Context, conn *pgx.Conn, now time.Time) (freed []string, more bool, err error) {
	ids, alerts, err := h.gated(ctx, now)
	if err != nil || len(ids) == 0 {
		return nil, false, err
	}
	defer func() { rollback(ctx, conn, err) }()
	var q pgx.Batch
	q.Queue("BEGIN")
	q.Queue(`SELECT FROM alerts WHERE id = ANY ($1::uuid[]) ORDER BY id FOR NO KEY UPDATE`, flat(alerts))
	q.Queue(`WITH due AS MATERIALIZED (SELECT id, alert_id, dedup_key, parent, due_at, seq FROM deliveries
			WHERE id = ANY ($1::uuid[]) AND held_by IN ('hold', 'maintenance', 'parent')),
		opened AS (UPDATE deliveries d SET due_at = CASE WHEN inhibited THEN d.due_at END, held_by = CASE
				WHEN inhibited THEN 'parent'
				WHEN EXISTS (SELECT FROM deliveries o WHERE o.alert_id = d.alert_id AND o.state IN ('held', 'queued') AND o.seq < d.seq OFFSET 0) THEN 'alert'
				ELSE 'route' END
			FROM (SELECT w.id, w.parent IS NOT NULL AND (EXISTS (SELECT FROM `+parents+` WHERE a.dedup_key = w.parent
						AND a.id <> w.alert_id AND `+inhibits+`)
					OR EXISTS (SELECT FROM due p WHERE p.dedup_key = w.parent AND p.alert_id <> w.alert_id
						AND (coalesce(p.due_at, '-infinity'), p.seq) < (coalesce(w.due_at, '-infinity'), w.seq))) AS inhibited
				FROM due w) AS look
			WHERE d.id = look.id AND (d.held_by IN ('hold', 'maintenance', 'parent')) IS TRUE
			RETURNING d.alert_id, d.route, d.held_by),
		alerted AS (UPDATE alerts a SET status = 'open', sent_at = $2, gated_id = NULL
			FROM opened WHERE a.id = opened.alert_id AND opened.held_by <> 'parent')
		SELECT DISTINCT route FROM opened WHERE held_by = 'route'`, flat(ids), now).
		Query(func(rows pgx.Rows) (err error) {
			freed, err = pgx.CollectRows(rows, pgx.RowTo[string])
			return err
		})
	q.Queue("COMMIT")
	if err := conn.SendBatch(ctx, &q).Close(); err != nil {
		return nil, false, fmt.Errorf("release %d deliveries: %w", len(ids), err)
	}
	return freed, len(ids) >= timerRows, nil
}

// gated returns deliveries whose gate may be open now, and their alerts.
func (h *History) gated(ctx context.Context, now time.Time) (ids, alerts []pgtype.UUID, err error) {
	rows, err := h.pool.Query(ctx, `(SELECT id, alert_id FROM deliveries WHERE held_by IN ('hold', 'maintenance') AND due_at <= $1 ORDER BY due_at LIMIT $2)
		UNION ALL
		(WITH RECURSIVE parents AS (
				(SELECT parent FROM deliveries WHERE held_by = 'parent' ORDER BY parent LIMIT 1)
				UNION ALL
				SELECT (SELECT parent FROM deliveries d WHERE d.held_by = 'parent' AND d.parent > parents.parent ORDER BY parent LIMIT 1)
				FROM parents WHERE parents.parent IS NOT NULL)
			SELECT d.id, d.alert_id FROM parents JOIN deliveries d ON d.parent = parents.parent AND d.held_by = 'parent'
			WHERE (d.due_at IS NULL OR d.due_at <= $1)
				AND NOT EXISTS (SELECT FROM `+parents+` WHERE a.dedup_key = parents.parent AND `+inhibits+`) LIMIT $2)`, now, timerRows)
	if err != nil {
		return nil, nil, err
	}
	var id, alert pgtype.UUID
	_, err = pgx.ForEachRow(rows, []any{&id, &alert}, func() error {
		ids, alerts = append(ids, id), append(alerts, alert)
		return nil
	})
	return ids, alerts, err
}

// Expire resolves alerts whose time to be resolved by themselves has come:
// nothing triggered them for as long as their rule says, or they flapped and
// were quiet since. See Commit for admit and for what is returned; more reports
// that others may be due.
func (h *History) Expire(ctx context.Context, conn *pgx.Conn, now time.Time, admit func(route string, id uuid.UUID) bool) (c delivery.Committed, more bool, err error) {
	rows, err := h.pool.Query(ctx, `SELECT route, dedup_key, resolve_at FROM alerts WHERE resolve_at <= $1 ORDER BY resolve_at LIMIT $2`, now, timerRows)
	if err != nil {
		return c, false, err
	}
	b := h.newBatch(0, admit)
	var (
		key alertKey
		at  time.Time
	)
	if _, err := pgx.ForEachRow(rows, []any{&key.route, &key.dedupKey, &at}, func() error {
		b.meet(key)
		return nil
	}); err != nil || len(b.order) == 0 {
		return c, false, err
	}
	defer func() { rollback(ctx, conn, err) }()
	if err := b.lock(ctx, conn); err != nil {
		return c, false, fmt.Errorf("lock alerts: %w", err)
	}
	for _, a := range b.order {
		if a.ResolveAt.IsZero() || a.ResolveAt.After(now) {
			continue // somebody was faster
		}
		e := &entry{Event: a.Silence(now), route: a.Route, decision: mapping.Queued, alert: a}
		b.entries = append(b.entries, e)
		b.add(e)
		c.Events, c.Decisions = append(c.Events, e.Event), append(c.Decisions, e.decision)
	}
	if err := h.write(ctx, conn, b); err != nil {
		return c, false, fmt.Errorf("resolve %d alerts: %w", len(c.Events), err)
	}
	c.Crowded = b.crowded
	return c, len(b.order) >= timerRows, nil
}
