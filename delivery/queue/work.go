package queue

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/pdaltagent/pdaltagent/delivery"
)

// deliveries is the River queue of deliveries.
const deliveries = "deliveries"

// deliverArgs are the arguments of a delivery's job: a file format. What is
// sent is read from the history, so that no job holds a secret or grows large.
type deliverArgs struct {
	DeliveryID uuid.UUID `json:"delivery_id"`
}

// Kind is versioned: other arguments need another kind.
func (deliverArgs) Kind() string { return "deliver_v1" }

// InsertOpts are what Jobs writes.
func (deliverArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: deliveries, MaxAttempts: 10_000}
}

// Jobs is the statement by which the history gives deliveries their jobs (see
// history.Config), for River's tables in schema. It writes what River's own
// insertion writes, but in the round trip of the batch.
func Jobs(schema string) string {
	return `INSERT INTO ` + pgx.Identifier{schema, "river_job"}.Sanitize() + `
			(args, created_at, kind, max_attempts, metadata, priority, queue, scheduled_at, state, tags)
		SELECT jsonb_build_object('delivery_id', id), clock_timestamp(), 'deliver_v1', 10000, '{}', priority, 'deliveries',
			clock_timestamp(), 'available', '{}' FROM ready`
}

// Announce is the statement that wakes River's clients (see history.Config).
func Announce(schema string) string {
	return `SELECT pg_notify('` + schema + `.river_insert', '{"queue": "deliveries"}')`
}

// Backoff is the pause before a delivery that failed is tried again.
type Backoff struct {
	Initial time.Duration // after the first attempt; doubled with each further one
	Max     time.Duration
}

// after returns the pause after the nth attempt: between half and all of it,
// so that deliveries that failed together do not return together.
func (b Backoff) after(n int) time.Duration {
	d := b.Max
	if n < 32 {
		d = min(b.Initial<<(n-1), b.Max)
	}
	return d/2 + rand.N(d/2+1)
}

// work makes one attempt at a delivery. It returns nil when the delivery has
// come to its end and a snooze when it has not: whatever happens to a
// delivery, its job is never given up by River. A job whose delivery is
// settled already (the node died in between) ends without a call.
func (q *Queue) work(ctx context.Context, job *river.Job[deliverArgs]) error {
	defer q.giveWay(ctx)()
	d, err := q.find(ctx, job.Args.DeliveryID)
	if err != nil {
		return river.JobSnooze(time.Second)
	}
	if d == nil || d.State != delivery.Queued {
		return nil
	}
	a := &delivery.Attempt{Delivery: d, JobID: job.ID, Number: d.Attempts + 1, Node: q.config.Node, Started: time.Now()}
	answer, err := q.send(ctx, d)
	if ctx.Err() != nil && err != nil {
		return river.JobSnooze(0) // we end, the attempt did not: it is made again
	}
	a.Duration = time.Since(a.Started)
	pause := q.judge(a, answer, err)
	q.metrics.attempted(a)
	if err := q.record(ctx, a); err != nil {
		return river.JobSnooze(time.Second)
	}
	if a.State == delivery.Queued {
		return river.JobSnooze(pause)
	}
	return nil
}

// What comes in can wait least: a datagram that finds no room is lost. Once
// commits have followed one another without a pause, fewer workers send: still
// as many events as PagerDuty takes for hundreds of integration keys.
const (
	busyStreak    = 8
	narrowWorkers = 16
)

// giveWay returns at once unless receivers are busy; then only some workers at
// a time pass, each until it calls what is returned.
func (q *Queue) giveWay(ctx context.Context) (pass func()) {
	if q.commits.streak.Load() < busyStreak || q.narrow.Acquire(ctx, 1) != nil {
		return func() {}
	}
	return func() { q.narrow.Release(1) }
}

// send contains a sender's panic: it is an attempt that failed.
func (q *Queue) send(ctx context.Context, d *delivery.Delivery) (answer delivery.Answer, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic while sending: %v", r)
		}
	}()
	return q.sender.Send(ctx, d)
}

// judge fills in what an attempt came to, and returns the pause before the
// next one.
func (q *Queue) judge(a *delivery.Attempt, answer delivery.Answer, err error) time.Duration {
	a.Status, a.Response, a.State = answer.Status, answer.Body, delivery.Delivered
	if err == nil {
		return 0
	}
	a.Error, a.State = err.Error(), delivery.Queued
	var (
		busy     *delivery.Busy
		rejected *delivery.Rejected
		failed   *delivery.Failed
	)
	switch {
	case errors.As(err, &busy):
		a.Status, a.Response = busy.Status, busy.Answer
		if busy.After > 0 {
			return busy.After + rand.N(time.Second)
		}
		return q.config.Backoff.after(a.Number)
	case errors.As(err, &rejected):
		a.Status, a.Response, a.State = rejected.Status, rejected.Answer, delivery.Dead
		q.logger.Error("delivery is dead: PagerDuty will not take it as it is",
			"delivery_id", a.Delivery.ID, "route", a.Delivery.Route, "status", a.Status, "error", a.Error)
		return 0
	case errors.As(err, &failed):
		a.Status, a.Response = failed.Status, failed.Answer
	}
	if q.config.GiveUpAfter > 0 && time.Since(a.Delivery.ReceivedAt) > q.config.GiveUpAfter {
		a.State = delivery.Dead
		q.logger.Error("delivery is dead: given up after delivery.give_up_after",
			"delivery_id", a.Delivery.ID, "route", a.Delivery.Route, "attempts", a.Number, "error", a.Error)
		return 0
	}
	return q.config.Backoff.after(a.Number)
}

// maintainArgs are the arguments of the history's housekeeping.
type maintainArgs struct{}

// Kind is versioned: other arguments need another kind.
func (maintainArgs) Kind() string { return "maintain_history_v1" }

func (q *Queue) maintain(ctx context.Context, _ *river.Job[maintainArgs]) error {
	return q.ledger.Maintain(ctx, time.Now())
}

// periodicJobs run once in a cluster: River's leader inserts them.
func periodicJobs() []*river.PeriodicJob {
	return []*river.PeriodicJob{
		river.NewPeriodicJob(river.PeriodicInterval(time.Hour), func() (river.JobArgs, *river.InsertOpts) {
			return maintainArgs{}, &river.InsertOpts{
				UniqueOpts: river.UniqueOpts{ByState: []rivertype.JobState{
					rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable,
					rivertype.JobStateRunning, rivertype.JobStateScheduled,
				}},
			}
		}, nil),
	}
}
