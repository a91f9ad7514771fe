package mapping

// field is a key of a rule's event.
type field int

const (
	fieldSummary field = iota
	fieldSource
	fieldSeverity
	fieldTimestamp
	fieldComponent
	fieldGroup
	fieldClass
	fieldCustomDetails
	fieldDedupKey
	fieldClient
	fieldClientURL
	fieldLinks
	fieldImages
	fieldRoute
	fieldCount
)

// EventKeys returns the keys that an event may have in a rule: those of the
// Events API v2, and route.
func EventKeys() []string {
	return []string{
		"summary", "source", "severity", "timestamp", "component", "group", "class", "custom_details",
		"dedup_key", "client", "client_url", "links", "images", "route",
	}
}

// blueprint is a compiled event: a template for each key that is given.
type blueprint [fieldCount]*template

// value evaluates a key, the rule's first. An error is counted, and the
// default takes its place; ok is false where there is none.
func (s *scope) value(r *rule, f field) (v any, ok bool) {
	for _, b := range [...]*blueprint{&r.event, &s.rules.defaults} {
		t := b[f]
		if t == nil {
			continue
		}
		v, err := t.eval(s)
		if err == nil {
			return v, true
		}
		s.failIn(b, placed(err, t.place))
	}
	return nil, false
}

// string is value, as text that PagerDuty and Postgres take.
func (s *scope) string(r *rule, f field) string {
	v, _ := s.value(r, f)
	return clean(text(v))
}

// masked is string, with what the masks find covered.
func (s *scope) masked(r *rule, f field) string { return s.rules.masks.text(s.string(r, f)) }

// severity climbs the ladder of the rule or of the defaults. What a rule does
// not decide is a syslog line's own severity, else warning.
func (s *scope) severity(r *rule) Severity {
	for _, b := range [...]*blueprint{&r.event, &s.rules.defaults} {
		if t := b[fieldSeverity]; t != nil {
			if severity, ok := t.severity(s); ok {
				return severity
			}
		}
	}
	if s.m.Line != nil {
		return ofSyslog(s.m.Line.Severity)
	}
	return Warning
}

// severity is what t says; ok is false where it says nothing or errs.
func (t *template) severity(s *scope) (severity Severity, ok bool) {
	if t.ladder != nil {
		return t.climb(s)
	}
	v, err := t.eval(s)
	if err != nil {
		s.fail(placed(err, t.place))
		return "", false
	}
	word := text(v)
	if word == "" {
		return "", false
	}
	severity, known := SeverityOf(word)
	if !known {
		s.fail(Fault{Place: t.place, Message: `"` + clip(word, 40) + `" is no severity that is known: warning is used`})
	}
	return severity, true
}

func (t *template) climb(s *scope) (Severity, bool) {
	for _, r := range t.ladder {
		v, err := r.when.run(s)
		if err != nil {
			s.fail(err)
		}
		if v == true {
			return r.severity, true
		}
	}
	return "", false
}
