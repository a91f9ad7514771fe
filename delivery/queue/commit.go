package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
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

// Enqueue is mapping.Enqueuer's. While events can neither be committed nor
// spooled they wait in memory, up to queueBytes; then Enqueue blocks.
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

// finish ends an item; its group's done is called with the last of them. What
// comes from the spool has no group.
func (q *Queue) finish(it item, err error) {
	if it.group == nil {
		return
	}
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

// store makes a batch durable: it commits it, or spools it where that cannot
// be done now. Without a spool it tries until ctx ends.
func (q *Queue) store(ctx context.Context, batch []item) {
	pause := 50 * time.Millisecond
	for again := false; ; again = true {
		var err error
		if q.committing(ctx) {
			if batch, err = q.put(ctx, batch, again); err == nil {
				return
			}
		}
		switch {
		case q.config.Spool != nil:
			q.spill(batch, err)
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

// put commits a batch and finishes its items. A batch that Postgres refuses
// because of what it holds is halved until the event is found that is at fault.
// An error says that Postgres is away: what it leaves is returned, in order.
func (q *Queue) put(ctx context.Context, batch []item, again bool) ([]item, error) {
	err := q.tryCommit(ctx, batch, again)
	for races := 0; isRace(err) && races < 10; races++ {
		err = q.tryCommit(ctx, batch, true)
	}
	switch {
	case err == nil:
		q.state.set(nil)
		for _, it := range batch {
			q.finish(it, nil)
		}
		return nil, nil
	case !isFaultOfData(err):
		q.state.set(err)
		return batch, err
	case len(batch) == 1:
		return q.putOne(ctx, batch, err)
	}
	second := batch[len(batch)/2:]
	if rest, err := q.put(ctx, batch[:len(batch)/2], again); err != nil {
		return append(slices.Clip(rest), second...), err
	}
	return q.put(ctx, second, again)
}

// putOne commits an event that Postgres has refused with its payload as opaque
// bytes, so that PagerDuty decides about it; if that fails too it is refused.
func (q *Queue) putOne(ctx context.Context, batch []item, err error) ([]item, error) {
	e := batch[0].event
	if e.Payload == nil && e.Message == nil {
		q.logger.Error("an event cannot be stored and is refused", "event_id", e.ID, "rule", e.Rule, "error", err)
		q.finish(batch[0], &Invalid{err})
		return nil, nil
	}
	q.logger.Warn("an event's payload is nothing that Postgres takes as JSON; it is kept as bytes", "event_id", e.ID, "error", err)
	if e.Body == nil {
		e.Body, e.ContentType = e.Payload, "application/json"
	}
	e.Payload, e.Message = nil, nil
	return q.put(ctx, batch, true)
}

// Invalid says that an event cannot be stored because of what it holds.
type Invalid struct{ err error }

// Error says why.
func (e *Invalid) Error() string { return fmt.Sprintf("event cannot be stored: %v", e.err) }

// Unwrap returns Postgres' error.
func (e *Invalid) Unwrap() error { return e.err }

// InvalidEvent lists the faults, for the sender.
func (e *Invalid) InvalidEvent() []string { return []string{e.Error()} }

// commitWithin is how long Postgres may take for a batch before it counts as
// away.
const commitWithin = 5 * time.Second

// tryCommit commits a batch with one transaction.
func (q *Queue) tryCommit(ctx context.Context, batch []item, again bool) (err error) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, commitWithin)
	defer cancel()
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
	c, err := q.ledger.Commit(ctx, conn.Conn(), events, again, q.windows.admit)
	if err != nil {
		q.windows.withdraw(events)
		return err
	}
	q.ledger.Committed(c)
	q.committed.Add(int64(len(events)))
	if len(c.Crowded) > 0 {
		q.windows.crowd(c.Crowded)
		q.free()
	}
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

// isRace tells whether another node has written a row of the batch meanwhile,
// or the two have waited for each other.
func isRace(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "23505" || pg.Code == "40P01" || pg.Code == "40001")
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
