package history

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/pdaltagent/pdaltagent/delivery"
)

// Admit gives jobs to deliveries that wait for their route: of each route in
// room as many as it says, the most severe first, then the oldest. What it
// costs does not grow with what waits. Nodes that admit at once admit different
// deliveries.
func (h *History) Admit(ctx context.Context, conn *pgx.Conn, room map[string]int) (admitted []delivery.Admitted, err error) {
	defer func() { rollback(ctx, conn, err) }()
	routes, counts := make([]string, 0, len(room)), make([]int32, 0, len(room))
	for route, n := range room {
		routes, counts = append(routes, route), append(counts, int32(n)) //nolint:gosec // a window is small
	}
	jobs := ""
	if h.config.Jobs != "" {
		jobs = ", jobs AS (" + h.config.Jobs + ")"
	}
	var q pgx.Batch
	q.Queue("BEGIN")
	q.Queue(`WITH next AS (SELECT first.id FROM unnest($1::text[], $2::int[]) AS room (route, n),
			LATERAL (SELECT id FROM deliveries d WHERE d.route = room.route AND d.held_by = 'route'
				ORDER BY d.priority, d.seq LIMIT room.n FOR UPDATE SKIP LOCKED) AS first),
		changed AS (UPDATE deliveries d SET state = 'queued', held_by = NULL FROM next WHERE d.id = next.id
			RETURNING d.id, d.route, d.priority, d.seq),
		ready AS (SELECT id, priority FROM changed ORDER BY priority, seq)`+jobs+`
		SELECT id, route FROM changed`, routes, counts).
		Query(func(rows pgx.Rows) (err error) {
			admitted, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (a delivery.Admitted, err error) {
				var id pgtype.UUID
				err = row.Scan(&id, &a.Route)
				a.ID = id.Bytes
				return a, err
			})
			return err
		})
	if h.config.Announce != "" {
		q.Queue(h.config.Announce)
	}
	q.Queue("COMMIT")
	if err := conn.SendBatch(ctx, &q).Close(); err != nil {
		return nil, fmt.Errorf("admit deliveries of %d routes: %w", len(room), err)
	}
	return admitted, nil
}

// Crowded returns the routes that deliveries wait for. It looks at one
// delivery of each.
func (h *History) Crowded(ctx context.Context) ([]string, error) {
	rows, err := h.pool.Query(ctx, `WITH RECURSIVE crowded AS (
			(SELECT route FROM deliveries WHERE held_by = 'route' ORDER BY route LIMIT 1)
			UNION ALL
			SELECT (SELECT route FROM deliveries d WHERE d.held_by = 'route' AND d.route > crowded.route ORDER BY route LIMIT 1)
			FROM crowded WHERE crowded.route IS NOT NULL)
		SELECT route FROM crowded WHERE route IS NOT NULL`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// Over returns those of ids that are not queued, or not on record: nobody works
// at them.
func (h *History) Over(ctx context.Context, ids []uuid.UUID) ([]uuid.UUID, error) {
	list := make([]pgtype.UUID, len(ids))
	for i, id := range ids {
		list[i] = uuidOrNull(id)
	}
	rows, err := h.pool.Query(ctx, `SELECT ids.id FROM unnest($1::uuid[]) AS ids (id)
		LEFT JOIN deliveries d ON d.id = ids.id WHERE (d.state = 'queued') IS NOT TRUE`, flat(list))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (uuid.UUID, error) {
		var id pgtype.UUID
		err := row.Scan(&id)
		return id.Bytes, err
	})
}
