package queue

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/pdaltagent/pdaltagent/delivery"
)

// deliverArgs are the arguments of a delivery's job: a file format. What is
// sent is read from the history, so that no job holds a secret or grows large.
type deliverArgs struct {
	DeliveryID uuid.UUID `json:"delivery_id"`
}

// Kind is versioned: other arguments need another kind.
func (deliverArgs) Kind() string { return "deliver_v1" }

// InsertOpts are what Jobs writes.
func (deliverArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{MaxAttempts: 10_000} // and the node's own queue
}

// Jobs is the statement by which the history gives deliveries their jobs (see
// history.Config), for River's tables in schema and the queue of node. It
// writes what River's own insertion writes, but in the round trip of the batch.
func Jobs(schema, node string) string {
	return `INSERT INTO ` + pgx.Identifier{schema, "river_job"}.Sanitize() + `
			(args, created_at, kind, max_attempts, metadata, priority, queue, scheduled_at, state, tags)
		SELECT jsonb_build_object('delivery_id', id), clock_timestamp(), 'deliver_v1', 10000, '{}', priority, '` + NameOf(node) + `',
			clock_timestamp(), 'available', '{}' FROM ready`
}

// End is the statement by which the history ends jobs (see history.Config).
// River ends them, too, but later, and what is killed in between would run
// them again.
func End(schema string) string {
	return `UPDATE ` + pgx.Identifier{schema, "river_job"}.Sanitize() + ` SET state = 'completed', finalized_at = now()
		WHERE id = ANY ($1::bigint[]) AND state = 'running'`
}

// Recall is the statement by which the history takes back jobs that wait to be
// tried again (see history.Config), from River's tables in schema.
func Recall(schema string) string {
	return `UPDATE ` + pgx.Identifier{schema, "river_job"}.Sanitize() + ` SET state = 'cancelled', finalized_at = now()
		WHERE id IN (SELECT job_id FROM pairs WHERE state = 'queued') AND state IN ('available', 'pending', 'retryable', 'scheduled') RETURNING id`
}

// Announce is the statement that wakes River's client on node (see
// history.Config).
func Announce(schema, node string) string {
	return `SELECT pg_notify('` + schema + `.river_insert', '{"queue": "` + NameOf(node) + `"}')`
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

// work makes one attempt at a delivery, if its route has room. It returns nil
// when this job has done its part: the delivery has come to its end, or waits
// for its route again; and a snooze when it is tried again: whatever happens to
// a delivery, its job is never given up by River. A job whose delivery is
// settled already (the node died in between) ends without a call.
func (q *Queue) work(ctx context.Context, job *river.Job[deliverArgs]) error {
	done := q.hands.hold(job.Args.DeliveryID, job.ID)
	if done == nil {
		return river.JobSnooze(time.Second)
	}
	defer done()
	d, err := q.find(ctx, job.Args.DeliveryID)
	if err != nil {
		return river.JobSnooze(time.Second)
	}
	if d == nil || d.State != delivery.Queued {
		return nil
	}
	a := &delivery.Attempt{Delivery: d, JobID: job.ID, Node: q.config.Node, Started: time.Now()}
	v := verdict{kind: postponed}
	if q.windows.enter(d) {
		if v, err = q.try(ctx, a); err != nil {
			return river.JobSnooze(0) // we end, the attempt did not: it is made again
		}
	} else {
		a.State = delivery.Held
	}
	if err := q.record(ctx, a, v); err != nil {
		return river.JobSnooze(time.Second)
	}
	if a.State == delivery.Queued {
		return river.JobSnooze(v.after)
	}
	return nil
}

// try makes an attempt. It returns an error only when ctx ended before an
// answer came.
func (q *Queue) try(ctx context.Context, a *delivery.Attempt) (verdict, error) {
	a.Number = a.Delivery.Attempts + 1
	answer, err := q.send(ctx, a.Delivery)
	if ctx.Err() != nil && err != nil {
		return verdict{}, err
	}
	a.Duration = time.Since(a.Started)
	v := q.judge(a, answer, err)
	q.metrics.attempted(a)
	return v, nil
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

// verdict is what an attempt says about its route.
type verdict struct {
	kind  verdictKind
	after time.Duration // failed: until it is tried again; busy: what the route asks for, 0: nothing
}

type verdictKind int

const (
	accepted  verdictKind = iota
	refused               // it will never be accepted
	busy                  // the route has enough: later
	failed                // it may be accepted when it is tried again
	untrusted             // the other side cannot show who it is: later, for all of the route
	postponed             // none was made: its route has no room
)

// judge fills in what an attempt came to.
func (q *Queue) judge(a *delivery.Attempt, answer delivery.Answer, err error) verdict {
	a.Status, a.Response, a.State = answer.Status, answer.Body, delivery.Delivered
	if err == nil {
		return verdict{kind: accepted}
	}
	a.Error = err.Error()
	var (
		isBusy      *delivery.Busy
		isRejected  *delivery.Rejected
		isFailed    *delivery.Failed
		isUnsent    *delivery.Unsent
		isUntrusted *delivery.Untrusted
	)
	v := verdict{kind: failed}
	switch {
	case errors.As(err, &isBusy):
		a.Status, a.Response, a.State = isBusy.Status, isBusy.Answer, delivery.Held
		if delivery.IsWebhook(a.Delivery.Route) && q.isOld(a.Delivery) {
			a.State = delivery.Dead
			q.giveUp(a)
		}
		return verdict{busy, isBusy.After}
	case errors.As(err, &isRejected):
		a.Status, a.Response, a.State = isRejected.Status, isRejected.Answer, delivery.Dead
		q.logger.Error("delivery is dead: it will not be taken as it is",
			"delivery_id", a.Delivery.ID, "route", a.Delivery.Route, "status", a.Status, "error", a.Error)
		return verdict{kind: refused}
	case errors.As(err, &isFailed):
		a.Status, a.Response = isFailed.Status, isFailed.Answer
		a.Unsure = a.Status == http.StatusBadGateway || a.Status == http.StatusGatewayTimeout
	case errors.As(err, &isUntrusted):
		v.kind = untrusted
	default:
		a.Unsure = !errors.As(err, &isUnsent)
	}
	if q.isOld(a.Delivery) {
		a.State = delivery.Dead
		q.giveUp(a)
		return v
	}
	if v.kind == untrusted {
		a.State = delivery.Held
		return v
	}
	a.State = delivery.Queued
	v.after = q.config.Backoff.after(a.Number)
	return v
}

// isOld reports whether a delivery that fails is given up. PagerDuty, busy as
// it may be, has enough one day; a webhook's receiver may say so for ever.
func (q *Queue) isOld(d *delivery.Delivery) bool {
	return q.config.GiveUpAfter > 0 && time.Since(d.ReceivedAt) > q.config.GiveUpAfter
}

func (q *Queue) giveUp(a *delivery.Attempt) {
	q.logger.Error("delivery is dead: given up after delivery.give_up_after",
		"delivery_id", a.Delivery.ID, "route", a.Delivery.Route, "attempts", a.Number, "error", a.Error)
}
