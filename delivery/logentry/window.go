package logentry

import "time"

// ahead is how far past PagerDuty's time the newest window ends. Date headers
// are cut to whole seconds, as the ends of windows are, so that what was created
// in the second of the poll would wait for the next one.
const ahead = 2 * time.Second

// Window is a span of time that PagerDuty is asked about. Its ends are whole
// seconds, as PagerDuty's times are.
type Window struct {
	Since, Until time.Time
}

// Empty reports whether there is nothing to ask.
func (w Window) Empty() bool { return !w.Since.Before(w.Until) }

// split returns the halves of w, which meet at a whole second; ok is false
// for a window that is too short.
func (w Window) split() (older, newer Window, ok bool) {
	middle := w.Since.Add(w.Until.Sub(w.Since) / 2).Truncate(time.Second)
	if !middle.After(w.Since) {
		return w, w, false
	}
	return Window{w.Since, middle}, Window{middle, w.Until}, true
}

// Plan says which windows to ask for.
type Plan struct {
	// Since is where to begin when nothing was ever asked; zero: now.
	Since time.Time

	// Overlap is how far behind the cursor each window begins, since entries
	// may appear late. Those that were seen come again, and are known by id.
	Overlap time.Duration

	// Largest is how much of the time after the cursor a window covers at
	// most, so that after an absence the past comes in pieces.
	Largest time.Duration
}

// Default returns the plan that fits PagerDuty: entries appear within minutes,
// and an hour of them is a few pages.
func Default(since time.Time) Plan {
	return Plan{Since: since, Overlap: 5 * time.Minute, Largest: time.Hour}
}

// Next returns the window to ask for next. cursor is up to when everything
// was asked for (zero: never), now is PagerDuty's. behind reports that another
// window follows at once. The windows come oldest first and leave no gaps; one
// that is Empty needs no request, and its Until is where the cursor begins.
//
// The newest window ends a little after now, so that it holds what was created
// just before it was asked for; the cursor stays at now, as Fetch returns it. A
// cursor after now, which a clock that was put right leaves behind, is taken for
// now.
func (p Plan) Next(cursor, now time.Time) (w Window, behind bool) {
	now = now.UTC().Truncate(time.Second)
	overlap := p.Overlap
	if cursor.IsZero() {
		cursor, overlap = p.Since, 0
		if cursor.IsZero() {
			cursor = now
		}
	}
	cursor = cursor.UTC().Truncate(time.Second)
	if cursor.After(now) {
		cursor = now
	}
	since, until := cursor.Add(-overlap).Truncate(time.Second), cursor.Add(p.Largest.Truncate(time.Second))
	switch {
	case p.Largest >= time.Second && until.Before(now):
		return Window{since, until}, true
	case since.Equal(now):
		return Window{now, now}, false
	}
	return Window{since, now.Add(ahead)}, false
}
