package mapping

import (
	"reflect"
	"time"
)

// window is a maintenance window: of every week, or from one time to another.
type window struct {
	name     string
	when     []*expression
	every    []schedule
	from, to time.Time // of a window that comes once; zero: it has no such end
}

// maxLinks bounds how many windows that follow one another at once are joined
// to one.
const maxLinks = 64

// end returns when w ends that is open at t; ok is false where it is not.
func (w *window) end(t time.Time) (end time.Time, ok bool) {
	for i := range w.every {
		if e, in := w.every[i].end(t); in && e.After(end) {
			end, ok = e, true
		}
	}
	if len(w.every) == 0 && !t.Before(w.from) && t.Before(w.to) {
		return w.to, true
	}
	return end, ok
}

// maintenance returns the window that the message falls into, by the time of
// its receipt; nil: there is none.
func (s *scope) maintenance() *Window {
	if s.looked {
		return s.window
	}
	s.looked = true
	rule := s.rule
	s.rule = "maintenance"
	defer func() { s.rule = rule }()
	var open []*window // that are about the message
	for i := range s.rules.windows {
		w := &s.rules.windows[i]
		if _, in := w.end(s.m.ReceivedAt); in && s.holds(w.when) {
			open = append(open, w)
		}
	}
	if len(open) == 0 {
		return nil
	}
	s.window = &Window{Name: open[0].name, Until: s.joined(open)}
	return s.window
}

// joined returns when the last one of windows ends, together with those that
// are open at that moment.
func (s *scope) joined(open []*window) time.Time {
	until := s.m.ReceivedAt
	about := map[*window]bool{}
	for _, w := range open {
		about[w] = true
	}
	for range maxLinks {
		end := until
		for i := range s.rules.windows {
			w := &s.rules.windows[i]
			e, in := w.end(until)
			if !in || !e.After(end) {
				continue
			}
			if _, known := about[w]; !known {
				about[w] = s.holds(w.when)
			}
			if about[w] {
				end = e
			}
		}
		if !end.After(until) {
			break
		}
		until = end
	}
	return until
}

// maintenance compiles the windows. Their conditions know the names of the
// message, of enrich, and item.
func (c *ruleCompiler) maintenance(specs []WindowSpec) (windows []window) {
	for _, spec := range specs {
		w := window{name: clean(spec.Name.Value)}
		if w.name == "" {
			c.fault(spec.Place, "a maintenance window needs a name: it is shown with what it holds back")
		}
		for _, t := range spec.When {
			w.when = append(w.when, c.expression(t, []string{"item"}, reflect.Bool))
		}
		for _, t := range spec.Every {
			every, err := parseSchedule(t.Value)
			if err != nil {
				c.fault(t.Place, err.Error())
			}
			w.every = append(w.every, every)
		}
		c.once(&w, spec)
		windows = append(windows, w)
	}
	return windows
}

// once reads from and to of a window.
func (c *ruleCompiler) once(w *window, spec WindowSpec) {
	given := spec.From.Value != "" || spec.To.Value != ""
	switch {
	case given && len(spec.Every) > 0:
		c.fault(spec.Place, "a window has every, or from and to, never both: write two windows")
		return
	case !given && len(spec.Every) == 0:
		c.fault(spec.Place, `a window needs every: "Sun 02:00-04:00 Europe/London", or from and to`)
		return
	case !given:
		return
	case spec.From.Value == "" || spec.To.Value == "":
		c.fault(spec.Place, "a window that comes once needs from and to")
		return
	}
	w.from, w.to = c.moment(spec.From, false), c.moment(spec.To, true)
	if !w.from.IsZero() && !w.to.IsZero() && !w.from.Before(w.to) {
		c.fault(spec.To.Place, "to is not after from")
	}
}

// moment reads a time: RFC 3339, or a date and a time of day with the name of
// a zone.
func (c *ruleCompiler) moment(t Text, last bool) time.Time {
	if at, err := time.Parse(time.RFC3339, t.Value); err == nil {
		return at
	}
	at, err := parseMoment(t.Value, last)
	if err != nil {
		c.fault(t.Place, err.Error())
	}
	return at
}
