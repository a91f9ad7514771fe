package mapping

import (
	"slices"
	"sync"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// Rules are compiled rules. They are immutable and may be used from any
// goroutine.
type Rules struct {
	rules    []*rule
	index    index
	defaults blueprint
	fields   map[string]map[string]func(*scope) any
	namer    Namer
	scopes   sync.Pool
	warnings Faults

	tables  *Tables
	enrich  []assignment
	masks   masks // of events
	stored  masks // of stored messages
	windows []window
	tests   []TestSpec
	files   []string

	destinations []string // the names that webhooks' have; nil: any
}

// rule is one compiled rule.
type rule struct {
	id       string
	place    Place
	arms     [arms]arm
	extract  [][]extraction
	clear    []string // the names that extract gives, which are nil where it does not
	set      []assignment
	event    blueprint
	drop     bool
	suppress bool
	cont     bool

	parent *template // unless_open; nil: there is none
	gates  *Gates    // of what opens its problem, shared; nil: none
	later  *Gates    // of what acknowledges or resolves it
	posted *Gates    // of posted events that it changes
}

// The arms of a rule: what opens, acknowledges and resolves its problem.
const (
	armMatch = iota
	armAcknowledge
	armResolve
	arms
)

// arm says when one of the things happens that a rule is about.
type arm struct {
	selector Selector
	action   Action
	from     []origin
	each     *expression
	when     []*expression
}

// extraction takes a text apart: the first grok that fits names its parts, or
// decode gives the value of name.
type extraction struct {
	from   *expression // nil: message
	groks  []*Grok
	texts  []Text // of groks
	name   string
	decode decoder // nil: groks
}

type assignment struct {
	name string
	expr *expression
}

// Result collects what rules make of messages. It may be used for many
// messages, whose events then follow one another. The zero value is ready.
type Result struct {
	Events []Event
	Errors []RuleError // what went wrong inside rules; the events were made all the same
}

// RuleError is an error in one of a rule's expressions. An error in a when
// means that the rule does not match; one in an event's field that its
// default is used.
type RuleError struct {
	Rule string // the rule's id; "enrich", "defaults" and "maintenance" for what stands outside of rules
	Err  error
}

// Len returns the number of rules.
func (rs *Rules) Len() int { return len(rs.rules) }

// Has says whether there is a rule of an id.
func (rs *Rules) Has(id string) bool {
	return slices.ContainsFunc(rs.rules, func(r *rule) bool { return r.id == id })
}

// Warnings returns what is suspicious about the rules, but no error: rules
// that can never match, names that are always nil.
func (rs *Rules) Warnings() Faults { return rs.warnings }

// Tests returns the tests that the rules' files hold, in their order.
func (rs *Rules) Tests() []TestSpec { return rs.tests }

// Files returns the files that the rules were read from, with those of their
// tables: when one of them changes, the rules are to be read again.
func (rs *Rules) Files() []string { return rs.files }

// Cover returns text as the masks leave it where it stands under name in an
// event, and is no link.
func (rs *Rules) Cover(name, text string) string { return rs.masks.member(name, text) }

// Apply adds the events that m makes to out: none where no rule matches, one,
// or many where rules say continue or each. A rule that says drop adds an
// event that is Dropped and has no Message. Apply knows no clock and does no
// I/O; the same message always makes the same events, with the same ids. It
// may be called from any goroutine. What it adds keeps nothing of m.
func (rs *Rules) Apply(m *ingest.Message, out *Result) { rs.apply(m, out, nil) }

func (rs *Rules) apply(m *ingest.Message, out *Result, trace *tracer) {
	var buf [16]ref
	refs, last := rs.index.candidates(m, rs.namer, buf[:0])
	posted := m.Request != nil && m.Request.API != ""
	if len(refs) == 0 && len(last) == 0 && !posted {
		return
	}
	s := rs.begin(m, out)
	s.trace = trace
	if posted {
		s.posted = newPosted(m)
	}
	if !s.try(refs) {
		s.try(last)
	}
	if s.posted != nil {
		s.addPosted()
	}
	rs.end(s)
}

// Sample returns the event that shows a message which no rule took, or which
// a rule dropped, in the history.
func (rs *Rules) Sample(m *ingest.Message, d Decision) Event {
	s := rs.begin(m, nil)
	defer rs.end(s)
	e := s.newEvent()
	e.Decision, e.Summary, e.Severity = d, s.summary(), Info
	if m.Line != nil {
		e.Severity = ofSyslog(m.Line.Severity)
	}
	e.Message = s.messageJSON()
	return e
}

func (rs *Rules) begin(m *ingest.Message, out *Result) *scope {
	s, _ := rs.scopes.Get().(*scope)
	if s == nil {
		s = &scope{env: map[string]any{}}
	}
	s.begin(rs, m, out)
	return s
}

func (rs *Rules) end(s *scope) {
	s.end()
	rs.scopes.Put(s)
}

// try tries rules in order until one matches that does not say continue, and
// returns whether there was such a one. A rule matches a message once, even if
// it has a bare * besides what it has matched by.
func (s *scope) try(refs []ref) bool {
	for len(refs) > 0 {
		i := refs[0].rule()
		var set armSet
		for len(refs) > 0 && refs[0].rule() == i {
			set |= refs[0].bit()
			refs = refs[1:]
		}
		r := s.rules.rules[i]
		if slices.Contains(s.went, i) || !s.apply(r, set) {
			continue
		}
		if !r.cont {
			return true
		}
		s.went = append(s.went, i)
	}
	return false
}

// apply makes the events of r, where one of the arms in set matches, and
// returns whether one does.
func (s *scope) apply(r *rule, set armSet) bool {
	s.rule = r.id
	for i := range r.arms {
		if set.has(i) && !comesFrom(r.arms[i].from, s.m) {
			set &^= 1 << i
			s.trace.missed(s, r, i)
		}
	}
	for i := range r.arms {
		if !set.has(i) {
			continue
		}
		each, same := r.arms[i].each, armSet(0)
		for j := i; j < arms; j++ {
			if set.has(j) && r.arms[j].each == each {
				same |= 1 << j
			}
		}
		set &^= same
		if s.applyAll(r, each, same) {
			return true
		}
	}
	return false
}

// applyAll applies r to every element that each gives, or once.
func (s *scope) applyAll(r *rule, each *expression, set armSet) bool {
	if each == nil {
		return s.applyOne(r, set)
	}
	defer func() {
		delete(s.env, "item")
		s.looked = false
	}()
	list, err := each.run(s)
	if err != nil {
		s.fail(err)
		return false
	}
	matched := false
	for i := 0; ; i++ {
		item, ok := at(list, i)
		if !ok {
			s.trace.elements(r, each, list, i)
			return matched
		}
		if i == maxItems {
			s.fail(Fault{Place: each.text.Place, Message: "only the first 1000 elements were looked at"})
			return matched
		}
		s.env["item"], s.looked = item, false
		matched = s.applyOne(r, set) || matched
	}
}

// maxItems bounds the events that one message can make by each.
const maxItems = 1000

// applyOne runs extract, set and when, and makes the event of the first arm
// that matches.
func (s *scope) applyOne(r *rule, set armSet) bool {
	s.trace.look(s, r)
	if !s.extract(r) {
		return false
	}
	for _, a := range r.set {
		v, err := a.expr.run(s)
		if err != nil {
			s.fail(err)
		}
		if t, ok := v.(string); ok {
			v = clip(t, maxExtractBytes)
		}
		s.env[a.name] = v
	}
	s.trace.given(s, r)
	for i := range r.arms {
		if set.has(i) && s.holds(r.arms[i].when) {
			s.build(r, r.arms[i].action)
			s.trace.took(i)
			return true
		}
		if set.has(i) {
			s.trace.untrue(s, r, i)
		}
	}
	return false
}

// extract gives the names of r's extract their values, and returns whether
// one of its alternatives fits.
func (s *scope) extract(r *rule) bool {
	if len(r.extract) == 0 {
		return true
	}
	for _, attempt := range r.extract {
		for _, name := range r.clear {
			s.env[name] = nil
		}
		if s.attempt(attempt) {
			return true
		}
	}
	return false
}

func (s *scope) attempt(all []extraction) bool {
	for i := range all {
		if !s.extracts(&all[i]) {
			return false
		}
	}
	return true
}

func (s *scope) extracts(x *extraction) bool {
	value := s.text()
	if x.from != nil {
		v, err := x.from.run(s)
		if err != nil {
			s.fail(err)
		}
		if v == nil {
			s.trace.nothing(x)
			return false
		}
		value = text(v)
	}
	if x.decode == nil {
		ok := s.fits(x.groks, value)
		if !ok {
			s.trace.unfit(x, value)
		}
		return ok
	}
	v, ok := x.decode(clip(value, maxExtractBytes))
	if ok {
		s.env[x.name] = v
	} else {
		s.trace.undecoded(x, value)
	}
	return ok
}

func (s *scope) fits(groks []*Grok, value string) bool {
	for _, g := range groks {
		if g.Match(value, func(field string, v any) { s.env[field] = v }) {
			return true
		}
	}
	return false
}

// holds says whether one of the conditions is true, or there is none.
func (s *scope) holds(when []*expression) bool {
	for _, w := range when {
		v, err := w.run(s)
		if err != nil {
			s.fail(err)
		}
		if v == true {
			return true
		}
	}
	return len(when) == 0
}
