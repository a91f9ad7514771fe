package delivery

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pdaltagent/pdaltagent/mapping"
)

// StormQuiet is for how long a source must open no more alerts than it may for
// its storm to be over.
const StormQuiet = 5 * time.Minute

// Storm counts the alerts that a source has opened since its window began. The
// zero one has counted none.
type Storm struct {
	Source string
	Since  time.Time
	Alerts int
	Kinds  map[string]int // by rule
}

// StormKey is the dedup_key of the alert that a source's storms fold into.
func StormKey(source string) string { return "storm/" + source }

// Permits counts an alert that e would open, and reports whether it is one of
// those that its source may open within a window.
func (s *Storm) Permits(e *mapping.Event) bool {
	bound := e.Gates.Storm
	if s.Kinds == nil || e.ReceivedAt.Sub(s.Since) >= bound.Within {
		s.Since, s.Alerts, s.Kinds = e.ReceivedAt, 0, map[string]int{}
	}
	s.Alerts++
	s.Kinds[e.Rule]++
	return s.Alerts <= bound.Alerts
}

// Tells reports whether PagerDuty is to hear of e, which the storm swallows, by
// the alert of storms a: that is not open, or e is more severe, or a gate holds
// a and none would hold e.
func (s *Storm) Tells(a *Alert, e *mapping.Event, parentOpen func(dedupKey string) bool) bool {
	if !a.isOpen() && a.Gated == nil || Priority(e.Severity) < Priority(a.Severity) {
		return true
	}
	return a.Gated != nil && gate(e, gatesOf(e), parentOpen).By == ""
}

// Fold counts e, which an alert of storms swallows without being told again.
func (a *Alert) Fold(e *mapping.Event) {
	a.seen(e, &mapping.Gates{ResolveAfter: StormQuiet})
}

// Summary says what a storm is made of: the three rules that open most.
func (s *Storm) Summary(bound mapping.Storm) string {
	rules := make([]string, 0, len(s.Kinds))
	for rule := range s.Kinds {
		rules = append(rules, rule)
	}
	slices.SortFunc(rules, func(a, b string) int {
		return cmp.Or(cmp.Compare(s.Kinds[b], s.Kinds[a]), strings.Compare(a, b))
	})
	top := rules[:min(3, len(rules))]
	for i, rule := range top {
		top[i] = fmt.Sprintf("%s %d", rule, s.Kinds[rule])
	}
	return fmt.Sprintf("%s: storm of alerts, more than %d in %s (%s); further ones fold into this one",
		s.Source, bound.Alerts, bound.Within, strings.Join(top, ", "))
}
