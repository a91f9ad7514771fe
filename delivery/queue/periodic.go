package queue

import (
	"context"
	"fmt"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// Periodic is something that is done now and then, by one node of a cluster at
// a time, and never while it is still being done.
type Periodic struct {
	Name     string // the same on every node; part of a job's arguments
	Schedule river.PeriodicSchedule
	Timeout  time.Duration
	AtStart  bool // also when a node begins to lead the cluster
	Run      func(context.Context) error
}

// periodicArgs are the arguments of a Periodic's job: a file format.
type periodicArgs struct {
	Name string `json:"name"`
}

// Kind is versioned: other arguments need another kind.
func (periodicArgs) Kind() string { return "periodic_v1" }

// InsertOpts keep a job from being made while another of its name is not done.
func (periodicArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{MaxAttempts: 1, UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: []rivertype.JobState{
		rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable,
		rivertype.JobStateRunning, rivertype.JobStateScheduled,
	}}}
}

// periodicWorker runs what is configured under a job's name.
type periodicWorker struct {
	river.WorkerDefaults[periodicArgs]
	q *Queue
}

// Work runs a Periodic. One that fails is logged and done again when its
// time comes again.
func (w *periodicWorker) Work(ctx context.Context, job *river.Job[periodicArgs]) error {
	p, ok := w.q.periodic[job.Args.Name]
	if !ok {
		return river.JobCancel(fmt.Errorf("%s is not configured on this node", job.Args.Name))
	}
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	if err := p.Run(ctx); err != nil && ctx.Err() == nil {
		w.q.logger.Error("a periodic job failed and is run again at its next time", "job", p.Name, "error", err)
		return river.JobCancel(err)
	}
	return nil
}

// maintenance is the history's housekeeping.
func (q *Queue) maintenance() Periodic {
	return Periodic{
		Name: "maintain-history", Schedule: river.PeriodicInterval(time.Hour), Timeout: time.Hour,
		Run: func(ctx context.Context) error { return q.ledger.Maintain(ctx, time.Now()) },
	}
}

// periodicJobs are inserted by River's leader.
func (q *Queue) periodicJobs() []*river.PeriodicJob {
	jobs := make([]*river.PeriodicJob, 0, len(q.periodic))
	for _, p := range q.periodic {
		jobs = append(jobs, river.NewPeriodicJob(p.Schedule, func() (river.JobArgs, *river.InsertOpts) {
			return periodicArgs{p.Name}, nil
		}, &river.PeriodicJobOpts{ID: p.Name, RunOnStart: p.AtStart}))
	}
	return jobs
}
