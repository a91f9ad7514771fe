package mapping

import (
	"regexp"
	"slices"
	"strings"
)

// keys warns of dedup_keys that cannot do their work: those that differ from
// message to message, and those that a resolve cannot have.
func (c *ruleCompiler) keys(r *rule, spec *RuleSpec) {
	switch key := r.event[fieldDedupKey]; {
	case key != nil:
		c.varying(key, spec.Set)
		c.clearLabels(r, spec, key)
	case c.defaultKey || r.drop:
	default:
		if t := r.event[fieldComponent]; t != nil && spec.Match.Selector != SelectTrap {
			c.varying(t, spec.Set)
		}
		c.clearIndex(r, spec)
	}
}

// varying warns of parts of a dedup_key that differ from message to message,
// perhaps by way of a name that set gives: nothing would find the alert again.
func (c *ruleCompiler) varying(t *template, set []Assignment) {
	for _, p := range t.parts {
		if p.expr == nil {
			continue
		}
		at, name := c.varies(p.expr.text.Value)
		for _, a := range set {
			if by, _ := c.varies(a.Expr.Value); at < 0 && by >= 0 && slices.Contains(p.expr.names, a.Name.Value) {
				at, name = 0, a.Name.Value
			}
		}
		if at >= 0 {
			c.warn(p.expr.text.At(at), name+" differs from message to message: each would open an alert of its own, and no resolve would find it")
		}
	}
}

// varies returns what differs from message to message in an expression, and
// where that stands; -1: nothing does.
func (c *ruleCompiler) varies(expression string) (at int, name string) {
	found := c.variable.FindStringIndex(outsideQuotes(expression))
	if found == nil {
		return -1, ""
	}
	return found[0], strings.TrimSpace(expression[found[0]:found[1]])
}

// variableNames fits what differs from message to message.
func variableNames() *regexp.Regexp {
	return regexp.MustCompile(`^\s*(?:message|body|headers|vb|vb_raw|trap|syslog|kv|json|csv)\s*$|\b(?:received_at|trap\.uptime|syslog\.timestamp|syslog\.proc_id)\b` +
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

// clearLabels warns of a dedup_key with a varbind that the trap which opens the
// problem carries by its module, and the one that ends it does not.
func (c *ruleCompiler) clearLabels(r *rule, spec *RuleSpec, key *template) {
	carrier, ok := c.namer.(Carrier)
	if !ok || spec.Match.Selector != SelectTrap {
		return
	}
	for _, arm := range [...]int{armAcknowledge, armResolve} {
		then := [...]*MatchSpec{armAcknowledge: spec.Acknowledge, armResolve: spec.Resolve}[arm]
		if then == nil || then.Selector != SelectTrap {
			continue
		}
		for _, label := range labelsOf(key) {
			for _, p := range then.Patterns {
				if c.lacks(carrier, p, label) && !slices.ContainsFunc(spec.Match.Patterns, func(m Text) bool { return !c.carried(carrier, m, label) }) {
					c.warn(p.Place, "the "+string(r.arms[arm].action)+" never finds its alert: by its module "+p.Value+" carries no "+label+
						", which the dedup_key is made of; use what both traps carry, such as index")
				}
			}
		}
	}
}

// labelsOf returns the labels of the varbinds that a dedup_key cannot do
// without.
func labelsOf(key *template) (labels []string) {
	for _, p := range key.parts {
		if p.expr == nil || strings.ContainsAny(p.expr.text.Value, "?") {
			continue
		}
		for _, n := range p.expr.needs {
			if label, ok := strings.CutPrefix(n.key, "vb."); ok && !strings.Contains(label, ".") {
				labels = append(labels, label)
			}
		}
	}
	return labels
}

// carried says whether a trap carries an object by its module.
func (c *ruleCompiler) carried(carrier Carrier, trap Text, label string) bool {
	objects, object := c.objects(carrier, trap, label)
	return object != "" && slices.Contains(objects, object)
}

// lacks says whether a trap does not carry an object by its module.
func (c *ruleCompiler) lacks(carrier Carrier, trap Text, label string) bool {
	objects, object := c.objects(carrier, trap, label)
	return object != "" && !slices.Contains(objects, object)
}

// objects returns the objects that a trap carries by its module, and the OID of
// a label; empty: one of both is not known.
func (c *ruleCompiler) objects(carrier Carrier, trap Text, label string) (carried []string, object string) {
	if strings.Contains(trap.Value, "*") {
		return nil, ""
	}
	oid, err := c.namer.OID(trap.Value)
	if err != nil {
		return nil, ""
	}
	carried, known := carrier.Carries(oid)
	if object, err = c.namer.OID(label); err != nil || !known {
		return nil, ""
	}
	return carried, object
}
