// Package fetch runs commands whose output is events or messages. What comes
// in is the standard output of a command: JSON, or lines of text. What goes
// out are ingest.Messages of protocol fetch: a Request with the path
// /fetch/NAME for each JSON value, a Line with the app name NAME for each line
// of text.
//
// It promises that a run has ended, with every process that it started in its
// group, soon after its time-out; that the memory for its output is bounded;
// that Run returns nil only after all that the command printed is durable or
// counted with the reason why it is not; and that the daemon's own environment
// stays with the daemon.
package fetch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/pdaltagent/pdaltagent/ingest"
)

const (
	batchSize    = 500              // messages that are handed on at once
	commitWithin = 30 * time.Second // how long a batch may take to become durable
)

// Fetcher runs the commands of ingest.fetch, each when it is told to.
type Fetcher struct {
	entries []Entry
	handler ingest.Handler
	tally   *ingest.Tally
	log     *slog.Logger
}

// Entry is a command and when to run it.
type Entry struct {
	Name     string
	Schedule Schedule
	Timeout  time.Duration // of the command; Run may take a minute more, to make what it printed durable

	command command
}

// New returns a Fetcher of configs, or their faults.
func New(configs Configs, handler ingest.Handler, tally *ingest.Tally, log *slog.Logger) (*Fetcher, error) {
	if err := configs.Validate(); err != nil {
		return nil, err
	}
	f := &Fetcher{handler: handler, tally: tally, log: log}
	for _, c := range configs {
		schedule, err := c.schedule()
		if err != nil {
			return nil, err
		}
		f.entries = append(f.entries, Entry{Name: c.Name, Schedule: schedule, Timeout: c.timeout(), command: newCommand(c)})
	}
	return f, nil
}

// Entries returns the commands in the order of the configuration file.
func (f *Fetcher) Entries() []Entry { return slices.Clone(f.entries) }

// Uncommitted is the error of a Run whose messages could not be made durable.
// It is worth running again at once; after any other error, when it is due.
type Uncommitted struct {
	Messages int // of the batch that failed, and of those that follow it
	Err      error
}

// Error says how many messages, and why.
func (e *Uncommitted) Error() string {
	return fmt.Sprintf("%d messages were not committed: %v", e.Messages, e.Err)
}

// Unwrap returns the reason.
func (e *Uncommitted) Unwrap() error { return e.Err }

// Run runs the command of that name once and hands on what it prints, also
// where the command fails: then the error names it and the last line of its
// standard error. Two Runs of one name are not kept apart.
func (f *Fetcher) Run(ctx context.Context, name string) error {
	i := slices.IndexFunc(f.entries, func(e Entry) bool { return e.Name == name })
	if i < 0 {
		return fmt.Errorf("fetch %s: ingest.fetch has no entry of that name", name)
	}
	log := f.log.With("fetch", name)
	printed, failure := f.entries[i].command.run(ctx, f.entries[i].Timeout, log)
	if ctx.Err() != nil {
		return fmt.Errorf("fetch %s: %w", name, context.Cause(ctx))
	}
	out := parse(name, printed, time.Now())
	if errors.Is(failure, errTooLong) {
		out.counts[ingest.Oversize]++
	}
	f.report(out, log)
	if err := errors.Join(failure, f.handOn(ctx, out.messages)); err != nil {
		return fmt.Errorf("fetch %s: %w", name, err)
	}
	return nil
}

// report counts and logs what of an output is no message.
func (f *Fetcher) report(out *output, log *slog.Logger) {
	for outcome, n := range out.counts {
		f.tally.Add(ingest.Fetch, outcome, n)
	}
	if len(out.faults) > 0 {
		log.Warn("a part of the output was not taken", "faults", out.faults, "faults_unlogged", out.unlogged)
	}
}

// handOn hands messages on, in order, and waits until they are durable.
func (f *Fetcher) handOn(ctx context.Context, ms []ingest.Message) error {
	for len(ms) > 0 {
		n := min(len(ms), batchSize)
		if err := f.handOnBatch(ctx, ms[:n]); err != nil {
			return &Uncommitted{Messages: len(ms), Err: err}
		}
		ms = ms[n:]
	}
	return nil
}

func (f *Fetcher) handOnBatch(ctx context.Context, ms []ingest.Message) error {
	ctx, cancel := context.WithTimeout(ctx, commitWithin)
	defer cancel()
	done := make(chan ingest.Receipt, 1)
	f.handler.Handle(ctx, ms, func(got ingest.Receipt) { done <- got })
	select {
	case got := <-done:
		return retryable(got.Err)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// retryable returns err, but nil where it says that an event of the batch can
// never be stored: that is logged, the others are durable, and another run
// would change nothing.
func retryable(err error) error {
	type invalidEvent interface {
		error
		InvalidEvent() []string
	}
	if _, ok := errors.AsType[invalidEvent](err); ok {
		return nil
	}
	return err
}
