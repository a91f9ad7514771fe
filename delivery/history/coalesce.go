package history

import (
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/mapping"
)

// tail is the last of an alert's deliveries that wait: a trigger that a rule
// made, of which PagerDuty has certainly not heard.
type tail struct {
	id    uuid.UUID
	opens bool
}

// merged is a trigger whose content an earlier one that waits is sent with.
type merged struct {
	tail  uuid.UUID
	entry *entry
}

// collapsed is a trigger that waits, and its resolve.
type collapsed struct{ trigger, resolve uuid.UUID }

// coalesce notes that e, which has its delivery, may become one with the
// trigger of its alert that waits. Whether that still waits is known to the
// statements that do it, when the batch is written: both deliveries are as they
// would be without coalescing until then.
func (b *batch) coalesce(e *entry, opens bool) {
	a := e.alert
	before := a.tail
	switch {
	case e.Posted || e.Body != nil:
		a.tail = nil
	case e.Action == mapping.Trigger && before != nil:
		b.merged = append(b.merged, merged{before.id, e})
	case e.Action == mapping.Trigger:
		a.tail = nil
		if d := &b.deliveries[len(b.deliveries)-1]; d.heldBy != "" {
			a.tail = &tail{e.ID, opens}
		}
	case e.Action == mapping.Resolve && before != nil && before.opens && b.collapse:
		b.collapsed = append(b.collapsed, collapsed{before.id, e.ID})
		a.tail = nil
	default:
		a.tail = nil
	}
}

// refresh has the trigger of e's alert that waits sent with the content of e,
// which folds and is as severe.
func (b *batch) refresh(e *entry) {
	if t := e.alert.tail; t != nil && e.Action == mapping.Trigger && e.Body == nil && e.Severity == e.alert.Severity {
		b.merged = append(b.merged, merged{t.id, e})
	}
}

// queueMerged gives triggers that wait their latest content. A later trigger
// that has a delivery of its own is told with the one that waits; where that is
// on its way by now, it stays what it is.
func (b *batch) queueMerged(q *pgx.Batch) {
	latest := make(map[uuid.UUID]int, len(b.merged)) // the place of each tail in the arrays
	var (
		tails, ids, told, by []pgtype.UUID
		times                []time.Time
		severities           []string
		priorities           []int16
	)
	for _, m := range b.merged {
		i, known := latest[m.tail]
		if !known {
			i = len(ids)
			latest[m.tail] = i
			tails, ids = append(tails, uuidOrNull(m.tail)), append(ids, pgtype.UUID{})
			times, severities, priorities = append(times, time.Time{}), append(severities, ""), append(priorities, 9)
		}
		ids[i], times[i] = uuidOrNull(m.entry.ID), m.entry.ReceivedAt
		if p := int16(delivery.Priority(m.entry.Severity)); p < priorities[i] {
			priorities[i], severities[i] = p, string(m.entry.Severity)
		}
		if m.entry.sent {
			told, by = append(told, uuidOrNull(m.entry.ID)), append(by, uuidOrNull(m.tail))
		}
	}
	if len(tails) == 0 {
		return
	}
	q.Queue(`WITH fresh AS (UPDATE deliveries d SET latest_id = m.id, latest_at = m.at, priority = least(d.priority, m.priority),
				severity = CASE WHEN m.priority < d.priority THEN m.severity ELSE d.severity END
			FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::text[], $5::smallint[]) AS m (tail, id, at, severity, priority)
			WHERE d.id = m.tail AND (d.state = 'held') IS TRUE RETURNING d.id)
		UPDATE deliveries d SET state = 'cancelled', held_by = NULL, last_error = 'told with ' || told.tail || ', which waited'
		FROM unnest($6::uuid[], $7::uuid[]) AS told (id, tail), fresh
		WHERE d.id = told.id AND fresh.id = told.tail AND (d.state = 'held') IS TRUE`,
		flat(tails), flat(ids), times, severities, priorities, flat(told), flat(by))
}

// queueCollapsed takes back triggers that still wait, with their resolves: the
// problem came and went. What has its job is taken back only if that waits to
// be tried again; and nothing is where something stands between the two. What
// waited behind them goes: add is told its routes.
func (b *batch) queueCollapsed(q *pgx.Batch, recall string, add func(route string)) {
	var triggers, resolves []pgtype.UUID
	for _, c := range b.collapsed {
		triggers, resolves = append(triggers, uuidOrNull(c.trigger)), append(resolves, uuidOrNull(c.resolve))
	}
	if len(triggers) == 0 {
		return
	}
	if recall == "" {
		recall = `SELECT NULL::bigint AS id WHERE false`
	}
	q.Queue(`WITH pairs AS MATERIALIZED (SELECT t.id AS trigger, r.id AS resolve, t.state, t.job_id
			FROM unnest($1::uuid[], $2::uuid[]) AS p (trigger, resolve) JOIN deliveries t ON t.id = p.trigger JOIN deliveries r ON r.id = p.resolve
			WHERE (t.state IN ('held', 'queued')) IS TRUE AND NOT EXISTS (SELECT FROM deliveries d
				WHERE d.alert_id = t.alert_id AND d.state IN ('held', 'queued') AND d.seq > t.seq AND d.seq < r.seq OFFSET 0)),
		recalled AS (`+recall+`),
		gone AS (UPDATE deliveries d SET state = 'cancelled', held_by = NULL, last_error = '`+cameAndWent+`' FROM pairs
			WHERE d.id = pairs.trigger AND ((d.state = 'held') IS TRUE OR (d.state = 'queued') IS TRUE AND d.job_id IN (SELECT id FROM recalled))
			RETURNING d.id)
		UPDATE deliveries d SET state = 'cancelled', held_by = NULL, last_error = '`+cameAndWent+`'
		FROM pairs JOIN gone ON gone.id = pairs.trigger WHERE d.id = pairs.resolve`, flat(triggers), flat(resolves))
	q.Queue(`UPDATE deliveries SET held_by = 'route'
		FROM (SELECT DISTINCT alert_id FROM deliveries WHERE id = ANY ($1::uuid[])) AS ended, LATERAL (`+headOfAlert+`) AS next
		WHERE deliveries.id = next.id AND (deliveries.held_by = 'alert') IS TRUE RETURNING deliveries.route`, flat(triggers)).
		Query(func(rows pgx.Rows) error {
			var route string
			_, err := pgx.ForEachRow(rows, []any{&route}, func() error {
				add(route)
				return nil
			})
			return err
		})
}

// cameAndWent is why a trigger and its resolve were not sent.
const cameAndWent = `not sent: the problem came and went while it waited (delivery.collapse)`

// headOfAlert finds, of an alert that has ended, the delivery that is next.
const headOfAlert = `SELECT id FROM deliveries w
	WHERE w.alert_id = ended.alert_id AND w.state IN ('held', 'queued') AND (w.held_by IN ('alert', 'route')) IS NOT FALSE
	ORDER BY seq LIMIT 1`
