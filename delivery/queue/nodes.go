package queue

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/pdaltagent/pdaltagent/delivery"
)

// Every node works a River queue of its own, so that it knows what is
// outstanding without asking, and says every beat that it lives. What is in the
// queue of a node that has not said so for staleAfter, the others take over.
const (
	beat       = 3 * time.Second
	staleAfter = 15 * time.Second
)

// NameOf returns the name of the River queue that a node works: what River
// allows in one, and different for different nodes.
func NameOf(node string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(node) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() == 40 {
			break
		}
	}
	name := strings.Trim(b.String(), "-")
	if name != node {
		sum := sha256.Sum256([]byte(node))
		name = strings.TrimPrefix(name+"-"+hex.EncodeToString(sum[:4]), "-")
	}
	return "deliveries-" + name
}

// beating says that this node lives and takes over what others left, until ctx
// ends. Whoever could not reach the database for a while does not know who
// lives: it takes nothing over before it has seen others speak for as long as
// they may be silent.
func (q *Queue) beating(ctx context.Context) {
	tick := time.NewTicker(q.beat)
	defer tick.Stop()
	since := time.Now()
	for {
		if err := q.speak(ctx); err != nil {
			since = time.Now()
		} else if time.Since(since) > q.stale+q.beat {
			q.takeOver(ctx)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (q *Queue) speak(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, beat)
	defer cancel()
	_, err := q.relaxed.Exec(ctx, `INSERT INTO nodes (name, queue, version, started_at, seen_at) VALUES ($1, $2, $3, now(), now())
		ON CONFLICT (name) DO UPDATE SET queue = excluded.queue, version = excluded.version, seen_at = now()`,
		q.config.Node, NameOf(q.config.Node), q.config.Version)
	return err
}

// leave says that this node lives no more, so that others need not wait to
// take over what it has not done.
func (q *Queue) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, beat)
	defer cancel()
	_, _ = q.relaxed.Exec(ctx, `DELETE FROM nodes WHERE name = $1`, q.config.Node) // else they wait
}

// takeOver moves jobs here whose node does not live, and makes those that it
// was working available.
func (q *Queue) takeOver(ctx context.Context) {
	tag, err := q.relaxed.Exec(ctx, `WITH gone AS (DELETE FROM nodes WHERE seen_at < now() - $3 * interval '1 second' AND name <> $2)
		UPDATE `+pgx.Identifier{q.config.Schema, "river_job"}.Sanitize()+` SET queue = $1,
			state = CASE WHEN state = 'running' THEN 'available' ELSE state END
		WHERE kind = 'deliver_v1' AND state IN ('available', 'running', 'retryable', 'scheduled')
			AND queue NOT IN (SELECT queue FROM nodes WHERE seen_at >= now() - $3 * interval '1 second')`,
		NameOf(q.config.Node), q.config.Node, q.stale.Seconds())
	if err == nil && tag.RowsAffected() > 0 {
		q.logger.Warn("deliveries of a node that is gone are taken over", "deliveries", tag.RowsAffected())
	}
	q.resume(ctx, `<> ALL (SELECT name FROM nodes WHERE seen_at >= now() - $1 * interval '1 second')`, q.stale.Seconds())
}

// resume makes periodic jobs available that a node which is gone was doing: as
// long as they are on record as running, none of their name is made.
func (q *Queue) resume(ctx context.Context, whose string, arg any) {
	tag, err := q.relaxed.Exec(ctx, `UPDATE `+pgx.Identifier{q.config.Schema, "river_job"}.Sanitize()+` SET state = 'available'
		WHERE state = 'running' AND kind = 'periodic_v1' AND attempted_by[array_upper(attempted_by, 1)] `+whose, arg)
	if err == nil && tag.RowsAffected() > 0 {
		q.logger.Info("periodic jobs that a node did when it ended are done again", "jobs", tag.RowsAffected())
	}
}

// hands know the deliveries that are being worked here, and their jobs.
type hands struct {
	mu   sync.Mutex
	jobs map[uuid.UUID]int64
}

// hold remembers a delivery until done is called. It returns nil for one that
// is being worked: a crash of Postgres forgot that its job was fetched, or that
// it was admitted, and it was admitted again.
func (h *hands) hold(id uuid.UUID, job int64) (done func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, worked := h.jobs[id]; worked {
		return nil
	}
	if h.jobs == nil {
		h.jobs = map[uuid.UUID]int64{}
	}
	h.jobs[id] = job
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.jobs, id)
	}
}

// held are the jobs of what is being worked.
func (h *hands) held() []int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.AppendSeq(make([]int64, 0, len(h.jobs)), maps.Values(h.jobs))
}

// adriftAfter is how long a job may be running on record without being worked:
// the time from its being fetched to its being begun, or from its end to that
// being on record.
const adriftAfter = 10 * time.Second

// pickUp makes jobs available again that this node has fetched, but knows
// nothing of: the connection was lost in between. What was settled already is
// not sent again.
func (q *Queue) pickUp(ctx context.Context) {
	tag, err := q.relaxed.Exec(ctx, `UPDATE `+pgx.Identifier{q.config.Schema, "river_job"}.Sanitize()+` SET state = 'available'
		WHERE state = 'running' AND queue = $1 AND kind = 'deliver_v1' AND attempted_at < now() - $2 * interval '1 second' AND id <> ALL ($3::bigint[])`,
		NameOf(q.config.Node), q.adrift.Seconds(), q.hands.held())
	if err == nil && tag.RowsAffected() > 0 {
		q.logger.Warn("deliveries that were lost with a connection to the database are taken up again", "deliveries", tag.RowsAffected())
	}
}

// takeBack makes the jobs available that this node was working when it died,
// and remembers what is outstanding.
func (q *Queue) takeBack(ctx context.Context) error {
	jobs := pgx.Identifier{q.config.Schema, "river_job"}.Sanitize()
	tag, err := q.relaxed.Exec(ctx, `UPDATE `+jobs+` SET state = 'available', scheduled_at = now()
		WHERE state = 'running' AND queue = $1`, NameOf(q.config.Node))
	if err != nil {
		return err
	}
	if tag.RowsAffected() > 0 {
		q.logger.Info("deliveries that were in flight when this node last ended are sent again", "deliveries", tag.RowsAffected())
	}
	q.resume(ctx, "= $1", q.config.Node)
	rows, err := q.relaxed.Query(ctx, `SELECT d.id, d.route FROM `+jobs+` j JOIN deliveries d ON d.id = (j.args ->> 'delivery_id')::uuid
		WHERE j.state = 'available' AND j.queue = $1 AND j.kind = 'deliver_v1' AND d.state = 'queued'`, NameOf(q.config.Node))
	if err != nil {
		return err
	}
	left, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (a delivery.Admitted, err error) {
		var id pgtype.UUID
		err = row.Scan(&id, &a.Route)
		a.ID = uuid.UUID(id.Bytes)
		return a, err
	})
	q.windows.restore(left)
	return err
}
