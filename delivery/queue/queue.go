// Package queue is the order of things: it commits events in batches, hands
// deliveries whose turn has come to River, works River's jobs, and settles what
// came of them. It is the only importer of River.
//
// What comes in are mapping.Events; what goes out are calls of a
// delivery.Sender. It promises that an event whose done was called with nil is
// on disk, that it will be sent or dead-lettered whatever crashes, and that the
// deliveries of one alert are sent one after the other, in the order of
// receipt. A batch goes as soon as the last one has committed, so that an idle
// system commits at once and a busy one in hundreds.
package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"golang.org/x/sync/semaphore"

	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/mapping"
)

// Ledger writes and reads the delivery history. delivery/history has the
// contract of each method.
type Ledger interface {
	Prepare(ctx context.Context, events []*mapping.Event) error
	Commit(ctx context.Context, conn *pgx.Conn, events []*mapping.Event, again bool, admit func(route string, id uuid.UUID) bool) (delivery.Committed, error)
	Committed(c delivery.Committed)
	Load(ctx context.Context, ids []uuid.UUID) ([]*delivery.Delivery, error)
	PrepareAttempts(ctx context.Context, attempts []*delivery.Attempt) error
	Settle(ctx context.Context, conn *pgx.Conn, attempts []*delivery.Attempt) (freed []string, err error)
	Admit(ctx context.Context, conn *pgx.Conn, room map[string]int) ([]delivery.Admitted, error)
	Crowded(ctx context.Context) ([]string, error)
	Release(ctx context.Context, conn *pgx.Conn, now time.Time) (freed []string, more bool, err error)
	Expire(ctx context.Context, conn *pgx.Conn, now time.Time, admit func(route string, id uuid.UUID) bool) (c delivery.Committed, more bool, err error)
	Record(ctx context.Context, conn *pgx.Conn, p delivery.Poll) (freed []string, err error)
	Over(ctx context.Context, ids []uuid.UUID) ([]uuid.UUID, error)
	Waiting(ctx context.Context) (delivery.Waiting, error)
	Maintain(ctx context.Context, now time.Time) error
}

// Spool holds events on disk while they cannot be committed. delivery/spool has
// the contract of each method.
type Spool interface {
	Append(events []*mapping.Event) error
	Next(maxEvents int, maxBytes int64) ([]*mapping.Event, error)
	Remove(n int) error
	Len() (events int, bytes int64)
	Damaged() int
}

// Config is the part of the configuration that is about the queue.
type Config struct {
	Node        string        // this node's name; unique in a cluster, the same after a restart
	Schema      string        // that River's tables live in
	Workers     int           // how many deliveries of a route are sent at once
	GiveUpAfter time.Duration // how long a delivery that fails is tried
	Backoff     Backoff
	Drain       time.Duration               // how long requests in flight may take when it stops
	Version     string                      // the program's, for the table of nodes
	Spool       Spool                       // nil: while Postgres is away events wait in memory
	Prepare     func(context.Context) error // makes the database ready, before anything is committed; nil: it is
	Periodic    []Periodic
}

// Queue commits, sends and settles.
type Queue struct {
	config  Config
	strict  *pgxpool.Pool // commits what senders are told is safe, and what PagerDuty has answered
	relaxed *pgxpool.Pool // for what may be done twice
	ledger  Ledger
	sender  delivery.Sender
	logger  *slog.Logger
	metrics *metrics
	client  *river.Client[pgx.Tx]

	room                *semaphore.Weighted // bytes of events that wait
	commits             *batcher[item]
	loads               *batcher[load]
	settles             *batcher[settlement]
	windows             *windows
	freed               chan struct{} // see free
	spooled             chan struct{} // events were spooled
	periodic            map[string]Periodic
	begun               atomic.Bool   // the database was made ready
	tried               chan struct{} // closed when that was tried for the first time
	beat, stale, adrift time.Duration
	hands               hands
	over                []uuid.UUID  // what the last sweep found to hold a place without being under way
	committed           atomic.Int64 // events
	state               health
}

// New returns a queue on the database of pool, which must have been migrated.
// It opens connections of its own to the same database. Those for River and
// for admission do not wait for the disk: what the last moment before a power
// failure loses of them is done again, which sends nothing twice. Close closes
// them. Events are counted in events (see mapping.NewEventCounter), everything
// else in r.
func New(ctx context.Context, config Config, pool *pgxpool.Pool, ledger Ledger, sender delivery.Sender, events *prometheus.CounterVec, r prometheus.Registerer, logger *slog.Logger) (*Queue, error) {
	strict, err := open(ctx, pool, true, 4)
	if err != nil {
		return nil, err
	}
	relaxed, err := open(ctx, pool, false, 10)
	if err != nil {
		return nil, err
	}
	q := &Queue{
		config: config, strict: strict, relaxed: relaxed, ledger: ledger, sender: sender, logger: logger,
		room:    semaphore.NewWeighted(queueBytes),
		windows: newWindows(config.Workers, Places(config.Workers), config.Backoff),
		freed:   make(chan struct{}, 1), spooled: make(chan struct{}, 1), tried: make(chan struct{}), periodic: map[string]Periodic{},
		beat: beat, stale: staleAfter, adrift: adriftAfter,
	}
	q.metrics = newMetrics(events, r, ledger, q.windows, config.Spool)
	for _, p := range append(config.Periodic, q.maintenance()) {
		q.periodic[p.Name] = p
	}
	q.commits = newBatcher(q.store, commitRows)
	q.commits.weigh, q.commits.weight = item.weight, commitBytes
	q.loads = newBatcher(q.load, settleRows)
	q.settles = newBatcher(q.settle, settleRows)
	q.settles.linger = 4 * pace
	q.client, err = q.newClient()
	return q, err
}

// sharedBy is how many routes may have as many requests under way as a route
// may have at most: more than one, so that one that hangs delays no other.
const sharedBy = 4

// Places is how many deliveries of all routes are under way at most, where as
// many as workers may be of one.
func Places(workers int) int { return sharedBy * workers }

func (q *Queue) newClient() (*river.Client[pgx.Tx], error) {
	workers := river.NewWorkers()
	if err := river.AddWorkerSafely(workers, river.WorkFunc(q.work)); err != nil {
		return nil, err
	}
	if err := river.AddWorkerSafely(workers, &periodicWorker{q: q}); err != nil {
		return nil, err
	}
	client, err := river.NewClient(riverpgxv5.New(q.relaxed), &river.Config{
		ID:     q.config.Node,
		Schema: q.config.Schema,
		Logger: slog.New(quiet{q.logger.Handler()}),
		Queues: map[string]river.QueueConfig{
			NameOf(q.config.Node): {MaxWorkers: Places(q.config.Workers)},
			river.QueueDefault:    {MaxWorkers: 4 + len(q.config.Periodic)},
		},
		Workers:                     workers,
		PeriodicJobs:                q.periodicJobs(),
		FetchCooldown:               pace,
		FetchPollInterval:           100 * time.Millisecond,
		JobTimeout:                  -1, // attempts have their own; settling waits for Postgres
		RescueStuckJobsAfter:        rescueAfter,
		CompletedJobRetentionPeriod: 5 * time.Minute, // the history is ours
		ReindexerIndexNames:         slices.DeleteFunc(river.ReindexerIndexNamesDefault(), dropped),
		SoftStopTimeout:             q.config.Drain,
	})
	if err != nil {
		return nil, fmt.Errorf("river: %w", err)
	}
	return client, nil
}

// pace is how long jobs to fetch wait for others, and four times as long
// attempts to settle: a statement costs Postgres as much for one row as for
// twenty. Commits do not wait, since senders wait for them.
const pace = 5 * time.Millisecond

// dropped tells whether package migrations drops an index of River's.
func dropped(index string) bool {
	return index == "river_job_args_index" || index == "river_job_metadata_index"
}

// open returns connections to the database of pool that plan for tables which
// grow: every statement of ours finds its rows by an index, but Postgres, whose
// figures are from when a table was small, would read the whole of it.
func open(ctx context.Context, pool *pgxpool.Pool, wait bool, most int32) (*pgxpool.Pool, error) {
	conf := pool.Config().Copy()
	conf.ConnConfig.RuntimeParams["enable_seqscan"] = "off"
	if !wait {
		conf.ConnConfig.RuntimeParams["synchronous_commit"] = "off"
	}
	conf.MaxConns = most
	conf.ConnConfig.ConnectTimeout = deadAfter
	conf.ConnConfig.DialFunc = (&net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: deadAfter / 4, Interval: deadAfter / 4, Count: 3}, Control: bounded,
	}).DialContext
	return pgxpool.NewWithConfig(ctx, conf)
}

// deadAfter is how long the database's machine may be silent before a
// connection to it is given up. Those who wait for an answer to come (River's
// fetch, for one) have no time-out of their own.
const deadAfter = 20 * time.Second

// Close closes the queue's own connections. Run must have returned.
func (q *Queue) Close() {
	q.strict.Close()
	q.relaxed.Close()
}

// rescueAfter is when River itself takes a running job from a node that does
// not answer for it any more; see takeOver for what comes first.
const rescueAfter = 2 * time.Minute

// Run commits, sends and settles until ctx ends; then it commits what it has,
// lets the requests in flight finish for Config.Drain, and returns nil. End
// ctx when no receiver calls Enqueue any more.
func (q *Queue) Run(ctx context.Context) error {
	var committing sync.WaitGroup
	committing.Go(func() { q.commits.run(ctx, q.grace(ctx)) })
	defer committing.Wait()
	err := q.deliver(ctx, committing.Wait)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil // it was stopped while it started
	}
	return err
}

// deliver sends and settles until ctx ends and committed has returned.
func (q *Queue) deliver(ctx context.Context, committed func()) error {
	if !q.begin(ctx) {
		committed()
		return nil
	}
	var working sync.WaitGroup
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer working.Wait()
	defer stop()
	working.Go(func() { q.loads.run(work, work) })
	working.Go(func() { q.settles.run(work, q.grace(work)) })
	working.Go(func() { q.replaying(ctx) })
	working.Go(func() { q.admitting(ctx) })
	working.Go(func() { q.timing(ctx) })
	working.Go(func() { q.beating(ctx) })
	fetching := q.fetch(ctx)
	<-ctx.Done()
	committed()
	defer q.leave(work)
	if !fetching {
		return nil
	}
	return q.stop(context.WithoutCancel(ctx))
}

// fetch starts River's client, as soon as the database lets it. It returns
// false when ctx has ended before.
func (q *Queue) fetch(ctx context.Context) bool {
	for pause := 100 * time.Millisecond; ctx.Err() == nil; pause = min(2*pause, 2*time.Second) {
		err := q.client.Start(context.WithoutCancel(ctx))
		if err == nil {
			return true
		}
		q.logger.Error("nothing is delivered yet, since River cannot begin; it is tried again: is the database up?", "error", err, "again_in", pause)
		sleep(ctx, pause)
	}
	return false
}

// beginWithin is how long events wait for the database to be made ready when a
// node starts, before they are spooled: what other nodes commit meanwhile about
// their alerts would come before them.
const beginWithin = 5 * time.Second

// begin makes the history ready, as soon as the database can be reached. It
// returns false when ctx has ended before.
func (q *Queue) begin(ctx context.Context) bool {
	tried := sync.OnceFunc(func() { close(q.tried) })
	defer tried()
	impatient := time.AfterFunc(beginWithin, tried)
	defer impatient.Stop()
	for pause := 100 * time.Millisecond; ctx.Err() == nil; pause = min(2*pause, 2*time.Second) {
		err := q.prepare(ctx)
		if err == nil {
			q.begun.Store(true)
			return true
		}
		tried()
		if ctx.Err() == nil {
			q.logger.Error("nothing is committed or delivered yet, since the database is not ready; it is tried again", "error", err, "again_in", pause)
		}
		sleep(ctx, pause)
	}
	return false
}

func (q *Queue) prepare(ctx context.Context) error {
	if q.config.Prepare != nil {
		if err := q.config.Prepare(ctx); err != nil {
			return err
		}
	}
	if err := q.ledger.Maintain(ctx, time.Now()); err != nil {
		return fmt.Errorf("history: %w", err)
	}
	if err := q.takeBack(ctx); err != nil {
		return fmt.Errorf("take back interrupted jobs: %w", err)
	}
	return nil
}

// grace returns a context that ends Config.Drain after ctx.
func (q *Queue) grace(ctx context.Context) context.Context {
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() { time.AfterFunc(q.config.Drain, cancel) })
	return late
}

// stop lets the jobs that run finish. River cancels what is left after
// SoftStopTimeout; those are sent again by whoever takes them back.
func (q *Queue) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, q.config.Drain+5*time.Second)
	defer cancel()
	if err := q.client.Stop(ctx); err != nil {
		return fmt.Errorf("river: deliveries in flight did not end in time; they are sent again at the next start: %w", err)
	}
	return nil
}
