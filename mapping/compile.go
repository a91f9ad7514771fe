package mapping

import (
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"unicode/utf8"
)

// maxRules is what refs have room for.
const maxRules = 1 << 24

// Compile compiles a set of rules. namer resolves the names of traps, now and
// when the rules are applied. Where there are faults, all that is wrong, each
// with its place, rs is nil; warnings are what is only suspicious.
func Compile(spec Spec, namer Namer) (rs *Rules, warnings, faults Faults) {
	rs = &Rules{namer: namer, fields: fields(), files: spec.Files}
	main := newRuleCompiler(namer)
	main.setUp(rs, &spec)

	compiled := make([]compiledRule, len(spec.Rules))
	inParallel(len(spec.Rules), func(from, to int) {
		c := newRuleCompiler(namer)
		c.share(main)
		for i := from; i < to; i++ {
			compiled[i] = c.rule(&spec.Rules[i])
		}
	})
	faults, warnings = main.faults, main.warnings
	for _, c := range compiled {
		rs.rules = append(rs.rules, c.rule)
		faults, warnings = append(faults, c.faults...), append(warnings, c.warnings...)
	}
	faults = append(faults, duplicates(spec.Rules)...)
	if len(spec.Rules) > maxRules {
		faults = append(faults, Fault{Message: "there are more than 16 million rules"})
	}
	for i := range compiled {
		rs.index.addRule(i, &compiled[i], namer)
		rs.tests = append(rs.tests, spec.Rules[i].Tests...)
	}
	rs.warnings = append(warnings, unreachable(rs, compiled)...).Sorted()
	if len(faults) > 0 {
		return nil, rs.warnings, faults.Sorted()
	}
	return rs, rs.warnings, nil
}

// setUp compiles what stands outside of the rules.
func (c *ruleCompiler) setUp(rs *Rules, spec *Spec) {
	c.routes, c.destinations = spec.Routes, spec.Destinations
	rs.destinations = spec.Destinations
	c.storm, c.flapping = stormOf(spec.Storm, defaultStorm()), flappingOf(spec.Flapping, defaultFlapping())
	rs.tables = c.compileTables(spec.Tables)
	c.enriched = c.enrich(spec.Enrich)
	rs.enrich = c.enriched
	rs.defaults = c.blueprint(spec.Defaults, []string{"item"})
	if key := rs.defaults[fieldDedupKey]; key != nil {
		c.defaultKey = true
		c.varying(key, nil)
	}
	rs.masks = c.masks(spec.Mask)
	if !spec.Raw {
		rs.stored = rs.masks
	}
	rs.windows = c.maintenance(spec.Maintenance)
}

// share takes over what main has set up.
func (c *ruleCompiler) share(main *ruleCompiler) {
	c.tables, c.columns = main.tables, main.columns
	c.routes, c.destinations = main.routes, main.destinations
	c.storm, c.flapping, c.defaultKey = main.storm, main.flapping, main.defaultKey
	c.define(main.enriched)
}

// inParallel splits n things between the processors.
func inParallel(n int, do func(from, to int)) {
	parts := min(runtime.GOMAXPROCS(0), n/64+1)
	var wg sync.WaitGroup
	for i := range parts {
		wg.Go(func() { do(n*i/parts, n*(i+1)/parts) })
	}
	wg.Wait()
}

// duplicates finds rules of the same id.
func duplicates(rules []RuleSpec) (faults Faults) {
	seen := make(map[string]Place, len(rules))
	for i := range rules {
		id := rules[i].ID
		if id.Value == "" {
			continue
		}
		if first, ok := seen[id.Value]; ok {
			faults = append(faults, Fault{
				Place:   id.Place,
				Message: `there is another rule "` + id.Value + `" at ` + first.String() + ": ids must differ, as alerts are told apart by them",
			})
			continue
		}
		seen[id.Value] = id.Place
	}
	return faults
}

// compiledRule is a rule and what its compilation brought to light.
type compiledRule struct {
	rule     *rule
	patterns [arms][]string // what the index knows each arm by
	faults   Faults
	warnings Faults
}

// ruleCompiler compiles rules. It is not for concurrent use.
type ruleCompiler struct {
	*exprCompiler
	library  map[string]string
	groks    map[string]*Grok // compiled ones, as many rules use the same
	faults   Faults
	warnings Faults

	routes        []string // the names that a route may have; nil: any
	destinations  []string // the same of webhooks
	aboutWebhooks bool     // the rule that is compiled is
	allGates      map[Gates]*Gates
	storm         Storm // of the rule set
	flapping      Flapping
	enriched      []assignment
	defaultKey    bool // defaults.event has a dedup_key
	variable      *regexp.Regexp
}

func newRuleCompiler(namer Namer) *ruleCompiler {
	c := &ruleCompiler{library: library(), groks: map[string]*Grok{}, variable: variableNames(), allGates: map[Gates]*Gates{}}
	c.exprCompiler = newExprCompiler(namer, func(p Place, message string) {
		c.warnings = append(c.warnings, Fault{Place: p, Message: message})
	})
	return c
}

func (c *ruleCompiler) fault(p Place, message string) {
	c.faults = append(c.faults, Fault{Place: p, Message: message})
}

// expression compiles an expression, or notes what is wrong with it.
func (c *ruleCompiler) expression(t Text, local []string, want reflect.Kind) *expression {
	e, faults := c.compile(t, local, want)
	c.faults = append(c.faults, faults...)
	return e
}

// enrich compiles the assignments of enrich and makes their names known.
func (c *ruleCompiler) enrich(list []Assignment) []assignment {
	var compiled []assignment
	for _, a := range list {
		c.name(a.Name, nil)
		e := c.expression(a.Expr, nil, reflect.Invalid)
		compiled = append(compiled, assignment{a.Name.Value, e})
		c.define(compiled[len(compiled)-1:])
	}
	return compiled
}

// define makes names known whose values are found when they are first used
// for a message.
func (c *ruleCompiler) define(list []assignment) {
	for _, a := range list {
		c.roots[a.name] = func(s *scope) any {
			v, err := a.expr.run(s)
			if err != nil {
				s.failAs("enrich", err)
			}
			if t, ok := v.(string); ok {
				return clip(t, maxExtractBytes)
			}
			return v
		}
	}
}

// name checks a name that a rule gives.
func (c *ruleCompiler) name(t Text, known []string) {
	switch {
	case !isName(t.Value):
		c.fault(t.Place, `"`+t.Value+`" cannot be a name: letters, digits and _ make one`)
	case reserved(t.Value):
		c.fault(t.Place, `"`+t.Value+`" means something in expressions: choose another name`)
	case c.roots[t.Value] != nil || t.Value == "item":
		c.fault(t.Place, `"`+t.Value+`" is what the message or enrich gives: choose another name`)
	case contains(known, t.Value):
		c.fault(t.Place, `"`+t.Value+`" is given twice`)
	}
}

func reserved(name string) bool {
	return contains([]string{
		"true", "false", "nil", "and", "or", "not", "in", "matches", "contains", "startsWith", "endsWith",
		"let", "if", "else",
	}, name)
}

func (c *ruleCompiler) rule(spec *RuleSpec) compiledRule {
	c.faults, c.warnings, c.texts = nil, nil, map[string]bool{}
	c.aboutWebhooks = spec.Match.Selector == SelectWebhook
	r := &rule{id: clean(spec.ID.Value), place: spec.Place, drop: spec.Drop, suppress: spec.Suppress, cont: spec.Continue}
	out := compiledRule{rule: r}
	c.checkShape(spec)

	var local []string
	if spec.hasEach() {
		local = append(local, "item")
	}
	local = c.extract(r, spec.Extract, local)
	for _, a := range spec.Set {
		c.name(a.Name, local)
		r.set = append(r.set, assignment{a.Name.Value, c.expression(a.Expr, local, reflect.Invalid)})
		local = append(local, a.Name.Value)
	}
	c.arms(r, spec, &out, local)
	r.event = c.blueprint(spec.Event, local)
	c.gates(r, spec, local)
	c.checkWebhook(spec)
	c.lint(r, spec, &out.patterns)
	out.faults, out.warnings = c.faults, c.warnings
	return out
}

func (r *RuleSpec) hasEach() bool {
	for _, m := range []*MatchSpec{&r.Match, r.Acknowledge, r.Resolve} {
		if m != nil && m.Each.Value != "" {
			return true
		}
	}
	return false
}

// checkShape finds keys that do not go together, or are missing.
func (c *ruleCompiler) checkShape(spec *RuleSpec) {
	at := spec.Place
	switch {
	case spec.ID.Value == "":
		c.fault(at, "a rule needs an id: its default dedup_key starts with it")
	case utf8.RuneCountInString(spec.ID.Value) > 100 || strings.ContainsAny(spec.ID.Value, "\x00\n"):
		c.fault(spec.ID.Place, "an id is at most 100 characters in one line")
	}
	if spec.Match.Selector == "" {
		c.fault(at, `a rule needs a match with one of trap, syslog, http and webhook; "*" takes them all`)
	}
	switch {
	case spec.Drop && spec.HasEvent:
		c.fault(at, "a rule that drops has no event: leave one of both out; suppress records an event without sending it")
	case spec.Drop && (spec.Acknowledge != nil || spec.Resolve != nil):
		c.fault(at, "a rule that drops has nothing to resolve or acknowledge")
	case spec.Drop && spec.Continue:
		c.fault(at, "drop and continue exclude each other")
	case spec.Drop && spec.Suppress:
		c.fault(at, "drop and suppress exclude each other: suppress records the event, drop does not")
	case !spec.Drop && !spec.HasEvent && !spec.Suppress:
		c.fault(at, "a rule needs an event, or drop: true, or suppress: true")
	}
}
