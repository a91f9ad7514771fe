package mapping

import (
	"regexp"
	"slices"
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
func (c *ruleCompiler) lint(r *rule, spec *RuleSpec) {
	for i := range r.arms {
		for _, w := range r.arms[i].when {
			if w.neverTrue() {
				c.warn(w.text.Place, "this condition is never true")
			}
		}
	}
	if t := r.event[fieldDedupKey]; t != nil {
		c.varying(t)
	} else if !c.defaultKey && !r.drop {
		c.clearIndex(r, spec)
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

// varying warns of parts of a dedup_key that differ from message to message:
// nothing would find the alert again.
func (c *ruleCompiler) varying(t *template) {
	for _, p := range t.parts {
		if p.expr == nil {
			continue
		}
		if at := c.variable.FindStringIndex(outsideQuotes(p.expr.text.Value)); at != nil {
			name := strings.TrimSpace(p.expr.text.Value[at[0]:at[1]])
			c.warn(p.expr.text.At(at[0]), name+" differs from message to message: each would open an alert of its own, and no resolve would find it")
		}
	}
}

// variableNames fits what differs from message to message.
func variableNames() *regexp.Regexp {
	return regexp.MustCompile(`^\s*message\s*$|\b(?:received_at|trap\.uptime|syslog\.timestamp|syslog\.proc_id)\b` +
		`|(?i:\b(?:\w+\.)*\w*(?:timestamp|date_?time|starts_?at|ends_?at|updated_?at|created_?at|time_?stamp|uptime|sequence_?(?:no|num|number|id)?` +
		`|nonce|request_?id|message_?id|in_?octets|out_?octets|counter|(?:event|error|packet|alarm)_?count))\b`)
}

// outsideQuotes returns s with what is in quotes made blank.
func outsideQuotes(s string) string {
	b := []byte(s)
	quote := byte(0)
	for i, c := range b {
		switch {
		case quote == 0 && (c == '"' || c == '\'' || c == '`'):
			quote = c
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0 && isWord(c):
			b[i] = '#'
		}
	}
	return string(b)
}

// clearIndex warns of a resolve whose trap carries no index while the one
// that opens the problem does, or the other way round: their default
// dedup_keys can never be equal.
func (c *ruleCompiler) clearIndex(r *rule, spec *RuleSpec) {
	carrier, ok := c.namer.(Carrier)
	if !ok || spec.Match.Selector != SelectTrap {
		return
	}
	for arm, then := range map[int]*MatchSpec{armAcknowledge: spec.Acknowledge, armResolve: spec.Resolve} {
		if then == nil || then.Selector != SelectTrap {
			continue
		}
		for _, p := range then.Patterns {
			clear, known := c.indexed(carrier, p)
			if !known {
				continue
			}
			for _, m := range spec.Match.Patterns {
				open, known := c.indexed(carrier, m)
				if known && open != clear {
					c.warn(p.Place, "the "+string(r.arms[arm].action)+" never finds its alert: by its module "+carries(m.Value, open)+" and "+carries(p.Value, clear)+
						", so the default dedup_keys differ; give the rule a dedup_key")
					break
				}
			}
		}
	}
}

func carries(name string, indexed bool) string {
	if indexed {
		return name + " carries an object of a table"
	}
	return name + " carries none"
}

// indexed says whether a trap carries a column of a table, by its module.
func (c *ruleCompiler) indexed(carrier Carrier, t Text) (indexed, known bool) {
	if strings.Contains(t.Value, "*") {
		return false, false
	}
	oid, err := c.namer.OID(t.Value)
	if err != nil {
		return false, false
	}
	objects, known := carrier.Carries(oid)
	return slices.ContainsFunc(objects, func(object string) bool { return c.namer.Index(object+".1") != "" }), known
}

// unreachable finds arms that can never match, because an earlier rule takes
// all that they look at.
func unreachable(rs *Rules, compiled []compiledRule) (warnings Faults) {
	var greedy index // arms that take whatever their selector finds
	greedyAny := map[Selector]*rule{}
	for i := range compiled {
		r := compiled[i].rule
		for arm := range compiled[i].patterns {
			a := &r.arms[arm]
			for _, p := range compiled[i].patterns[arm] {
				first := greedyAny[a.selector]
				if p != "*" {
					first = greedy.first(rs, a.selector, p)
				}
				if first == nil || first == r {
					continue
				}
				shown := string(a.selector) + " " + shownPattern(rs, a.selector, p)
				warnings = append(warnings, Fault{Place: r.place, Message: `rule "` + r.id + `" can never match ` + shown +
					`: rule "` + first.id + `" at ` + first.place.String() + " takes all of it"})
			}
		}
		greedy.addGreedy(i, &compiled[i], rs, greedyAny)
	}
	return warnings
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
