package queue

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// Oldest returns, for each route, about when the oldest delivery was received
// that waits for it or for its next attempt. What a gate holds does not count,
// nor do alerts about the appliance itself, which are on route self. What it
// costs does not grow with what waits: of each route and severity it looks at
// the first in line, and at what has its job already.
func (q *Queue) Oldest(ctx context.Context, self string) (map[string]time.Time, error) {
	rows, err := q.relaxed.Query(ctx, `WITH RECURSIVE line AS (
			(SELECT route, priority, received_at FROM deliveries
				WHERE held_by = 'route' AND NOT (route = $1 AND dedup_key LIKE 'self/%') ORDER BY route, priority, seq LIMIT 1)
			UNION ALL
			SELECT next.* FROM line, LATERAL (SELECT route, priority, received_at FROM deliveries d
				WHERE held_by = 'route' AND NOT (route = $1 AND dedup_key LIKE 'self/%') AND (d.route, d.priority) > (line.route, line.priority)
				ORDER BY route, priority, seq LIMIT 1) AS next)
		SELECT route, min(received_at) FROM (SELECT route, received_at FROM line
			UNION ALL
			SELECT d.route, d.received_at FROM `+pgx.Identifier{q.config.Schema, "river_job"}.Sanitize()+` j
				JOIN deliveries d ON d.id = (j.args ->> 'delivery_id')::uuid
				WHERE j.kind = 'deliver_v1' AND j.state IN ('available', 'running', 'retryable', 'scheduled') AND d.state = 'queued'
					AND NOT (d.route = $1 AND d.dedup_key LIKE 'self/%')) AS waiting
		GROUP BY route`, self)
	if err != nil {
		return nil, err
	}
	oldest := map[string]time.Time{}
	var (
		route string
		at    time.Time
	)
	_, err = pgx.ForEachRow(rows, []any{&route, &at}, func() error {
		oldest[route] = at
		return nil
	})
	return oldest, err
}
