// Package selfwatch tells PagerDuty when the appliance itself is in trouble.
// What comes in, look by look, is what a node knows of itself and what the
// database says of all of them; what goes out are events of our own through the
// same queue as any other: one alert for each kind of trouble, and for each node
// where it is a node's. It promises that an alert opens once while its trouble
// lasts, resolves when that has been gone for a while, whoever opened it and
// whatever was restarted meanwhile, and that what becomes of its own events is
// no trouble to it.
//
// Every node looks at the database for itself: what one says that another has
// said already folds.
package selfwatch

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/mapping"
)

const (
	// quietLooks is for how many looks a trouble must be gone for its alert
	// to be resolved.
	quietLooks = 20

	// refresh is how often a trouble that lasts is told again, which folds,
	// and silence when an alert resolves by itself of which nothing was told:
	// that of a node that never came back.
	refresh = 15 * time.Minute
	silence = time.Hour

	// within bounds what the database may take to answer, and the queue to
	// take an event.
	within = 5 * time.Second

	// Recent is how long a dead letter counts.
	Recent = 10 * time.Minute
)

// Node is what a node knows of itself. Counts are those since its start.
type Node struct {
	Spooled, SpoolBytes, SpoolMax int64 // events on disk, and what there is room for
	Damaged                       int   // stretches of the spool that were set aside
	Lost                          int   // messages that neither Postgres nor the spool took
	Drops                         map[string]int
	RuleErrors                    map[string]int
	StaleRules                    string // why the rules in use are not those on disk; empty: they are
}

// Record is what the database knows, without what selfwatch itself has sent.
type Record struct {
	Oldest map[string]time.Time   // receipt of the oldest delivery that waits for its route, or for its next attempt
	Dead   []delivery.DeadLetters // of the last Recent
	Open   []delivery.OpenAlert   // those of keys
}

// Sources are what Watch asks at each look.
type Sources struct {
	Node   func() Node
	Record func(ctx context.Context, keys []string) (Record, error)
}

// Watch looks after the appliance.
type Watch struct {
	config  Config
	node    string
	sources Sources
	queue   mapping.Enqueuer
	logger  *slog.Logger

	before Node // as it was at the last look
	kinds  []*kind
}

// New returns a watch of node, which tells queue what it sees.
func New(config Config, node string, sources Sources, queue mapping.Enqueuer, logger *slog.Logger) *Watch {
	w := &Watch{config: config, node: node, sources: sources, queue: queue, logger: logger}
	w.kinds = kindsOf(node)
	return w
}

// Run looks until ctx ends; without a route it does nothing.
func (w *Watch) Run(ctx context.Context) error {
	if w.config.Route == "" {
		return nil
	}
	tick := time.NewTicker(w.config.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			w.look(ctx, now)
		}
	}
}

// look compares what is with what should be. What the database does not say is
// neither trouble nor its absence.
func (w *Watch) look(ctx context.Context, now time.Time) {
	s := sight{config: w.config, name: w.node, before: w.before, node: w.sources.Node(), now: now}
	w.before = s.node
	var err error
	if s.record, err = w.record(ctx); err != nil {
		w.logger.Debug("the database does not say how the deliveries are", "error", err)
	}
	for _, k := range w.kinds {
		if err != nil && k.shared {
			continue
		}
		if k.learn(&s); k.untold(now) {
			w.trigger(ctx, k, now)
		}
	}
	if err == nil && s.node.Spooled == 0 { // else what was told may not be on record yet
		w.resolve(ctx, s.record.Open, now)
	}
}

func (w *Watch) record(ctx context.Context) (Record, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	keys := make([]string, len(w.kinds))
	for i, k := range w.kinds {
		keys[i] = k.key
	}
	return w.sources.Record(ctx, keys)
}

// trigger tells that a trouble is there.
func (w *Watch) trigger(ctx context.Context, k *kind, now time.Time) {
	if k.toldAt.IsZero() {
		w.logger.Warn(k.trouble.Summary, "alert", k.key)
	}
	k.told, k.toldAt = k.trouble, now
	w.enqueue(ctx, k.trouble.Event(mapping.Trigger, w.config.Route, w.node, now, silence), &k.refused)
}

// resolve ends the alerts whose trouble is gone, on the route that they were
// opened on.
func (w *Watch) resolve(ctx context.Context, open []delivery.OpenAlert, now time.Time) {
	for _, a := range open {
		for _, k := range w.kinds {
			if k.key != a.DedupKey || !k.over() || now.Sub(k.resolved) < refresh {
				continue
			}
			t := delivery.Trouble{Key: k.key, Severity: a.Severity, Summary: w.node + ": it is over: " + k.key}
			k.resolved = now
			w.logger.Info("a trouble of the appliance's is over", "alert", k.key)
			w.enqueue(ctx, t.Event(mapping.Resolve, a.Route, w.node, now, 0), &k.refused)
		}
	}
}

func (w *Watch) enqueue(ctx context.Context, e mapping.Event, refused *atomic.Bool) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	w.queue.Enqueue(ctx, []mapping.Event{e}, func(err error) {
		if err != nil {
			refused.Store(true) // it is told again at the next look
		}
	})
}
