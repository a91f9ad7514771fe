package history

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pdaltagent/pdaltagent/delivery"
)

// Desk is where people see what waits and change what becomes of it. It works
// beside any number of nodes, and beside other desks: every change takes the
// locks that Commit and Settle take, and looks again when it has them.
type Desk struct {
	pool     *pgxpool.Pool
	withdraw string
}

// NewDesk returns a desk on the database of pool. withdraw is a list of common
// table expressions: it cancels the jobs of chosen (id uuid), but for those
// that are being worked, and defines busy (id uuid), the deliveries of these.
func NewDesk(pool *pgxpool.Pool, withdraw string) *Desk { return &Desk{pool, withdraw} }

// Intervention says who changes something, and why. The table of that name
// keeps it.
type Intervention struct {
	Who    string // user@host
	Why    string
	Chosen string // which deliveries are meant, in the words of whoever chose
}

// Choice says which deliveries are meant. What it leaves empty does not narrow
// it.
type Choice struct {
	States []delivery.State
	IDs    []uuid.UUID
	Kind   string // event or webhook
	Alert  string // a dedup_key
	Routes []string
	Before time.Time // received before
	After  time.Time // received after
	Error  string    // occurs in last_error, in upper or lower case
	Limit  int       // 0: all of them
}

// where returns the choice as a condition on deliveries d.
func (c *Choice) where() (condition string, args pgx.NamedArgs) {
	conditions, args := []string{"true"}, pgx.NamedArgs{}
	add := func(wanted bool, condition, name string, value any) {
		if wanted {
			conditions, args[name] = append(conditions, condition), value
		}
	}
	states := make([]string, len(c.States))
	for i, s := range c.States {
		states[i] = string(s)
	}
	add(len(states) > 0, "d.state = ANY (@states)", "states", states)
	add(len(c.IDs) > 0, "d.id = ANY (@ids::uuid[])", "ids", c.IDs)
	add(c.Kind != "", "d.kind = @kind", "kind", c.Kind)
	add(c.Alert != "", "d.dedup_key = @alert", "alert", c.Alert)
	add(len(c.Routes) > 0, "d.route = ANY (@routes)", "routes", c.Routes)
	add(!c.Before.IsZero(), "d.received_at < @before", "before", c.Before)
	add(!c.After.IsZero(), "d.received_at > @after", "after", c.After)
	add(c.Error != "", "strpos(lower(d.last_error), lower(@error)) > 0", "error", c.Error)
	return strings.Join(conditions, " AND "), args
}

func (c *Choice) limit() string {
	if c.Limit <= 0 {
		return ""
	}
	return fmt.Sprintf(" LIMIT %d", c.Limit)
}

// Count returns how many deliveries are meant.
func (d *Desk) Count(ctx context.Context, c Choice) (n int, err error) {
	where, args := c.where()
	err = d.pool.QueryRow(ctx, `SELECT count(*) FROM (SELECT FROM deliveries d WHERE `+where+c.limit()+`) AS chosen`, args).Scan(&n)
	return n, err
}

// chunkRows is how many deliveries are changed in one transaction, more where
// they are of one alert.
const chunkRows = 2000

// each hands the ids of the deliveries that are meant to change, in chunks. All
// of one alert are in one chunk. The oldest are chosen where Limit leaves some
// out.
func (d *Desk) each(ctx context.Context, c Choice, change func(ids []uuid.UUID) error) error {
	where, args := c.where()
	rows, err := d.pool.Query(ctx, `SELECT id, alert_id FROM (SELECT d.id, d.alert_id, d.seq FROM deliveries d WHERE `+where+`
		ORDER BY d.seq`+c.limit()+`) AS chosen ORDER BY coalesce(alert_id, id), seq`, args)
	if err != nil {
		return err
	}
	var (
		chunk       []uuid.UUID
		last        pgtype.UUID
		id, alertID pgtype.UUID
	)
	_, err = pgx.ForEachRow(rows, []any{&id, &alertID}, func() error {
		if len(chunk) >= chunkRows && (!alertID.Valid || alertID != last) {
			if err := change(chunk); err != nil {
				return err
			}
			chunk = chunk[:0]
		}
		chunk, last = append(chunk, id.Bytes), alertID
		return nil
	})
	if err != nil || len(chunk) == 0 {
		return err
	}
	return change(chunk)
}

// Changed is what a change came to.
type Changed struct {
	Deliveries int       `json:"deliveries"` // that were changed
	Refused    []Refusal `json:"refused"`
}

// Reasons counts what was refused, by reason.
func (c *Changed) Reasons() map[Reason]int {
	counts := map[Reason]int{}
	for _, r := range c.Refused {
		counts[r.Reason]++
	}
	return counts
}

// Refusal is a delivery that was left as it was.
type Refusal struct {
	ID       uuid.UUID `json:"id"`
	Route    string    `json:"route"`
	DedupKey string    `json:"dedup_key"`
	Reason   Reason    `json:"reason"`
}

// Reason says why a delivery was left as it was.
type Reason string

// The reasons.
const (
	Overtaken Reason = "PagerDuty was told something newer about its alert, or will be: it would go back in time"
	Over      Reason = "its alert has been resolved since: retry its resolve, too, or leave both"
	Reopened  Reason = "its alert has opened again since: it would resolve a problem that goes on"
	Sending   Reason = "an attempt is being made right now: look again in a moment"
)

// change runs statements, of which the last but COMMIT returns the id, route,
// dedup_key and reason of each delivery of a chunk; the reason of those that
// were changed is null. It is run again after a deadlock: nodes do not sort
// what they settle.
func (d *Desk) change(ctx context.Context, c *Changed, statements func(q *pgx.Batch, result func(pgx.Rows) error)) error {
	for try := 1; ; try++ {
		var once Changed
		err := d.try(ctx, statements, func(rows pgx.Rows) error {
			var (
				r      Refusal
				id     pgtype.UUID
				reason *string
			)
			_, err := pgx.ForEachRow(rows, []any{&id, &r.Route, &r.DedupKey, &reason}, func() error {
				if reason == nil {
					once.Deliveries++
					return nil
				}
				r.ID, r.Reason = id.Bytes, Reason(*reason)
				once.Refused = append(once.Refused, r)
				return nil
			})
			return err
		})
		if err == nil {
			c.Deliveries += once.Deliveries
			c.Refused = append(c.Refused, once.Refused...)
			return nil
		}
		if try == 5 || !isDeadlock(err) {
			return err
		}
	}
}

func (d *Desk) try(ctx context.Context, statements func(*pgx.Batch, func(pgx.Rows) error), result func(pgx.Rows) error) (err error) {
	conn, err := d.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	defer func() { rollback(ctx, conn.Conn(), err) }()
	var q pgx.Batch
	q.Queue("BEGIN")
	statements(&q, result)
	q.Queue("COMMIT")
	return conn.SendBatch(ctx, &q).Close()
}

// lockChosen locks deliveries of a chunk that are in one of the states, and
// before them their alerts, and what webhooks have for those, as Settle does.
func lockChosen(q *pgx.Batch, ids []uuid.UUID, states []string) {
	q.Queue(`SELECT FROM alerts WHERE id IN (SELECT alert_id FROM deliveries WHERE id = ANY ($1::uuid[]))
		ORDER BY id FOR NO KEY UPDATE`, ids)
	q.Queue(lockThreads+`(SELECT alert_id FROM deliveries WHERE id = ANY ($1::uuid[]) AND kind = 'webhook') AS threads (id)`+inOrder, ids)
	q.Queue(`SELECT FROM deliveries WHERE id = ANY ($1::uuid[]) AND state = ANY ($2) ORDER BY id FOR UPDATE`, ids, states)
}

// noted is the common table expression that counts changed (id uuid) in the
// table of interventions. Its parameters are $2 id, $3 what, $4 who, $5 why,
// $6 chosen.
const noted = `noted AS (INSERT INTO interventions (id, what, who, why, chosen, deliveries)
	SELECT $2::uuid, $3, $4, $5, $6, count(*) FROM changed HAVING count(*) > 0
	ON CONFLICT (id) DO UPDATE SET deliveries = interventions.deliveries + excluded.deliveries)`

// RouteCounts are the deliveries of a route's events, by what became of them.
type RouteCounts struct {
	Route                    string
	Waiting, Delivered, Dead int64
}

// Routes counts the deliveries of events of every route that has any.
func (d *Desk) Routes(ctx context.Context) ([]RouteCounts, error) {
	rows, err := d.pool.Query(ctx, `SELECT route, count(*) FILTER (WHERE state IN ('held', 'queued')),
		count(*) FILTER (WHERE state = 'delivered'), count(*) FILTER (WHERE state = 'dead')
		FROM deliveries WHERE kind = 'event' GROUP BY route ORDER BY route`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[RouteCounts])
}

// SenderKeys are the keys that senders brought themselves, by route.
func (d *Desk) SenderKeys(ctx context.Context) (map[string]string, error) {
	rows, err := d.pool.Query(ctx, `SELECT route, key FROM sender_keys`)
	if err != nil {
		return nil, err
	}
	keys := map[string]string{}
	var (
		route string
		key   []byte
	)
	_, err = pgx.ForEachRow(rows, []any{&route, &key}, func() error {
		keys[route] = string(key)
		return nil
	})
	return keys, err
}
