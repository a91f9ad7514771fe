package mapping

import (
	"reflect"
	"strings"
)

// arms compiles match, acknowledge and resolve.
func (c *ruleCompiler) arms(r *rule, spec *RuleSpec, out *compiledRule, local []string) {
	match := spec.Match
	c.arm(r, out, armMatch, Trigger, match, local)
	for _, then := range []struct {
		arm    int
		action Action
		spec   *MatchSpec
	}{{armAcknowledge, Acknowledge, spec.Acknowledge}, {armResolve, Resolve, spec.Resolve}} {
		if then.spec == nil {
			continue
		}
		c.checkArm(string(then.action), match, then.spec)
		c.arm(r, out, then.arm, then.action, inherit(match, *then.spec), local)
	}
	c.shareEach(r)
}

// shareEach lets arms that inherited each share its expression, so that their
// elements are gone through once.
func (c *ruleCompiler) shareEach(r *rule) {
	for i := range r.arms[1:] {
		a, first := &r.arms[i+1], r.arms[armMatch].each
		if a.each != nil && first != nil && a.each.text == first.text {
			a.each = first
		}
	}
}

// inherit returns m with what arm gives in its place. When is never
// inherited.
func inherit(m, arm MatchSpec) MatchSpec {
	m.Place, m.When = arm.Place, arm.When
	if arm.Selector != "" {
		m.Selector, m.Patterns = arm.Selector, arm.Patterns
	}
	if len(arm.From) > 0 {
		m.From = arm.From
	}
	if arm.Each.Value != "" {
		m.Each = arm.Each
	}
	return m
}

// checkArm finds a resolve or acknowledge that could never match, because
// match takes all of its messages.
func (c *ruleCompiler) checkArm(key string, m MatchSpec, arm *MatchSpec) {
	switch {
	case arm.Selector == "" && len(arm.From) == 0 && arm.Each.Value == "" && len(arm.When) == 0:
		c.fault(arm.Place, key+" is empty: say which message it is, by another trap, syslog or http, or by when")
	case arm.Selector == "" && len(m.When) == 0 && len(m.From) == 0 && arm.Each.Value == "":
		c.fault(arm.Place, key+" can never match, as match takes the same messages: give match a when")
	}
}

// arm compiles one arm of a rule. each knows the names of the message, when
// those of local too.
func (c *ruleCompiler) arm(r *rule, out *compiledRule, i int, action Action, m MatchSpec, local []string) {
	a := &r.arms[i]
	a.action = action
	for _, t := range m.From {
		o, ok := parseOrigin(t.Value)
		if !ok {
			c.fault(t.Place, `"`+t.Value+`" is no CIDR (192.0.2.0/24), address or host name`)
		}
		a.from = append(a.from, o)
	}
	if m.Each.Value != "" {
		a.each = c.expression(m.Each, nil, reflect.Invalid)
	}
	for _, t := range m.When {
		a.when = append(a.when, c.expression(t, local, reflect.Bool))
	}
	for _, p := range m.Patterns {
		out.patterns[i] = append(out.patterns[i], c.pattern(m.Selector, p))
	}
	a.selector = m.Selector
}

// pattern checks a pattern of a selector and makes the index's key of it.
func (c *ruleCompiler) pattern(s Selector, t Text) string {
	p := strings.TrimSpace(t.Value)
	switch {
	case p == "":
		c.fault(t.Place, `this is empty; "*" takes every message`)
	case p == "*":
	case s == SelectTrap:
		return c.trap(p, t.Place)
	case s == SelectSyslog && p[0] == '%':
		return strings.TrimSuffix(p, ":")
	case s == SelectSyslog && isMnemonic(p):
		c.warn(t.Place, `no tag looks like "`+p+`"; did you mean "%`+p+`"?`)
	case s == SelectHTTP && p[0] != '/' && p[0] != '*':
		near := "/" + p
		if !strings.Contains(p, "/") {
			near = "/hooks/" + p
		}
		c.fault(t.Place, `a path starts with /; did you mean "`+near+`"?`)
	}
	return p
}

// isMnemonic says whether p is a mnemonic without its %: LINK-3-UPDOWN.
func isMnemonic(p string) bool {
	facility, rest, _ := strings.Cut(p, "-")
	severity, name, ok := strings.Cut(rest, "-")
	return ok && facility != "" && name != "" && len(severity) == 1 && strings.Contains("01234567*", severity) && p == strings.ToUpper(p)
}

// trap resolves the name of a trap.
func (c *ruleCompiler) trap(p string, at Place) string {
	if isOID(p) {
		p = strings.TrimPrefix(p, ".")
		if strings.Contains(p, "..") || strings.HasSuffix(p, ".") {
			c.fault(at, `"`+p+`" is no OID`)
		}
		return p
	}
	if strings.Contains(p, "*") {
		return p
	}
	oid, err := c.namer.OID(p)
	if err != nil {
		c.fault(at, err.Error())
	}
	return oid
}

// addRule makes the arms of rule i findable, by the names that namer knows.
func (x *index) addRule(i int, c *compiledRule, namer Namer) {
	for arm := range c.patterns {
		for _, p := range c.patterns[arm] {
			switch r := newRef(i, arm); c.rule.arms[arm].selector {
			case SelectTrap:
				x.addTrap(p, r, namer)
			case SelectSyslog:
				x.syslog.add(p, r)
			case SelectHTTP:
				x.http.add(p, r)
			case SelectWebhook:
				x.webhook.add(p, r)
			}
		}
	}
}
