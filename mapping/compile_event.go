package mapping

import (
	"reflect"
	"slices"
)

// blueprint compiles an event. local are the names that its rule gives.
func (c *ruleCompiler) blueprint(entries []Entry, local []string) (b blueprint) {
	keys := EventKeys()
	for _, e := range entries {
		f := field(slices.Index(keys, e.Key.Value))
		if f < 0 {
			c.fault(e.Key.Place, `unknown key "`+e.Key.Value+`"`+DidYouMean(e.Key.Value, keys))
			continue
		}
		if f == fieldSeverity {
			b[f] = c.severity(e.Value, local)
			continue
		}
		c.checkKind(f, e)
		t, faults := c.template(e.Value, local)
		c.faults = append(c.faults, faults...)
		b[f] = t
		if f == fieldRoute && t.static {
			c.route(Text{Value: text(t.constant), Place: e.Value.Text.Place})
		}
	}
	return b
}

// route checks the name of a route that is written in a rule, or of a webhooks'
// destination in a rule about those.
func (c *ruleCompiler) route(t Text) {
	if c.aboutWebhooks {
		if c.destinations != nil && t.Value != "" && !contains(c.destinations, t.Value) {
			c.fault(t.Place, noDestination(t.Value, c.destinations))
		}
		return
	}
	if c.routes != nil && t.Value != "" && !contains(c.routes, t.Value) {
		c.fault(t.Place, `there is no route "`+t.Value+`" in the configuration`+suggestion(t.Value, c.routes))
	}
}

// checkKind refuses a list or mapping where a text is meant, and the other
// way round.
func (c *ruleCompiler) checkKind(f field, e Entry) {
	v := e.Value
	switch {
	case f == fieldCustomDetails:
	case f == fieldLinks:
		c.checkLinks(e, "href")
	case f == fieldImages:
		c.checkLinks(e, "src")
	case v.Kind == List || v.Kind == Mapping:
		c.fault(v.Text.Place, e.Key.Value+" is one value, not a list or a mapping")
	}
}

// checkLinks refuses links or images that have no address.
func (c *ruleCompiler) checkLinks(e Entry, address string) {
	v := e.Value
	if v.Kind == Mapping || v.Kind == Plain {
		c.fault(v.Text.Place, e.Key.Value+" is a list: [ { "+address+": … } ]")
	}
	for _, item := range v.List {
		if item.Kind == Mapping && !slices.ContainsFunc(item.Map, func(e Entry) bool { return e.Key.Value == address }) {
			c.fault(item.Text.Place, "one of "+e.Key.Value+" needs "+address)
		}
	}
}

// severity compiles a severity or a ladder of them.
func (c *ruleCompiler) severity(v Value, local []string) *template {
	t := &template{place: v.Text.Place}
	if v.Kind == Mapping {
		t.ladder = []rung{}
		if len(v.Map) == 0 {
			c.fault(v.Text.Place, "this ladder has no steps: { critical: condition, warning: true }")
		}
		for _, e := range v.Map {
			c.rung(t, e, local)
		}
		return t
	}
	if v.Kind == List {
		c.fault(v.Text.Place, "severity is a word, or a ladder: { critical: condition, error: condition, warning: true }")
		return t
	}
	t, faults := c.template(v, local)
	c.faults = append(c.faults, faults...)
	if t.static {
		c.word(Text{Value: text(t.constant), Place: v.Text.Place})
	}
	return t
}

func (c *ruleCompiler) rung(t *template, e Entry, local []string) {
	severity := c.word(e.Key)
	if e.Value.Kind == List || e.Value.Kind == Mapping {
		c.fault(e.Value.Text.Place, "a condition is an expression: minutes <= 5")
		return
	}
	t.ladder = append(t.ladder, rung{severity, c.expression(e.Value.Text, local, reflect.Bool)})
}

// word checks a severity that is written in the rule.
func (c *ruleCompiler) word(t Text) Severity {
	s, ok := SeverityOf(t.Value)
	if !ok {
		hint := DidYouMean(t.Value, severityWords())
		if hint == "" {
			hint = ": PagerDuty has critical, error, warning and info"
		}
		c.fault(t.Place, `unknown severity "`+t.Value+`"`+hint)
	}
	return s
}
