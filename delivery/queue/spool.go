package queue

import (
	"context"
	"time"

	"github.com/pdaltagent/pdaltagent/mapping"
)

// spooling reports whether events wait in the spool: then every other goes
// behind them.
func (q *Queue) spooling() bool {
	if q.config.Spool == nil {
		return false
	}
	n, _ := q.config.Spool.Len()
	return n > 0
}

// committing reports whether the next batch is to be committed, and not put
// behind others that wait for the database.
func (q *Queue) committing(ctx context.Context) bool {
	if q.config.Spool == nil {
		return true
	}
	select {
	case <-q.tried:
	case <-ctx.Done():
	}
	return q.begun.Load() && !q.spooling()
}

// spill writes a batch to the spool; cause says why, where it is the first.
func (q *Queue) spill(batch []item, cause error) {
	events := make([]*mapping.Event, len(batch))
	for i, it := range batch {
		events[i] = it.event
	}
	err := q.config.Spool.Append(events)
	first := q.state.spill(err)
	switch {
	case err == nil && cause != nil:
		q.logger.Error("events cannot be committed and are spooled to disk, to be committed when the database is back: is it up?",
			"events", len(batch), "error", cause)
	case first:
		q.logger.Error("events can neither be committed nor spooled and are refused: make room under data_dir, and bring the database up",
			"error", err, "database", cause)
	}
	for _, it := range batch {
		q.finish(it, err)
	}
	select {
	case q.spooled <- struct{}{}:
	default:
	}
}

// replaying commits what is spooled, oldest first, until ctx ends.
func (q *Queue) replaying(ctx context.Context) {
	for ctx.Err() == nil {
		if q.spooling() {
			q.replay(ctx)
		}
		select {
		case <-ctx.Done():
		case <-q.spooled:
		}
	}
}

// replay commits what is spooled until nothing is left or ctx ends.
func (q *Queue) replay(ctx context.Context) {
	began, total, pause := time.Now(), 0, 100*time.Millisecond
	for ctx.Err() == nil {
		events, err := q.config.Spool.Next(commitRows, commitBytes)
		if err == nil && len(events) == 0 {
			break
		}
		if err == nil {
			err = q.replayed(ctx, events)
		}
		if err != nil {
			sleep(ctx, pause)
			pause = min(2*pause, time.Second)
			continue
		}
		total, pause = total+len(events), 100*time.Millisecond
	}
	if total > 0 && ctx.Err() == nil {
		q.logger.Info("spooled events are committed, in their order", "events", total, "took", time.Since(began).Round(time.Millisecond))
	}
}

// replayed commits events of the spool and takes them out of it. What is on
// record already is left out.
func (q *Queue) replayed(ctx context.Context, events []*mapping.Event) error {
	batch := make([]item, len(events))
	for i, e := range events {
		batch[i] = item{event: e}
	}
	if _, err := q.put(ctx, batch, true); err != nil {
		return err
	}
	if err := q.config.Spool.Remove(len(events)); err != nil {
		q.logger.Error("the spool forgets only until a restart what was committed of it; it is looked up then and not doubled", "error", err)
	}
	return nil
}
