package mapping

import (
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/vm"
)

// Carrier is a Namer that knows what notifications carry. It is asked when
// rules are loaded, so that they can be warned about.
type Carrier interface {
	// Carries returns the OIDs of the objects that the notification at oid
	// carries, in their order; ok is false where that is not known.
	Carries(oid string) (objects []string, ok bool)
}

// Labeler is a Namer that knows whether a label of an object can come. It is
// asked when rules are loaded.
type Labeler interface {
	// HasLabel says whether a module defines a label.
	HasLabel(label string) bool

	// NearLabel returns the label that is near to one that no module
	// defines; empty: none is. It may look at all of them.
	NearLabel(label string) string
}

// maxNear bounds how often NearLabel is asked by one compiler.
const maxNear = 20

// label warns of a label that no module defines: without one, a varbind is
// known by its OID alone.
func (w *rewriter) label(n ast.Node, name string) {
	labeler, ok := w.namer.(Labeler)
	if !ok || isOID(strings.TrimPrefix(name, ".")) {
		return
	}
	if _, rest, qualified := strings.Cut(name, "::"); qualified {
		name = rest
	}
	label, _, _ := strings.Cut(name, ".")
	if labeler.HasLabel(label) {
		return
	}
	hint := `; load its module, or write vb["1.3.6.1.…"]`
	if w.asked++; w.asked <= maxNear {
		if near := labeler.NearLabel(label); near != "" {
			hint = `; did you mean "` + near + `"?`
		}
	}
	w.warn(w.place(n), "no loaded module defines "+label+": vb."+label+" is always nil"+hint)
}

// lint warns of what is right by its form and yet cannot work.
func (c *ruleCompiler) lint(r *rule, spec *RuleSpec, patterns *[arms][]string) {
	for i := range r.arms {
		for _, w := range r.arms[i].when {
			if w.neverTrue() {
				c.warn(w.text.Place, "this condition is never true")
			}
		}
	}
	c.covered(r, spec, patterns)
	c.keys(r, spec)
}

// covered warns of messages that an acknowledge or a resolve names and never
// gets, because match, which is tried first, takes all of them.
func (c *ruleCompiler) covered(r *rule, spec *RuleSpec, patterns *[arms][]string) {
	match := &r.arms[armMatch]
	if len(match.when)+len(match.from) > 0 {
		return
	}
	for arm, then := range [...]*MatchSpec{armAcknowledge: spec.Acknowledge, armResolve: spec.Resolve} {
		if then == nil || then.Selector != match.selector || match.each != r.arms[arm].each {
			continue
		}
		for i, p := range patterns[arm] {
			if p != "*" && contains(patterns[armMatch], p) && i < len(then.Patterns) {
				c.warn(then.Patterns[i].Place, string(r.arms[arm].action)+" never gets "+then.Patterns[i].Value+
					", as match takes all of it: give match a when")
			}
		}
	}
}

// neverTrue says whether e is the same whatever the message is, and not true.
func (e *expression) neverTrue() bool {
	if e == nil || len(e.needs) > 0 || len(e.names) > 0 || strings.Contains(e.text.Value, "lookup") {
		return false
	}
	v, err := vm.Run(e.program, map[string]any{})
	return err == nil && v != true
}

// unreachable finds arms that can never match, because an earlier rule takes
// all that they look at, or has the same condition.
func unreachable(rs *Rules, compiled []compiledRule) (warnings Faults) {
	var greedy index // arms that take whatever their selector finds
	greedyAny, alike := map[Selector]*rule{}, map[string]*rule{}
	for i := range compiled {
		r := compiled[i].rule
		for arm := range compiled[i].patterns {
			a := &r.arms[arm]
			for _, p := range compiled[i].patterns[arm] {
				first, why := greedyAny[a.selector], " takes all of it"
				if p != "*" {
					first = greedy.first(rs, a.selector, p)
				}
				if first == nil {
					first, why = a.twin(alike, p), " has the same condition"
				}
				if first == nil || first == r {
					continue
				}
				shown := string(a.selector) + " " + shownPattern(rs, a.selector, p)
				warnings = append(warnings, Fault{Place: r.place, Message: `rule "` + r.id + `" can never match ` + shown +
					`: rule "` + first.id + `" at ` + first.place.String() + why})
			}
		}
		greedy.addGreedy(i, &compiled[i], rs, greedyAny)
		addTwins(alike, &compiled[i])
	}
	return warnings
}

// twin returns the earlier rule that takes what a would by a pattern; nil: none.
func (a *arm) twin(alike map[string]*rule, pattern string) (first *rule) {
	for _, w := range a.when {
		if w == nil {
			return nil
		}
		if first = alike[condition(a.selector, pattern, w)]; first == nil {
			return nil
		}
	}
	return first
}

// addTwins adds the arms that take whatever their selector finds and their
// condition is true of.
func addTwins(alike map[string]*rule, c *compiledRule) {
	r := c.rule
	for i := range r.arms {
		a := &r.arms[i]
		if r.cont || len(a.from)+len(r.extract) > 0 || a.each != nil {
			continue
		}
		for _, w := range a.when {
			for _, p := range c.patterns[i] {
				if key := condition(a.selector, p, w); key != "" && alike[key] == nil {
					alike[key] = r
				}
			}
		}
	}
}

// condition is a selector, its pattern and a condition as one text; empty: the
// condition is about what only its own rule knows.
func condition(s Selector, pattern string, when *expression) string {
	if when == nil || len(when.names) > 0 {
		return ""
	}
	return string(s) + " " + pattern + " " + when.text.Value
}

// shownPattern is a pattern as its author knows it.
func shownPattern(rs *Rules, s Selector, p string) string {
	if s == SelectTrap && isOID(p) {
		if module, label, instance, ok := rs.namer.Name(p); ok {
			return qualified(module, label, instance)
		}
	}
	return p
}

// first returns the rule that takes what a selector finds by p; nil: none.
func (x *index) first(rs *Rules, s Selector, p string) *rule {
	var refs []ref
	switch s {
	case SelectTrap:
		refs = x.trap(p, rs.namer, nil)
		if len(refs) == 0 && !isOID(p) {
			refs = x.labels.match(p, nil)
		}
	case SelectSyslog:
		refs, _ = x.syslog.find(p, nil)
	case SelectHTTP:
		refs, _ = x.http.find(p, nil)
	case SelectWebhook:
		refs, _ = x.webhook.find(p, nil)
	}
	if len(refs) == 0 {
		return nil
	}
	return rs.rules[refs[0].rule()]
}

// addGreedy adds the arms of rule i that take whatever their selector finds.
func (x *index) addGreedy(i int, c *compiledRule, rs *Rules, anything map[Selector]*rule) {
	r := c.rule
	own := compiledRule{rule: r}
	for arm, patterns := range c.patterns {
		a := &r.arms[arm]
		if r.cont || len(a.from)+len(a.when)+len(r.extract) > 0 || a.each != nil {
			continue
		}
		for _, p := range patterns {
			if p != "*" {
				own.patterns[arm] = append(own.patterns[arm], p)
			} else if anything[a.selector] == nil {
				anything[a.selector] = r
			}
		}
	}
	x.addRule(i, &own, rs.namer)
}
