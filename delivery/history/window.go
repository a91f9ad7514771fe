package history

import (
	"path"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pdaltagent/pdaltagent/mapping"
)

// window is a row of maintenance_windows: what people opened while pdagentd
// runs. Its patterns are path.Match's, with * and ?; an empty one matches all.
type window struct {
	name, source, rule, route string
	from, until               time.Time
}

// covers reports whether the window holds what e triggers.
func (w *window) covers(e *entry) bool {
	return !e.ReceivedAt.Before(w.from) && e.ReceivedAt.Before(w.until) &&
		fits(w.source, e.Host) && fits(w.rule, e.Rule) && fits(w.route, e.route)
}

func fits(pattern, s string) bool {
	if pattern == "" {
		return true
	}
	ok, err := path.Match(pattern, s)
	return ok && err == nil
}

// askWindows reads the windows that were open at some time of the batch.
func (b *batch) askWindows(q *pgx.Batch) {
	first := time.Time{}
	for _, e := range b.entries {
		if first.IsZero() || e.ReceivedAt.Before(first) {
			first = e.ReceivedAt
		}
	}
	q.Queue(`SELECT name, coalesce(source, ''), coalesce(rule, ''), coalesce(route, ''), from_at, until_at
		FROM maintenance_windows WHERE until_at > $1`, first).
		Query(func(rows pgx.Rows) error {
			var w window
			_, err := pgx.ForEachRow(rows, []any{&w.name, &w.source, &w.rule, &w.route, &w.from, &w.until}, func() error {
				b.windows = append(b.windows, w)
				return nil
			})
			return err
		})
}

// maintain adds the longest window that covers e to its gates.
func (b *batch) maintain(e *entry) {
	if e.Action != mapping.Trigger {
		return
	}
	for i := range b.windows {
		w := &b.windows[i]
		if !w.covers(e) {
			continue
		}
		gates := mapping.Gates{}
		if e.Gates != nil {
			gates = *e.Gates
		}
		if gates.Maintenance != nil && !gates.Maintenance.Until.Before(w.until) {
			continue
		}
		gates.Maintenance = &mapping.Window{Name: w.name, Until: w.until}
		event := *e.Event
		event.Gates = &gates
		e.Event = &event
	}
}
