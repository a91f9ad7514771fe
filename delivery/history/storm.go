package history

import (
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/mapping"
)

// ownShare is the part of the alerts that a source may open in a window which a
// node counts by itself. Only a source that opens more has a row in storms, in
// which all nodes count: most never do, and cost no row.
const ownShare = 10

// maxCalm bounds the sources that are counted without a row.
const maxCalm = 20_000

// calm is what this node has counted by itself.
type calm struct {
	mu      sync.Mutex
	sources map[string]counted
}

// counted is what one source has opened since its window began.
type counted struct {
	delivery.Storm
	until    time.Time // the end of the window
	recorded bool      // its row has it
}

// of returns what was counted of a source in the window that e falls into, and
// whether the source may be counted without a row.
func (c *calm) of(e *mapping.Event) (n counted, may bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, known := c.sources[e.Host]
	if known && !e.ReceivedAt.Before(n.until) {
		n = counted{}
	}
	n.Source, n.Kinds = e.Host, maps.Clone(n.Kinds)
	return n, (known || len(c.sources) < maxCalm) && !n.recorded
}

// learn takes over what a batch that is committed has counted.
func (c *calm) learn(storms map[string]*storm) {
	if len(storms) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sources == nil {
		c.sources = map[string]counted{}
	}
	for source, s := range storms {
		if !s.changed {
			continue
		}
		until := s.Since.Add(s.within)
		if s.watched {
			c.sources[source] = counted{until: until, recorded: true}
		} else {
			c.sources[source] = counted{Storm: s.Storm, until: until}
		}
	}
	if len(c.sources) >= maxCalm {
		now := time.Now()
		maps.DeleteFunc(c.sources, func(_ string, n counted) bool { return now.After(n.until) })
	}
}

// storm is what a source has opened while a batch is decided. A watched one is
// a row of storms, which is locked by the source's alert of storms: every batch
// that watches the source meets it.
type storm struct {
	delivery.Storm
	within  time.Duration
	watched bool
	fresh   bool   // a watched one has no row yet
	alert   *alert // of a watched one: folds what is too much
	changed bool
	may     int // how many it will have opened at most
}

// watch has e's source counted, in its row where e may be one of more than the
// node's own share.
func (b *batch) watch(e *entry) {
	s := b.storms[e.Host]
	if s == nil {
		n, may := b.calm.of(e.Event)
		s = &storm{Storm: n.Storm, watched: !may, fresh: true, may: n.Alerts}
		b.storms[e.Host] = s
	}
	s.may++
	s.within = max(s.within, e.Gates.Storm.Within)
	s.watched = s.watched || s.may > e.Gates.Storm.Alerts/ownShare
	if s.watched && s.alert == nil {
		s.alert = b.meet(alertKey{b.standard, delivery.StormKey(e.Host)})
	}
}

func (s *storm) permits(e *mapping.Event) bool {
	s.changed = true
	return s.Permits(e)
}

// add takes over the row of a source, of which the node has counted some
// alerts by itself.
func (s *storm) add(row delivery.Storm) {
	s.fresh = false
	switch {
	case s.Kinds == nil || row.Since.Sub(s.Since) >= s.within:
		s.Storm = row
	case s.Since.Sub(row.Since) < s.within: // one window
		row.Alerts += s.Alerts
		for rule, n := range s.Kinds {
			row.Kinds[rule] += n
		}
		s.Storm = row
	}
}

// swallow folds e, which would open one alert too many, into its source's alert
// of storms, which an event of our own tells of where it must.
func (b *batch) swallow(e *entry, s *storm) {
	a := s.alert
	if s.Tells(&a.Alert, e.Event, b.parentOpen) {
		b.brew(e, s)
	} else {
		a.Fold(e.Event)
	}
	a.touched = true
	e.alert, e.route, e.decision = a, a.Route, mapping.Folded
}

func (b *batch) brew(e *entry, s *storm) {
	en := &entry{Event: s.Event(e.Event), route: s.alert.Route, decision: mapping.Queued, alert: s.alert}
	b.entries = append(b.entries, en)
	b.add(en)
}

func (b *batch) askStorms(q *pgx.Batch) {
	var sources []string
	for source, s := range b.storms {
		if s.watched {
			sources = append(sources, source)
		}
	}
	if len(sources) == 0 {
		return
	}
	slices.Sort(sources)
	q.Queue(`SELECT source, since, alerts, kinds FROM storms WHERE source = ANY ($1::text[]) ORDER BY source FOR UPDATE`, sources).
		Query(func(rows pgx.Rows) error {
			defer rows.Close()
			for rows.Next() {
				var s delivery.Storm
				if err := rows.Scan(&s.Source, &s.Since, &s.Alerts, &s.Kinds); err != nil {
					return err
				}
				b.storms[s.Source].add(s)
			}
			return rows.Err()
		})
}

// queueStorms writes the rows of storms. As with alerts, where another node has
// made one of them meanwhile the batch fails with a unique violation: what that
// node counted would be written over.
func (b *batch) queueStorms(q *pgx.Batch) {
	const rows = `unnest($1::text[], $2::timestamptz[], $3::int[], $4::jsonb[]) AS s (source, since, alerts, kinds)`
	if fresh := b.stormRows(true); fresh != nil {
		q.Queue(`INSERT INTO storms (source, since, alerts, kinds) SELECT * FROM `+rows+` ORDER BY source`, fresh...)
	}
	if known := b.stormRows(false); known != nil {
		q.Queue(`UPDATE storms SET since = s.since, alerts = s.alerts, kinds = s.kinds FROM `+rows+` WHERE storms.source = s.source`, known...)
	}
}

// stormRows returns the columns of the rows to write, nil if there are none.
func (b *batch) stormRows(fresh bool) []any {
	var (
		sources, kinds []string
		since          []time.Time
		alerts         []int32
	)
	for _, s := range b.storms {
		if !s.changed || !s.watched || s.fresh != fresh {
			continue
		}
		text, err := json.Marshal(s.Kinds)
		if err != nil {
			continue // cannot be
		}
		sources, kinds = append(sources, s.Source), append(kinds, string(text))
		since, alerts = append(since, s.Since), append(alerts, int32(s.Alerts)) //nolint:gosec // far below
	}
	if len(sources) == 0 {
		return nil
	}
	return []any{sources, since, alerts, kinds}
}
