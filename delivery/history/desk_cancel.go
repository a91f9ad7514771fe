package history

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/pdaltagent/pdaltagent/delivery"
)

// Cancel takes back deliveries that wait, with their jobs; those for which an
// attempt is being made are left. What waited behind them goes. An alert of
// which PagerDuty heard nothing then is pending, as it is when PagerDuty
// refuses its trigger: the next message about it is sent, not folded.
func (d *Desk) Cancel(ctx context.Context, c Choice, why Intervention) (done Changed, err error) {
	if c.States = narrowed(c.States, delivery.Held, delivery.Queued); len(c.States) == 0 {
		return done, nil
	}
	intervention := uuid.New()
	reason := "cancelled by " + why.Who
	if why.Why != "" {
		reason += ": " + why.Why
	}
	err = d.each(ctx, c, func(ids []uuid.UUID) error {
		return d.change(ctx, &done, func(q *pgx.Batch, result func(pgx.Rows) error) {
			lockChosen(q, ids, []string{"held", "queued"})
			q.Queue(`WITH chosen AS (SELECT id, route, dedup_key FROM deliveries WHERE id = ANY ($1::uuid[]) AND state IN ('held', 'queued')),
				`+d.withdraw+`,
				changed AS (UPDATE deliveries d SET state = 'cancelled', held_by = NULL, last_error = $7, intervention_id = $2::uuid
					FROM chosen WHERE d.id = chosen.id AND d.id NOT IN (SELECT id FROM busy) RETURNING d.id),
				`+noted+`
				SELECT id, route, dedup_key, CASE WHEN changed.id IS NULL THEN '`+string(Sending)+`' END FROM chosen LEFT JOIN changed USING (id)`,
				ids, intervention, "cancel", why.Who, why.Why, why.Chosen, reason).Query(result)
			settleCancelled(q, ids, intervention)
		})
	})
	if err != nil {
		return done, fmt.Errorf("cancel, after %d deliveries: %w", done.Deliveries, err)
	}
	return done, nil
}

// settleCancelled does for the alerts of cancelled deliveries what Settle does
// for those of dead ones.
func settleCancelled(q *pgx.Batch, ids []uuid.UUID, intervention uuid.UUID) {
	const cancelled = `SELECT %s FROM deliveries WHERE id = ANY ($1::uuid[]) AND intervention_id = $2 AND state = 'cancelled'`
	q.Queue(`UPDATE alerts SET gated_id = NULL WHERE gated_id IN (`+fmt.Sprintf(cancelled, "id")+`)`, ids, intervention)
	q.Queue(`UPDATE alerts a SET status = 'pending' WHERE id IN (`+fmt.Sprintf(cancelled, "alert_id")+` AND action = 'trigger') AND status IN ('open', 'acknowledged')
		AND NOT EXISTS (SELECT FROM deliveries d WHERE d.alert_id = a.id AND d.state IN ('held', 'queued') OFFSET 0)`, ids, intervention)
	q.Queue(`UPDATE deliveries SET held_by = 'route'
		FROM (`+fmt.Sprintf(cancelled, "DISTINCT alert_id")+`) AS ended, LATERAL (`+headOfAlert+`) AS next
		WHERE deliveries.id = next.id AND (deliveries.held_by = 'alert') IS TRUE`, ids, intervention)
}

// Purge removes deliveries that came to their end, with their attempts.
func (d *Desk) Purge(ctx context.Context, c Choice, why Intervention) (done Changed, err error) {
	if c.States = narrowed(c.States, delivery.Delivered, delivery.Dead, delivery.Cancelled); len(c.States) == 0 {
		return done, nil
	}
	states := make([]string, len(c.States))
	for i, s := range c.States {
		states[i] = string(s)
	}
	intervention := uuid.New()
	err = d.each(ctx, c, func(ids []uuid.UUID) error {
		return d.change(ctx, &done, func(q *pgx.Batch, result func(pgx.Rows) error) {
			q.Queue(`WITH changed AS (DELETE FROM deliveries WHERE id = ANY ($1::uuid[]) AND state = ANY ($7) RETURNING id, route, dedup_key),
				tried AS (DELETE FROM attempts WHERE delivery_id IN (SELECT id FROM changed)),
				`+noted+`
				SELECT id, route, dedup_key, NULL::text FROM changed`,
				ids, intervention, "purge", why.Who, why.Why, why.Chosen, states).Query(result)
		})
	})
	if err != nil {
		return done, fmt.Errorf("purge, after %d deliveries: %w", done.Deliveries, err)
	}
	return done, nil
}

// narrowed returns those of wanted that are possible; all that are where
// nothing is wanted.
func narrowed(wanted []delivery.State, possible ...delivery.State) []delivery.State {
	if len(wanted) == 0 {
		return possible
	}
	return slices.DeleteFunc(slices.Clone(wanted), func(s delivery.State) bool { return !slices.Contains(possible, s) })
}
