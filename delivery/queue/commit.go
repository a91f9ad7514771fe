package queue

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pdaltagent/pdaltagent/mapping"
)

// The bounds of what waits to be committed, and of one transaction.
const (
	commitRows  = 1000
	commitBytes = 2 << 20
	queueBytes  = 8 << 20
)

// group is what one call of Enqueue brought.
type group struct {
	weight int64
	left   atomic.Int64
	fault  atomic.Pointer[error]
	done   func(error)
}

// item is an event that waits for its commit.
type item struct {
	event *mapping.Event
	group *group
}

func (it item) weight() int64 { return weight(it.event) }

// weight is about what an event takes in memory, in bytes.
func weight(e *mapping.Event) int64 {
	return int64(512 + len(e.Payload) + len(e.Body) + len(e.Message))
}

// Enqueue is mapping.Enqueuer's. While Postgres is away events wait in memory,
// up to queueBytes; then Enqueue blocks.
func (q *Queue) Enqueue(ctx context.Context, events []mapping.Event, done func(error)) {
	if len(events) == 0 {
		done(nil)
		return
	}
	g := &group{done: done}
	items := make([]item, len(events))
	for i := range events {
		items[i] = item{&events[i], g}
		g.weight += weight(&events[i])
	}
	g.weight = min(g.weight, queueBytes)
	g.left.Store(int64(len(events)))
	if err := q.room.Acquire(ctx, g.weight); err != nil {
		done(fmt.Errorf("the queue is full, because the database does not keep up or is away: %w", err))
		return
	}
	q.commits.add(items...)
}

// finish ends an item; its group's done is called with the last of them.
func (q *Queue) finish(it item, err error) {
	if err != nil {
		it.group.fault.Store(&err)
	}
	if it.group.left.Add(-1) > 0 {
		return
	}
	q.room.Release(it.group.weight)
	if fault := it.group.fault.Load(); fault != nil {
		it.group.done(*fault)
		return
	}
	it.group.done(nil)
}

// commit commits a batch, however long that takes: it ends only with the
// commit or with ctx. A batch that Postgres refuses because of what it holds
// is halved until the event is found that is at fault.
func (q *Queue) commit(ctx context.Context, batch []item) {
	pause := 50 * time.Millisecond
	for again := false; ; again = true {
		err := q.tryCommit(ctx, batch, again)
		q.state.set(err)
		switch {
		case err == nil:
			for _, it := range batch {
				q.finish(it, nil)
			}
			return
		case isFaultOfData(err):
			q.halve(ctx, batch, err)
			return
		case ctx.Err() != nil:
			q.logger.Error("events were not committed before the end", "events", len(batch), "error", err)
			for _, it := range batch {
				q.finish(it, err)
			}
			return
		}
		q.logger.Error("commit failed and is tried again; events wait in memory meanwhile: is the database up?",
			"events", len(batch), "error", err, "again_in", pause)
		sleep(ctx, pause)
		pause = min(2*pause, 2*time.Second)
	}
}

// halve commits the halves of a batch that Postgres refused because of its
// content. A single event is committed with its payload as opaque bytes, so
// that PagerDuty decides about it; if that fails too it is refused.
func (q *Queue) halve(ctx context.Context, batch []item, err error) {
	if len(batch) > 1 {
		q.commit(ctx, batch[:len(batch)/2])
		q.commit(ctx, batch[len(batch)/2:])
		return
	}
	it := batch[0]
	if it.event.Payload == nil && it.event.Message == nil {
		q.logger.Error("an event cannot be stored and is refused", "event_id", it.event.ID, "rule", it.event.Rule, "error", err)
		q.finish(it, &Invalid{err})
		return
	}
	q.logger.Warn("an event's payload is nothing that Postgres takes as JSON; it is kept as bytes", "event_id", it.event.ID, "error", err)
	if it.event.Body == nil {
		it.event.Body, it.event.ContentType = it.event.Payload, "application/json"
	}
	it.event.Payload, it.event.Message = nil, nil
	q.commit(ctx, batch)
}

// Invalid says that an event cannot be stored because of what it holds.
type Invalid struct{ err error }

// Error says why.
func (e *Invalid) Error() string { return fmt.Sprintf("event cannot be stored: %v", e.err) }

// Unwrap returns Postgres' error.
func (e *Invalid) Unwrap() error { return e.err }

// InvalidEvent lists the faults, for the sender.
func (e *Invalid) InvalidEvent() []string { return []string{e.Error()} }

// tryCommit commits a batch with one transaction.
func (q *Queue) tryCommit(ctx context.Context, batch []item, again bool) error {
	began := time.Now()
	events := make([]*mapping.Event, len(batch))
	for i, it := range batch {
		events[i] = it.event
	}
	if err := q.ledger.Prepare(ctx, events); err != nil {
		return err
	}
	conn, err := q.strict.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	c, err := q.ledger.Commit(ctx, conn.Conn(), events, again)
	if err != nil {
		return err
	}
	q.ledger.Committed(c)
	q.metrics.committed(c, len(batch), time.Since(began))
	return nil
}

// isFaultOfData tells whether err is about what the rows hold (SQLSTATE
// classes 22, data exception, and 54, program limit exceeded), not about when
// or where they were to be written.
func isFaultOfData(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || len(pg.Code) < 2 {
		return false
	}
	return pg.Code[:2] == "22" || pg.Code[:2] == "54"
}

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
