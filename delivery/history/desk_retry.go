package history

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pdaltagent/pdaltagent/delivery"
)

// Retry sends dead deliveries again: they wait for their route, or behind the
// earlier ones of their alert, and nodes admit them as they do all others.
//
// PagerDuty shall know at the end what is so now. A delivery is left dead where
// PagerDuty was told something newer about its alert, or is about to be, and
// where the last of those that are chosen would say of the alert what is not
// true any more. Webhooks say what happened, which stays true.
func (d *Desk) Retry(ctx context.Context, c Choice, why Intervention) (done Changed, err error) {
	c.States = []delivery.State{delivery.Dead}
	intervention := uuid.New()
	err = d.each(ctx, c, func(ids []uuid.UUID) error {
		return d.change(ctx, &done, func(q *pgx.Batch, result func(pgx.Rows) error) {
			lockChosen(q, ids, []string{"dead"})
			q.Queue(retry, ids, intervention, "retry", why.Who, why.Why, why.Chosen).Query(result)
		})
	})
	if err != nil {
		return done, fmt.Errorf("retry, after %d deliveries: %w", done.Deliveries, err)
	}
	return done, nil
}

// retry changes what lockChosen has locked. What is newer of an alert was
// created later, but for the moment that a batch takes; that finds it by the
// index on created_at. A trigger that goes again opens its alert again, which
// its death had left pending, so that repeats fold and the resolve is sent.
const retry = `WITH chosen AS (SELECT d.id, d.alert_id, d.kind, d.seq, d.route, d.dedup_key, d.action, d.received_at, a.status,
		first_value(d.action) OVER (PARTITION BY d.alert_id ORDER BY d.seq DESC) AS says
		FROM deliveries d LEFT JOIN alerts a ON a.id = d.alert_id WHERE d.id = ANY ($1::uuid[]) AND d.state = 'dead'),
	newest AS (SELECT n.alert_id, max(n.seq) AS seq FROM deliveries n
		WHERE n.alert_id IN (SELECT alert_id FROM chosen) AND n.state IN ('held', 'queued', 'delivered')
			AND n.created_at > (SELECT min(created_at) FROM deliveries WHERE id = ANY ($1::uuid[])) - interval '1 minute'
		GROUP BY n.alert_id),
	judged AS (SELECT chosen.*, CASE
			WHEN chosen.alert_id IS NULL OR chosen.kind = 'webhook' THEN NULL
			WHEN newest.seq > chosen.seq THEN '` + string(Overtaken) + `'
			WHEN says = 'resolve' AND status <> 'resolved' THEN '` + string(Reopened) + `'
			WHEN says <> 'resolve' AND coalesce(status, 'resolved') = 'resolved' THEN '` + string(Over) + `'
		END AS reason FROM chosen LEFT JOIN newest USING (alert_id)),
	ready AS (SELECT id, row_number() OVER (PARTITION BY coalesce(alert_id, id) ORDER BY seq) AS nth FROM judged WHERE reason IS NULL),
	changed AS (UPDATE deliveries d SET state = 'held', intervention_id = $2::uuid, held_by = CASE
			WHEN nth = 1 AND NOT EXISTS (SELECT FROM deliveries o WHERE o.alert_id = d.alert_id AND o.state IN ('held', 'queued')
				AND (o.held_by IN ('alert', 'route')) IS NOT FALSE AND o.seq < d.seq OFFSET 0) THEN 'route'
			ELSE 'alert' END
		FROM ready WHERE d.id = ready.id RETURNING d.id, d.alert_id, d.action, d.received_at),
	opened AS (UPDATE alerts a SET status = 'open', triggers = NULL, sent_at = t.received_at
		FROM (SELECT alert_id, max(received_at) AS received_at FROM changed WHERE action = 'trigger' GROUP BY 1) AS t
		WHERE a.id = t.alert_id AND a.status = 'pending'),
	` + noted + `
	SELECT id, route, dedup_key, reason FROM judged`

func isDeadlock(err error) bool {
	fault, ok := errors.AsType[*pgconn.PgError](err)
	return ok && fault.Code == "40P01" // deadlock_detected
}
