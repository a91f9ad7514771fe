package history

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/mapping"
)

// Load reads the deliveries of ids, with what is to be sent. The result has no
// order; ids that are not on record are missing from it.
func (h *History) Load(ctx context.Context, ids []uuid.UUID) ([]*delivery.Delivery, error) {
	list := make([]pgtype.UUID, len(ids))
	for i, id := range ids {
		list[i] = uuidOrNull(id)
	}
	rows, err := h.pool.Query(ctx, `SELECT d.id, d.alert_id, d.received_at, d.route, d.api, d.action, d.severity, d.state, d.attempts,
			coalesce(d.body, convert_to((CASE WHEN d.latest_id IS NULL THEN e.payload ELSE `+payloadWithCount+` END)::text, 'UTF8')),
			coalesce(d.content_type, 'application/json')
		FROM deliveries d LEFT JOIN events e ON e.id = coalesce(d.latest_id, d.event_id) AND e.received_at = coalesce(d.latest_at, d.received_at)
		WHERE d.id = ANY ($1::uuid[])`, flat(list))
	if err != nil {
		return nil, err
	}
	found, err := pgx.CollectRows(rows, scanDelivery)
	if err != nil {
		return nil, err
	}
	return found, h.showKeys(ctx, found)
}

// payloadWithCount is the payload of e, with how often its alert was triggered in
// its custom_details, where those are an object.
const payloadWithCount = `CASE WHEN jsonb_typeof(coalesce(e.payload #> '{payload,custom_details}', '{}')) = 'object'
	THEN jsonb_set(e.payload, '{payload,custom_details}', coalesce(e.payload #> '{payload,custom_details}', '{}')
		|| jsonb_build_object('occurrences', (SELECT occurrences FROM alerts a WHERE a.id = d.alert_id)))
	ELSE e.payload END`

// showKeys puts the senders' keys back where stored bodies had them. Routes
// that are not known were put on record by another node, or a moment ago: they
// are read.
func (h *History) showKeys(ctx context.Context, found []*delivery.Delivery) error {
	for _, d := range found {
		if delivery.IsWebhook(d.Route) {
			continue // has no key
		}
		route, ok := h.routes.Lookup(d.Route)
		if !ok {
			if err := h.LoadKeys(ctx); err != nil {
				return err
			}
			route, ok = h.routes.Lookup(d.Route)
		}
		if ok {
			d.Body = showKey(d.Body, route.Key)
		}
	}
	return nil
}

func scanDelivery(row pgx.CollectableRow) (*delivery.Delivery, error) {
	var (
		d         delivery.Delivery
		id, alert pgtype.UUID
	)
	if err := row.Scan(&id, &alert, &d.ReceivedAt, &d.Route, &d.API, &d.Action, &d.Severity, &d.State, &d.Attempts,
		&d.Body, &d.ContentType); err != nil {
		return nil, err
	}
	d.ID, d.AlertID = id.Bytes, alert.Bytes
	return &d, nil
}

// Settle commits attempts and what they make of their deliveries. The next
// delivery of each alert whose delivery came to its end waits for its route
// then: the routes of those are returned. No delivery may occur twice in
// attempts. After an error it may be called again.
//
// IS TRUE, in these statements, hides a condition from the planner, which would
// else read the index of everything that waits, and not the rows' own.
func (h *History) Settle(ctx context.Context, conn *pgx.Conn, attempts []*delivery.Attempt) (freed []string, err error) {
	defer func() { rollback(ctx, conn, err) }()
	ended, unheard := endedAlerts(attempts)
	var q pgx.Batch
	q.Queue("BEGIN")
	if len(ended) > 0 {
		q.Queue(`SELECT FROM alerts WHERE id = ANY ($1::uuid[]) ORDER BY id FOR NO KEY UPDATE`, flat(ended))
	}
	if told := endedWebhooks(attempts); len(told) > 0 {
		q.Queue(lockIncidents, flat(told))
	}
	queueAttempts(&q, attempts)
	if ids := postponed(attempts); len(ids) > 0 {
		q.Queue(`UPDATE deliveries SET state = 'held', held_by = 'route' WHERE id = ANY ($1::uuid[]) AND (state = 'queued') IS TRUE`, flat(ids))
	}
	if jobs := given(attempts); len(jobs) > 0 && h.config.End != "" {
		q.Queue(h.config.End, jobs)
	}
	if len(unheard) > 0 {
		q.Queue(`UPDATE alerts a SET status = 'pending' WHERE id = ANY ($1::uuid[]) AND status IN ('open', 'acknowledged')
			AND NOT EXISTS (SELECT FROM deliveries d WHERE d.alert_id = a.id AND d.state IN ('held', 'queued') OFFSET 0)`, flat(unheard))
	}
	if len(ended) > 0 {
		q.Queue(`UPDATE deliveries SET held_by = 'route'
			FROM unnest($1::uuid[]) AS ended (alert_id), LATERAL (`+headOfAlert+`) AS next
			WHERE deliveries.id = next.id AND (deliveries.held_by = 'alert') IS TRUE RETURNING deliveries.route`, flat(ended)).
			Query(func(rows pgx.Rows) (err error) {
				freed, err = pgx.CollectRows(rows, pgx.RowTo[string])
				return err
			})
	}
	q.Queue("COMMIT")
	if err := conn.SendBatch(ctx, &q).Close(); err != nil {
		return nil, fmt.Errorf("settle %d attempts: %w", len(attempts), err)
	}
	slices.Sort(freed)
	return slices.Compact(freed), nil
}

// endedAlerts returns the alerts of deliveries that came to their end, and
// those of them whose trigger PagerDuty did not accept.
func endedAlerts(attempts []*delivery.Attempt) (ended, unheard []pgtype.UUID) {
	for _, a := range attempts {
		if a.State == delivery.Queued || a.State == delivery.Held || a.Delivery.AlertID == uuid.Nil {
			continue
		}
		id := uuidOrNull(a.Delivery.AlertID)
		ended = append(ended, id)
		if a.State == delivery.Dead && a.Delivery.Action == mapping.Trigger {
			unheard = append(unheard, id)
		}
	}
	return ended, unheard
}

// given are the jobs of deliveries that may get another.
func given(attempts []*delivery.Attempt) (jobs []int64) {
	for _, a := range attempts {
		if a.State == delivery.Held || a.State == delivery.Dead {
			jobs = append(jobs, a.JobID)
		}
	}
	return jobs
}

// postponed are the deliveries that no attempt was made of.
func postponed(attempts []*delivery.Attempt) (ids []pgtype.UUID) {
	for _, a := range attempts {
		if a.Number == 0 {
			ids = append(ids, uuidOrNull(a.Delivery.ID))
		}
	}
	return ids
}

// queueAttempts writes attempts that were made, and their deliveries' new
// states. A delivery whose admission a crash of Postgres has forgotten is on
// record as held, and has no job: what came of the attempt counts, and one that
// is to be tried again is admitted again.
func queueAttempts(q *pgx.Batch, attempts []*delivery.Attempt) {
	var (
		ids             []pgtype.UUID
		numbers         []int32
		nodes, states   []string
		started, ended  []time.Time
		durations       []float64
		statuses        []pgtype.Int4
		errors, answers []pgtype.Text
		jobs            []int64
		unsure          []bool
	)
	for _, a := range attempts {
		if a.Number == 0 {
			continue
		}
		ids = append(ids, uuidOrNull(a.Delivery.ID))
		numbers, nodes, states = append(numbers, int32(a.Number)), append(nodes, a.Node), append(states, string(a.State))
		started, ended = append(started, a.Started), append(ended, a.Started.Add(a.Duration))
		durations = append(durations, float64(a.Duration)/float64(time.Millisecond))
		statuses = append(statuses, pgtype.Int4{Int32: int32(a.Status), Valid: a.Status != 0})
		errors, answers = append(errors, orNull(a.Error)), append(answers, orNull(a.Response))
		jobs, unsure = append(jobs, a.JobID), append(unsure, a.Unsure)
	}
	q.Queue(`INSERT INTO attempts (delivery_id, number, node, started_at, duration_ms, status, error, response)
		SELECT * FROM unnest($1::uuid[], $2::int[], $3::text[], $4::timestamptz[], $5::float8[], $6::int[], $7::text[], $8::text[])
		ON CONFLICT DO NOTHING`, flat(ids), numbers, nodes, started, durations, flat(statuses), flat(errors), flat(answers))
	q.Queue(`UPDATE deliveries d SET attempts = a.number, last_status = a.status, last_error = a.error, job_id = a.job, unsure = d.unsure OR a.unsure,
			state = CASE WHEN a.state = 'queued' THEN d.state ELSE a.state END,
			held_by = CASE WHEN a.state = 'held' OR a.state = 'queued' AND d.state = 'held' THEN 'route' END,
			delivered_at = CASE WHEN a.state = 'delivered' THEN a.ended END
		FROM unnest($1::uuid[], $2::int[], $3::text[], $4::int[], $5::text[], $6::bigint[], $7::timestamptz[], $8::boolean[])
			AS a (id, number, state, status, error, job, ended, unsure)
		WHERE d.id = a.id AND (d.state = 'queued' OR d.state = 'held' AND d.attempts = a.number - 1) IS TRUE`, flat(ids), numbers, states, flat(statuses), flat(errors), jobs, ended, unsure)
}

// LoadKeys makes the routes of senders' keys known that are on record.
func (h *History) LoadKeys(ctx context.Context) error {
	rows, err := h.pool.Query(ctx, `SELECT route, key FROM sender_keys`)
	if err != nil {
		return err
	}
	var (
		name string
		key  []byte
	)
	_, err = pgx.ForEachRow(rows, []any{&name, &key}, func() error {
		route := delivery.Route{Name: name, Key: ingest.Secret(key)}
		route.Type = delivery.DefaultType(route.Key)
		h.routes.Learn(route)
		return nil
	})
	return err
}

// Waiting counts what still needs something.
func (h *History) Waiting(ctx context.Context) (delivery.Waiting, error) {
	w := delivery.Waiting{
		States:  map[delivery.State]int64{delivery.Held: 0, delivery.Queued: 0, delivery.Dead: 0},
		Backlog: map[mapping.Severity]delivery.Backlog{mapping.Critical: {}, mapping.Error: {}, mapping.Warning: {}, mapping.Info: {}},
	}
	rows, err := h.pool.Query(ctx, `SELECT state, severity, coalesce(held_by, 'route') IN ('route', 'alert'), count(*), min(received_at)
			FROM deliveries WHERE state IN ('held', 'queued') GROUP BY 1, 2, 3
		UNION ALL SELECT 'dead', '', false, count(*), NULL FROM deliveries WHERE state = 'dead'`)
	if err != nil {
		return w, err
	}
	var (
		state    delivery.State
		severity mapping.Severity
		due      bool
		n        int64
		oldest   *time.Time
	)
	_, err = pgx.ForEachRow(rows, []any{&state, &severity, &due, &n, &oldest}, func() error {
		w.States[state] += n
		if !due {
			return nil
		}
		b := w.Backlog[severity]
		if b.Deliveries += n; b.Oldest.IsZero() || oldest.Before(b.Oldest) {
			b.Oldest = *oldest
		}
		w.Backlog[severity] = b
		return nil
	})
	return w, err
}
