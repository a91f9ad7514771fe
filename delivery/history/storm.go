package history

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/mapping"
)

// storm is a row of storms while a batch is decided. It is locked by the
// source's alert of storms, which every batch with the source meets.
type storm struct {
	delivery.Storm
	alert   *alert // that folds what is too much
	changed bool
}

func (s *storm) permits(e *mapping.Event) bool {
	s.changed = true
	return s.Permits(e)
}

// swallow folds e, which would open one alert too many, into its source's alert
// of storms, and opens that where it is not open.
func (b *batch) swallow(e *entry, s *storm) {
	a := s.alert
	if a.Status != delivery.Open && a.Status != delivery.Acknowledged {
		b.brew(e, s)
	} else {
		a.Occurrences++
		a.LastAt = later(a.LastAt, e.ReceivedAt)
		a.ResolveAt = a.LastAt.Add(delivery.StormQuiet)
	}
	a.touched = true
	e.alert, e.route, e.decision = a, a.Route, mapping.Folded
}

// brew opens a source's alert of storms by an event of our own.
func (b *batch) brew(e *entry, s *storm) {
	en := &entry{Event: s.Event(e.Event), route: s.alert.Route, decision: mapping.Queued, alert: s.alert}
	b.entries = append(b.entries, en)
	b.add(en)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (b *batch) askStorms(q *pgx.Batch) {
	if len(b.storms) == 0 {
		return
	}
	sources := make([]string, 0, len(b.storms))
	for source := range b.storms {
		sources = append(sources, source)
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
				b.storms[s.Source].Storm = s
			}
			return rows.Err()
		})
}

func (b *batch) queueStorms(q *pgx.Batch) {
	var (
		sources, kinds []string
		since          []time.Time
		alerts         []int32
	)
	for _, s := range b.storms {
		if !s.changed {
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
		return
	}
	q.Queue(`INSERT INTO storms (source, since, alerts, kinds)
		SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::int[], $4::jsonb[]) AS s (source, since, alerts, kinds) ORDER BY source
		ON CONFLICT (source) DO UPDATE SET since = excluded.since, alerts = excluded.alerts, kinds = excluded.kinds`,
		sources, since, alerts, kinds)
}
