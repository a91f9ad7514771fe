package mapping

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// Explanation says what rules make of a message, and why they do.
type Explanation struct {
	Result
	Selector string  // what rules are looked up by: "trap IF-MIB::linkDown (1.3.6.1.6.3.1.1.5.3)"
	Message  []byte  // as events.message keeps it
	Given    []Given // what enrich gives
	Looks    []Look  // at the rules whose selector fits, in their order, until one took the message
	Rules    int     // how many there are
	Near     string  // where no selector fits: `; did you mean "…"?`, or empty
}

// Look is one look at a rule: at the whole message, or at one element of each.
type Look struct {
	Rule    string
	Place   Place
	Item    int    // the element, from 0; -1: the rule has no each
	Took    string // match, acknowledge or resolve: it made an event; empty: it did not
	Reasons []Reason
	Given   []Given // what extract and set gave
}

// Reason is why a rule did not take a message.
type Reason struct {
	Key   string // of the rule: from, each, extract, when, resolve.when, …
	Place Place
	Text  string
}

// Given is a name, and the value that something gave it.
type Given struct {
	Name  string
	Value any
}

// Explain applies the rules to m as Apply does, and says why they made what
// they made. It takes its time.
func (rs *Rules) Explain(m *ingest.Message) Explanation {
	t := &tracer{rules: rs}
	x := Explanation{Rules: len(rs.rules)}
	rs.apply(m, &x.Result, t)
	x.Looks = t.looks
	var unseen Result
	s := rs.begin(m, &unseen)
	defer rs.end(s)
	x.Message = s.messageJSON()
	x.Selector = s.selector()
	for _, a := range rs.enrich {
		v, _ := a.expr.run(s) // Apply has met the error
		x.Given = append(x.Given, Given{a.name, v})
	}
	if len(x.Looks) == 0 {
		x.Near = rs.near(m)
	}
	if m.Trap != nil && m.Trap.Community != "" {
		x.hide(m.Trap.Community.Reveal())
	}
	return x
}

// hide covers a secret that rules have read. What is too short to be one is
// covered only where it stands alone.
func (x *Explanation) hide(secret string) {
	const cover, short = "[community]", 4
	text := func(s string) string {
		if s == secret {
			return cover
		}
		if len(secret) < short {
			return s
		}
		return strings.ReplaceAll(s, secret, cover)
	}
	given := func(all []Given) {
		for i, g := range all {
			if s := show(g.Value); text(strings.Trim(s, `"`)) != strings.Trim(s, `"`) {
				all[i].Value = cover
			}
		}
	}
	given(x.Given)
	for i := range x.Looks {
		given(x.Looks[i].Given)
		for j := range x.Looks[i].Reasons {
			r := &x.Looks[i].Reasons[j]
			r.Text = text(r.Text)
		}
	}
	for i, e := range x.Errors {
		x.Errors[i].Err = errors.New(text(e.Err.Error()))
	}
}

// selector says what rules are looked up by.
func (s *scope) selector() string {
	switch {
	case s.m.Trap != nil && s.trapName() != s.m.Trap.OID:
		return "trap " + s.trapName() + " (" + s.m.Trap.OID + ")"
	case s.m.Trap != nil:
		return "trap " + cmp.Or(s.m.Trap.OID, "without an OID")
	case s.m.Line != nil:
		words := slices.DeleteFunc([]string{s.m.Line.Mnemonic, s.m.Line.AppName}, func(w string) bool { return w == "" })
		return "syslog " + cmp.Or(strings.Join(words, " "), "without a tag")
	case s.m.Request != nil:
		return "http " + s.m.Request.Path
	}
	return "nothing"
}

// near returns a selector that is nearly that of m.
func (rs *Rules) near(m *ingest.Message) string {
	switch {
	case m.Line != nil:
		known := names(rs.index.syslog.exact)
		return cmp.Or(DidYouMean(m.Line.Mnemonic, known), DidYouMean(m.Line.AppName, known))
	case m.Request != nil:
		return DidYouMean(m.Request.Path, names(rs.index.http.exact))
	}
	return ""
}

// tracer notes what happens while rules are applied. A nil one notes nothing.
type tracer struct {
	rules *Rules
	looks []Look
}

// last is the look at r that is under way.
func (t *tracer) last() *Look { return &t.looks[len(t.looks)-1] }

func (t *tracer) reason(key string, place Place, format string, args ...any) {
	l := t.last()
	l.Reasons = append(l.Reasons, Reason{Key: key, Place: place, Text: fmt.Sprintf(format, args...)})
}

// look begins a look at a rule.
func (t *tracer) look(s *scope, r *rule) {
	if t == nil {
		return
	}
	l := Look{Rule: r.id, Place: r.place, Item: -1}
	if _, ok := s.env["item"]; ok {
		l.Item = 0
		if n := len(t.looks); n > 0 && t.looks[n-1].Rule == r.id && t.looks[n-1].Item >= 0 {
			l.Item = t.looks[n-1].Item + 1
		}
	}
	t.looks = append(t.looks, l)
}

// missed notes that a message does not come from where an arm says.
func (t *tracer) missed(s *scope, r *rule, arm int) {
	if t == nil {
		return
	}
	t.looks = append(t.looks, Look{Rule: r.id, Place: r.place, Item: -1})
	t.reason(keyOf(arm, "from"), r.place, "the message comes from %s", strings.Join(slices.Compact([]string{s.m.Origin(), address(s.m.Source)}), ", "))
}

// elements notes that each gives no element.
func (t *tracer) elements(r *rule, each *expression, list any, n int) {
	if t == nil || n > 0 {
		return
	}
	t.looks = append(t.looks, Look{Rule: r.id, Place: r.place, Item: -1})
	if list == nil {
		t.reason("each", each.text.Place, "%s is nil", each.text.Value)
		return
	}
	t.reason("each", each.text.Place, "%s has no elements: it is %s", each.text.Value, show(list))
}

// given notes what extract and set gave.
func (t *tracer) given(s *scope, r *rule) {
	if t == nil {
		return
	}
	l := t.last()
	for _, name := range r.clear {
		l.Given = append(l.Given, Given{name, s.env[name]})
	}
	for _, a := range r.set {
		l.Given = append(l.Given, Given{a.name, s.env[a.name]})
	}
}

func (t *tracer) took(arm int) {
	if t != nil {
		l := t.last()
		l.Took, l.Reasons = armNames()[arm], nil
	}
}

// nothing notes that there is no text to extract from.
func (t *tracer) nothing(x *extraction) {
	if t != nil {
		t.reason("extract", x.from.text.Place, "%s is nil", x.from.text.Value)
	}
}

func (t *tracer) undecoded(x *extraction, value string) {
	if t != nil {
		t.reason("extract", x.texts[0].Place, "this is no %s: %s", x.name, show(value))
	}
}

// unfit notes where the patterns of an extraction stopped to fit.
func (t *tracer) unfit(x *extraction, value string) {
	if t == nil {
		return
	}
	for _, pattern := range x.texts {
		t.reason("extract", pattern.Place, "%s", stopped(pattern.Value, value))
	}
}

// stopped says how much of a pattern fits a text, and where it does.
func stopped(pattern, value string) string {
	value = clip(value, maxExtractBytes)
	for i := len(pattern) - 1; i > 0; i-- {
		g, err := CompileGrok(pattern[:i])
		if err != nil {
			continue
		}
		at := g.re.FindStringIndex(value)
		if at == nil || at[1]-at[0] < 3 { // by chance
			continue
		}
		rest := show(value[at[1]:])
		if at[1] == len(value) {
			rest = "the end of the text"
		}
		return fmt.Sprintf("fits up to `%s`, which is %s; `%s` does not fit %s", pattern[:i], show(value[at[0]:at[1]]), pattern[i:], rest)
	}
	return fmt.Sprintf("nothing of `%s` fits %s", pattern, show(value))
}

// untrue notes which clauses of an arm's conditions are not true.
func (t *tracer) untrue(s *scope, r *rule, arm int) {
	if t == nil {
		return
	}
	for _, w := range r.arms[arm].when {
		for _, text := range t.rules.clauses(s, w) {
			t.reason(keyOf(arm, "when"), w.text.Place, "%s", text)
		}
	}
}

func armNames() [arms]string { return [arms]string{"match", "acknowledge", "resolve"} }

// keyOf is a key of an arm as the rule has it.
func keyOf(arm int, key string) string { return armNames()[arm] + "." + key }

// show writes a value down for people, in one line and not all of a long one.
func show(v any) string {
	const most = 100
	b, err := appendValue(nil, v, 0)
	if err != nil || v == nil {
		return text(fmt.Sprint(v))
	}
	if text := []rune(string(b)); len(text) > most {
		return string(text[:most]) + "…"
	}
	return string(b)
}
