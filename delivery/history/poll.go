package history

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/pdaltagent/pdaltagent/delivery"
)

// Cursor returns up to when log entries were asked for; zero: never.
func (h *History) Cursor(ctx context.Context) (at time.Time, err error) {
	err = h.pool.QueryRow(ctx, `SELECT at FROM log_entry_cursor`).Scan(&at)
	if errors.Is(err, pgx.ErrNoRows) {
		return time.Time{}, nil
	}
	return at, err
}

// NewestEntry returns when the newest log entry on record was created; zero: none is
// on record.
func (h *History) NewestEntry(ctx context.Context) (at time.Time, err error) {
	err = h.pool.QueryRow(ctx, `SELECT coalesce(max(created_at), '0001-01-01T00:00:00Z') FROM log_entries`).Scan(&at)
	return at, err
}

// Unseen returns those of entries that are not on record, in their order.
func (h *History) Unseen(ctx context.Context, entries []delivery.LogEntry) ([]delivery.LogEntry, error) {
	ids := make([]string, len(entries))
	for i := range entries {
		ids[i] = entries[i].ID
	}
	rows, err := h.pool.Query(ctx, `SELECT id FROM log_entries WHERE id = ANY ($1::text[])`, ids)
	if err != nil {
		return nil, err
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	seen := make(map[string]bool, len(found))
	for _, id := range found {
		seen[id] = true
	}
	var unseen []delivery.LogEntry
	for _, e := range entries {
		if !seen[e.ID] {
			unseen = append(unseen, e)
		}
	}
	return unseen, nil
}

// thread is what the deliveries of webhooks have for an alert: what a
// destination is told about one incident is told in order. It is no alert's
// id, so that Settle's locks of alerts are none for it; lockIncidents is.
func thread(w delivery.Webhook) uuid.UUID {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("https://api.pagerduty.com/incidents/"+w.Incident+"#"+w.Route))
}

// lockIncidents keeps others from adding to threads, or ending one of their
// deliveries, until the transaction ends: Record, Settle and the desk. Whoever
// ends the first of a thread and whoever adds to it would else not see each
// other, and nobody would let go what was added.
const (
	lockIncidents = lockThreads + `unnest($1::uuid[]) AS threads (id)` + inOrder
	lockThreads   = `SELECT pg_advisory_xact_lock(key) FROM (SELECT DISTINCT hashtextextended(id::text, 0) AS key FROM `
	inOrder       = ` ORDER BY key OFFSET 0) AS threads`
)

// Record commits a poll: the entries that are not on record, the deliveries of
// the webhooks about those, and the cursor, in one transaction. It returns the
// routes that deliveries wait for now. After an error it may be called again.
func (h *History) Record(ctx context.Context, conn *pgx.Conn, p delivery.Poll) (freed []string, err error) {
	defer func() { rollback(ctx, conn, err) }()
	var q pgx.Batch
	q.Queue("BEGIN")
	queuePoll(&q, p, &freed)
	q.Queue(`INSERT INTO log_entry_cursor (at) VALUES ($1) ON CONFLICT (one) DO UPDATE SET at = excluded.at`, p.Cursor)
	q.Queue("COMMIT")
	if err := conn.SendBatch(ctx, &q).Close(); err != nil {
		return nil, fmt.Errorf("record %d log entries: %w", len(p.Entries), err)
	}
	return freed, nil
}

func queuePoll(q *pgx.Batch, p delivery.Poll, freed *[]string) {
	if len(p.Entries) == 0 {
		return
	}
	var (
		ids, incidents, types []string
		created               []time.Time
		deliveries            []pgtype.UUID
		first                 = map[string]uuid.UUID{}
	)
	webhooks, threads := make([]pgtype.UUID, 0, len(p.Webhooks)), make([]pgtype.UUID, 0, len(p.Webhooks))
	var entries, routes, happened, about []string
	var bodies [][]byte
	for _, w := range p.Webhooks {
		webhooks, threads = append(webhooks, uuidOrNull(w.ID)), append(threads, uuidOrNull(thread(w)))
		entries, routes, happened, about = append(entries, w.Entry), append(routes, w.Route), append(happened, w.Type), append(about, w.Incident)
		bodies = append(bodies, w.Body)
		if _, ok := first[w.Entry]; !ok {
			first[w.Entry] = w.ID
		}
	}
	for _, e := range p.Entries {
		ids, incidents, types = append(ids, e.ID), append(incidents, e.IncidentID), append(types, e.Type)
		created, deliveries = append(created, e.CreatedAt), append(deliveries, uuidOrNull(first[e.ID]))
	}
	q.Queue(lockIncidents, flat(threads))
	q.Queue(`WITH fresh AS (INSERT INTO log_entries (id, created_at, incident_id, type, delivery_id, seen_at)
			SELECT id, created_at, nullif(incident_id, ''), type, delivery_id, $1
			FROM unnest($2::text[], $3::timestamptz[], $4::text[], $5::text[], $6::uuid[]) AS e (id, created_at, incident_id, type, delivery_id)
			ON CONFLICT DO NOTHING RETURNING id)
		INSERT INTO deliveries (id, event_id, alert_id, received_at, kind, route, api, action, dedup_key, severity, priority, state, held_by, body, content_type)
		SELECT w.id, w.id, w.thread, $1, 'webhook', w.route, '', w.type, w.incident, 'info', 4, 'held', 'alert', w.body, 'application/json'
		FROM unnest($7::uuid[], $8::uuid[], $9::text[], $10::text[], $11::text[], $12::text[], $13::bytea[])
			WITH ORDINALITY AS w (id, thread, entry, route, type, incident, body, nth) JOIN fresh ON fresh.id = w.entry
		ORDER BY w.nth ON CONFLICT DO NOTHING`,
		p.At, ids, created, incidents, types, flat(deliveries), flat(webhooks), flat(threads), entries, routes, happened, about, bodies)
	q.Queue(`UPDATE deliveries SET held_by = 'route'
		FROM (SELECT DISTINCT alert_id FROM unnest($1::uuid[]) AS threads (alert_id)) AS ended, LATERAL (`+headOfAlert+`) AS next
		WHERE deliveries.id = next.id AND (deliveries.held_by = 'alert') IS TRUE RETURNING deliveries.route`, flat(threads)).
		Query(func(rows pgx.Rows) (err error) {
			*freed, err = pgx.CollectRows(rows, pgx.RowTo[string])
			return err
		})
}

// endedWebhooks returns the threads of webhooks that came to their end.
func endedWebhooks(attempts []*delivery.Attempt) (threads []pgtype.UUID) {
	for _, a := range attempts {
		if delivery.IsWebhook(a.Delivery.Route) && a.State != delivery.Queued && a.State != delivery.Held {
			threads = append(threads, uuidOrNull(a.Delivery.AlertID))
		}
	}
	return threads
}

// ForgetEntries forgets the log entries that were seen before a time.
func (h *History) ForgetEntries(ctx context.Context, before time.Time) error {
	_, err := h.pool.Exec(ctx, `DELETE FROM log_entries WHERE seen_at < $1`, before)
	return err
}
