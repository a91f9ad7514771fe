package history

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pdaltagent/pdaltagent/delivery"
)

// Died returns, route by route, what is dead of what had an attempt since a
// time, without the alerts about the appliance itself, which are on route self.
func (h *History) Died(ctx context.Context, since time.Time, self string) ([]delivery.DeadLetters, error) {
	rows, err := h.pool.Query(ctx, `SELECT route, count(*)::int, coalesce((array_agg(last_error ORDER BY at DESC))[1], '')
		FROM (SELECT DISTINCT ON (d.id) d.route, d.last_error, a.started_at AS at
			FROM attempts a JOIN deliveries d ON d.id = a.delivery_id
			WHERE a.started_at > $1 AND a.error IS NOT NULL AND d.state = 'dead' AND NOT (d.route = $2 AND d.dedup_key LIKE 'self/%')
			ORDER BY d.id, a.started_at DESC) AS dead
		GROUP BY route ORDER BY route`, since, self)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[delivery.DeadLetters])
}

// Open returns those alerts of dedup_keys, on whatever route, that are not
// resolved.
func (h *History) Open(ctx context.Context, dedupKeys []string) ([]delivery.OpenAlert, error) {
	rows, err := h.pool.Query(ctx, `SELECT dedup_key, route, severity FROM alerts WHERE dedup_key = ANY ($1::text[]) AND status <> 'resolved'`, dedupKeys)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[delivery.OpenAlert])
}
