package queue

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
)

// How the rows that wait for their route are looked after. Routes become
// crowded, pauses end and places become free in memory, so that asking costs
// nothing; what other nodes left behind is looked for now and then.
const (
	admitTick = 100 * time.Millisecond
	sweepTick = 2 * time.Second
	timerTick = 500 * time.Millisecond
)

// What comes in can wait least: a datagram that finds no room is lost. Until
// busyFor after a tick in which more than busyRows events were committed, only
// busyAdmits deliveries of a route are admitted with each tick: still more than
// PagerDuty takes of an integration key.
const (
	busyRows   = 250
	busyFor    = time.Second
	busyAdmits = 16
)

// admitRows is how many deliveries of a route are admitted at once.
const admitRows = 500

// admitting admits what waits for its route, until ctx ends.
func (q *Queue) admitting(ctx context.Context) {
	tick, sweep := time.NewTicker(admitTick), time.NewTicker(sweepTick)
	defer tick.Stop()
	defer sweep.Stop()
	q.sweep(ctx)
	var (
		committed int64
		calm      time.Time // receivers are busy until then
	)
	for {
		busy := time.Now().Before(calm)
		most := admitRows
		select {
		case <-ctx.Done():
			return
		case <-q.freed:
			if busy {
				continue // the tick will do
			}
		case <-tick.C:
			rows := q.committed.Load()
			if rows-committed > busyRows {
				busy, calm = true, time.Now().Add(busyFor)
			}
			if committed = rows; busy {
				most = busyAdmits
			}
			q.windows.tick(busy)
		case <-sweep.C:
			q.sweep(ctx)
			continue
		}
		q.admit(ctx, most)
	}
}

// free says that places have become free, or that deliveries wait for some.
func (q *Queue) free() {
	select {
	case q.freed <- struct{}{}:
	default:
	}
}

// admit gives the places that crowded routes have to what waits for them.
func (q *Queue) admit(ctx context.Context, most int) {
	room, crowded := q.windows.rooms(most)
	if len(room) == 0 {
		return
	}
	conn, err := q.relaxed.Acquire(ctx)
	if err != nil {
		q.windows.fill(room, nil, nil)
		return // the commits say so; it is tried again with the next tick
	}
	defer conn.Release()
	admitted, err := q.ledger.Admit(ctx, conn.Conn(), room)
	if err != nil {
		q.windows.fill(room, nil, nil) // what was admitted nevertheless takes its places later
		if ctx.Err() == nil {
			q.logger.Error("deliveries that wait cannot be admitted: is the database up?", "error", err)
		}
		return
	}
	q.windows.fill(room, crowded, admitted)
}

// sweep finds routes that deliveries wait for without this node knowing, jobs
// that were lost, and places that are held for deliveries which are no longer
// under way.
func (q *Queue) sweep(ctx context.Context) {
	routes, err := q.ledger.Crowded(ctx)
	if err != nil {
		return // the commits say so
	}
	q.windows.crowd(routes)
	q.pickUp(ctx)
	ids := q.windows.outstanding()
	if len(ids) == 0 {
		return
	}
	over, err := q.ledger.Over(ctx, ids)
	if err != nil {
		return
	}
	before := q.over
	q.over = over
	q.windows.forget(slices.DeleteFunc(slices.Clone(over), func(id uuid.UUID) bool {
		return !slices.Contains(before, id) // its commit may be under way
	}))
}
