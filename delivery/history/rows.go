package history

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/pdaltagent/pdaltagent/delivery"
)

// write sends all rows of the batch and commits.
func (h *History) write(ctx context.Context, conn *pgx.Conn, b *batch) error {
	// The memory of a large batch costs more to get from the system than to
	// fill, so that later batches use it again.
	rows, _ := h.rows.Get().(*copyRows)
	if rows == nil {
		rows = &copyRows{}
	}
	defer h.rows.Put(rows)
	if err := b.copyEvents(ctx, conn, rows); err != nil {
		return fmt.Errorf("events: %w", err)
	}
	if err := b.copyDeliveries(ctx, conn, rows); err != nil {
		return fmt.Errorf("deliveries: %w", err)
	}
	if err := b.copyAlerts(ctx, conn, rows); err != nil {
		return fmt.Errorf("alerts: %w", err)
	}
	var q pgx.Batch
	b.queueAlerts(&q)
	b.queueCancelled(&q)
	b.queueMerged(&q)
	b.queueCollapsed(&q, h.config.Recall, b.crowd)
	b.queueStorms(&q)
	queueKeys(&q, b.routes)
	b.queueJobs(&q, h.config)
	q.Queue("COMMIT")
	return conn.SendBatch(ctx, &q).Close()
}

func (b *batch) copyEvents(ctx context.Context, conn *pgx.Conn, rows *copyRows) error {
	for _, e := range b.entries {
		rows.row(16)
		rows.uuid(e.ID)
		rows.timestamptz(e.ReceivedAt)
		rows.text(string(e.Protocol))
		rows.inet(e.Source)
		rows.textOrNull(e.Host)
		rows.textOrNull(e.Rule)
		rows.text(string(e.decision))
		rows.textOrNull(e.route)
		rows.textOrNull(string(e.Action))
		rows.textOrNull(e.DedupKey)
		rows.textOrNull(string(e.Severity))
		rows.textOrNull(e.Summary)
		rows.jsonb(e.Payload)
		rows.jsonb(e.Message)
		rows.uuid(e.alert.idOrNil())
		if e.sent {
			rows.uuid(e.ID)
		} else {
			rows.null()
		}
	}
	return rows.into(ctx, conn, `events (id, received_at, protocol, source, host, rule, decision, route, action, dedup_key,
		severity, summary, payload, message, alert_id, delivery_id)`)
}

// copyDeliveries writes the deliveries, whose seq follows the order of the rows.
func (b *batch) copyDeliveries(ctx context.Context, conn *pgx.Conn, rows *copyRows) error {
	for i := range b.deliveries {
		d := &b.deliveries[i]
		e := d.entry
		rows.row(19)
		rows.uuid(e.ID)
		rows.uuid(e.ID)
		rows.uuid(e.alert.idOrNil())
		rows.timestamptz(e.ReceivedAt)
		rows.text("event")
		rows.text(e.route)
		rows.text(string(e.api))
		rows.text(string(e.Action))
		rows.text(e.DedupKey)
		rows.text(string(e.Severity))
		rows.smallint(delivery.Priority(e.Severity))
		rows.text(string(d.state()))
		rows.textOrNull(string(d.holds()))
		rows.timestamptzOrNull(d.dueAt)
		rows.textOrNull(d.parent)
		rows.bytea(hideKey(e.Body, e.Key))
		rows.textOrNull(e.ContentType)
		merges := e.alert != nil && !e.Posted && e.Body == nil
		rows.boolean(merges)
		rows.boolean(merges && d.opens)
	}
	return rows.into(ctx, conn, `deliveries (id, event_id, alert_id, received_at, kind, route, api, action, dedup_key,
		severity, priority, state, held_by, due_at, parent, body, content_type, merges, opens)`)
}

// queueJobs gives the deliveries that may go their jobs.
func (b *batch) queueJobs(q *pgx.Batch, config Config) {
	var (
		ids        []pgtype.UUID
		priorities []int16
	)
	for i := range b.deliveries {
		if d := &b.deliveries[i]; d.state() == delivery.Queued {
			ids = append(ids, uuidOrNull(d.entry.ID))
			priorities = append(priorities, int16(delivery.Priority(d.entry.Severity)))
		}
	}
	if len(ids) == 0 {
		return
	}
	if config.Jobs != "" {
		q.Queue(`WITH ready AS (SELECT * FROM unnest($1::uuid[], $2::smallint[]) AS ready (id, priority)) `+config.Jobs, flat(ids), priorities)
	}
	if config.Announce != "" {
		q.Queue(config.Announce)
	}
}

// copyAlerts writes the alerts that are new. Where another node has made one
// of them meanwhile, the batch fails with a unique violation, and finds it when
// it is committed again.
func (b *batch) copyAlerts(ctx context.Context, conn *pgx.Conn, rows *copyRows) error {
	for _, a := range b.order {
		if !a.fresh || a.Status == "" {
			continue // what is only recorded has no alert
		}
		rows.row(19)
		rows.uuid(a.ID)
		rows.text(a.Route)
		rows.text(a.DedupKey)
		rows.text(string(a.Status))
		rows.text(string(a.Severity))
		rows.text(a.Summary)
		rows.text(a.Source)
		rows.text(a.Rule)
		rows.text(string(a.Protocol))
		rows.timestamptz(a.FirstAt)
		rows.timestamptz(a.LastAt)
		rows.timestamptzOrNull(a.ResolvedAt)
		rows.bigint(a.Occurrences)
		rows.timestamptzOrNull(orNil(a.SentAt))
		rows.timestamptzArray(a.Triggers)
		rows.timestamptzArray(a.Changes)
		rows.timestamptzOrNull(orNil(a.ResolveAt))
		rows.boolean(a.Resolving)
		rows.uuid(a.gatedID())
	}
	return rows.into(ctx, conn, `alerts (id, route, dedup_key, status, severity, summary, source, rule, protocol, first_at, last_at, resolved_at,
		occurrences, sent_at, triggers, changes, resolve_at, resolving, gated_id)`)
}

// queueAlerts changes the alerts that were there.
func (b *batch) queueAlerts(q *pgx.Batch) {
	var (
		ids, gated                                      []pgtype.UUID
		statuses, severities, summaries, sources, rules []string
		protocols                                       []string
		triggers, changes                               []pgtype.Text
		first, last                                     []time.Time
		resolved, sent, resolve                         []*time.Time
		occurrences                                     []int64
		resolving                                       []bool
	)
	for _, a := range b.order {
		if a.fresh || !a.touched {
			continue
		}
		ids, gated = append(ids, uuidOrNull(a.ID)), append(gated, uuidOrNull(a.gatedID()))
		statuses, severities = append(statuses, string(a.Status)), append(severities, string(a.Severity))
		summaries, sources, rules = append(summaries, a.Summary), append(sources, a.Source), append(rules, a.Rule)
		protocols = append(protocols, string(a.Protocol))
		triggers, changes = append(triggers, arrayText(a.Triggers)), append(changes, arrayText(a.Changes))
		first, last, resolved = append(first, a.FirstAt), append(last, a.LastAt), append(resolved, a.ResolvedAt)
		sent, resolve = append(sent, orNil(a.SentAt)), append(resolve, orNil(a.ResolveAt))
		occurrences, resolving = append(occurrences, a.Occurrences), append(resolving, a.Resolving)
	}
	if len(ids) == 0 {
		return
	}
	q.Queue(`UPDATE alerts SET status = a.status, severity = a.severity, summary = a.summary, source = a.source, rule = a.rule, protocol = a.protocol,
			first_at = a.first_at, last_at = a.last_at, resolved_at = a.resolved_at, occurrences = a.occurrences, sent_at = a.sent_at,
			triggers = a.triggers::timestamptz[], changes = a.changes::timestamptz[], resolve_at = a.resolve_at, resolving = a.resolving, gated_id = a.gated_id
		FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
			$8::timestamptz[], $9::timestamptz[], $10::timestamptz[], $11::bigint[], $12::timestamptz[],
			$13::text[], $14::text[], $15::timestamptz[], $16::boolean[], $17::uuid[])
			AS a (id, status, severity, summary, source, rule, protocol, first_at, last_at, resolved_at, occurrences, sent_at,
			triggers, changes, resolve_at, resolving, gated_id)
		WHERE alerts.id = a.id`,
		flat(ids), statuses, severities, summaries, sources, rules, protocols, first, last, resolved, occurrences, sent,
		flat(triggers), flat(changes), resolve, resolving, flat(gated))
}

// queueCancelled takes back deliveries that a gate held.
func (b *batch) queueCancelled(q *pgx.Batch) {
	if len(b.cancelled) > 0 {
		q.Queue(`UPDATE deliveries SET state = 'cancelled', held_by = NULL
			WHERE id = ANY ($1::uuid[]) AND (held_by IN ('hold', 'maintenance', 'parent')) IS TRUE`, flat(b.cancelled))
	}
}

// arrayText is a timestamptz[] as text; null where it is empty.
func arrayText(times []time.Time) pgtype.Text {
	if len(times) == 0 {
		return pgtype.Text{}
	}
	var b strings.Builder
	for i, t := range times {
		b.WriteByte("{,"[min(i, 1)])
		b.WriteString(t.UTC().Format(time.RFC3339Nano))
	}
	b.WriteByte('}')
	return pgtype.Text{String: b.String(), Valid: true}
}

func orNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func queueKeys(q *pgx.Batch, routes []delivery.Route) {
	for _, route := range routes {
		q.Queue(`INSERT INTO sender_keys (route, key) VALUES ($1, $2) ON CONFLICT (route) DO NOTHING`,
			route.Name, []byte(route.Key.Reveal()))
	}
}

func (a *alert) idOrNil() uuid.UUID {
	if a == nil || a.Status == "" {
		return uuid.Nil
	}
	return a.ID
}

func (a *alert) gatedID() uuid.UUID {
	if a.Gated == nil {
		return uuid.Nil
	}
	return a.Gated.ID
}

func uuidOrNull(id uuid.UUID) pgtype.UUID { return pgtype.UUID{Bytes: id, Valid: id != uuid.Nil} }

// flat has pgx encode a slice without reflection.
func flat[T any](s []T) pgtype.FlatArray[T] { return s }

func orNull(s string) pgtype.Text { return pgtype.Text{String: s, Valid: s != ""} }
