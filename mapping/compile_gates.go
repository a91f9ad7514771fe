package mapping

import "time"

// The limits of a rule set that says nothing else.
func defaultStorm() Storm { return Storm{Alerts: 100, Within: time.Minute} }

func defaultFlapping() Flapping {
	return Flapping{Changes: 6, Within: 15 * time.Minute, Quiet: 5 * time.Minute}
}

// stormOf returns what a rule or a rule set says, with base for the rest.
func stormOf(l *LimitSpec, base Storm) Storm {
	switch {
	case l == nil:
		return base
	case l.Off:
		return Storm{}
	}
	s := Storm{l.Count, l.Within}
	if s.Alerts == 0 {
		s.Alerts = defaultStorm().Alerts
	}
	if s.Within == 0 {
		s.Within = defaultStorm().Within
	}
	return s
}

func flappingOf(l *LimitSpec, base Flapping) Flapping {
	switch {
	case l == nil:
		return base
	case l.Off:
		return Flapping{}
	}
	f := Flapping{l.Count, l.Within, l.Quiet}
	if f.Changes == 0 {
		f.Changes = defaultFlapping().Changes
	}
	if f.Within == 0 {
		f.Within = defaultFlapping().Within
	}
	if f.Quiet == 0 {
		f.Quiet = f.Within / 3
	}
	return f
}

// gates compiles the gates of a rule: those that its triggers share, those of
// its other events, and those that a posted event gets. nil: there are none.
func (c *ruleCompiler) gates(r *rule, spec *RuleSpec, local []string) {
	own := Gates{Hold: spec.Hold, Repeat: spec.Repeat, ResolveAfter: spec.ResolveAfter}
	if spec.Threshold != nil {
		own.Threshold = Threshold{spec.Threshold.Count, spec.Threshold.Within}
	}
	if spec.UnlessOpen.Value != "" {
		t, faults := c.template(Value{Text: spec.UnlessOpen}, local)
		c.faults = append(c.faults, faults...)
		r.parent = t
	}
	posted := own
	if spec.Flapping != nil {
		posted.Flapping = flappingOf(spec.Flapping, c.flapping)
	}
	own.Storm, own.Flapping = stormOf(spec.Storm, c.storm), flappingOf(spec.Flapping, c.flapping)
	r.gates, r.later, r.posted = c.shared(own), c.shared(Gates{Flapping: own.Flapping}), c.shared(posted)
	c.checkGates(spec)
}

// shared returns the one copy of g that all rules share; nil where it says
// nothing.
func (c *ruleCompiler) shared(g Gates) *Gates {
	if g == (Gates{}) {
		return nil
	}
	if c.allGates[g] == nil {
		c.allGates[g] = &g
	}
	return c.allGates[g]
}

// checkGates finds gates of rules that send nothing, and those that cannot
// have an effect.
func (c *ruleCompiler) checkGates(spec *RuleSpec) {
	gated := spec.Threshold != nil || spec.Hold > 0 || spec.Repeat > 0 || spec.ResolveAfter > 0 || spec.UnlessOpen.Value != ""
	if gated && (spec.Drop || spec.Suppress) {
		c.fault(spec.Place, "threshold, hold, unless_open, repeat and resolve_after are about what is sent: this rule sends nothing")
	}
	if spec.Threshold != nil && spec.Threshold.Count == 1 {
		c.warn(spec.Threshold.Place, "a threshold of 1 is reached by the first message")
	}
	if spec.ResolveAfter > 0 && spec.Hold > spec.ResolveAfter {
		c.warn(spec.Place, "resolve_after ends the alert before hold lets it be sent: it is sent only while messages keep coming")
	}
}

// triggerGates returns the gates of an event that opens something. They are
// those that the rule's events share, where nothing in them depends on the
// message.
func (s *scope) triggerGates(r *rule) *Gates {
	return s.withMoment(r.gates, s.parent(r))
}

// withMoment adds to shared gates what the message decides.
func (s *scope) withMoment(shared *Gates, parent string) *Gates {
	window := s.maintenance()
	if window == nil && parent == "" {
		return shared
	}
	g := Gates{}
	if shared != nil {
		g = *shared
	}
	g.Maintenance, g.UnlessOpen = window, parent
	return &g
}

// parent is the dedup_key of the alert while which r's is not sent.
func (s *scope) parent(r *rule) string {
	if r.parent == nil {
		return ""
	}
	key, err := r.parent.text(s, false)
	if err != nil {
		s.fail(placed(err, r.parent.place))
		return ""
	}
	return shorten(clean(key))
}

// postedGates adds what a rule names to the gates that a posted event has.
func (s *scope) postedGates(r *rule, before *Gates) *Gates {
	parent := s.parent(r)
	if r.posted == nil && parent == "" {
		return before
	}
	g := Gates{}
	if before != nil {
		g = *before
	}
	if parent != "" {
		g.UnlessOpen = parent
	}
	if p := r.posted; p != nil {
		g.Hold, g.Repeat, g.ResolveAfter = given(p.Hold, g.Hold), given(p.Repeat, g.Repeat), given(p.ResolveAfter, g.ResolveAfter)
		if p.Threshold != (Threshold{}) {
			g.Threshold = p.Threshold
		}
		if p.Flapping != (Flapping{}) {
			g.Flapping = p.Flapping
		}
	}
	return &g
}

// given returns d where a rule gives it, else what was before.
func given(d, before time.Duration) time.Duration {
	if d != 0 {
		return d
	}
	return before
}
