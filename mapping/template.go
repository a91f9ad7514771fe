package mapping

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// template is a compiled Value: a constant, a text with expressions in it, a
// list, a mapping or a severity ladder.
type template struct {
	place    Place
	constant any  // when static
	static   bool //
	parts    []part
	list     []*template
	keys     []string // of a mapping, beside list
	ladder   []rung
}

// part is a piece of a text: literal, or an expression.
type part struct {
	literal string
	expr    *expression // nil: a literal
}

var errNil = errors.New("a part of the dedup_key is nil")

// eval returns the value of t: object for mappings, []any for lists.
func (t *template) eval(s *scope) (any, error) {
	switch {
	case t.static:
		return t.constant, nil
	case t.keys != nil:
		return t.object(s)
	case t.list != nil:
		return t.items(s), nil
	case len(t.parts) == 1 && t.parts[0].expr != nil:
		return t.parts[0].expr.run(s)
	}
	return t.text(s, false)
}

// text returns t, a text, with its expressions filled in. Nil is empty, or,
// in a key, an error.
func (t *template) text(s *scope, key bool) (string, error) {
	if t.static {
		return text(t.constant), nil
	}
	if len(t.parts) == 0 {
		v, err := t.eval(s)
		return text(v), err
	}
	s.buf = s.buf[:0]
	for _, p := range t.parts {
		if p.expr == nil {
			s.buf = append(s.buf, p.literal...)
			continue
		}
		v, err := p.expr.run(s)
		if err != nil {
			return "", err
		}
		if v == nil && key {
			return "", Fault{Place: p.expr.text.Place, Message: errNil.Error()}
		}
		s.buf = append(s.buf, text(v)...)
		if len(s.buf) > maxValueBytes {
			return "", Fault{Place: t.place, Message: errTooLarge.Error()}
		}
	}
	return string(s.buf), nil
}

// items returns a list. An element that errs is nil, and counted.
func (t *template) items(s *scope) []any {
	list := make([]any, len(t.list))
	for i, e := range t.list {
		v, err := e.eval(s)
		if err != nil {
			s.fail(placed(err, e.place))
			continue
		}
		list[i] = v
	}
	return list
}

// object returns a mapping as JSON members in the order of the rule file. A
// value that errs is left out and counted, so that one bug does not cost the
// others.
func (t *template) object(s *scope) (object, error) {
	o := make(object, 0, len(t.keys))
	for i, e := range t.list {
		v, err := e.eval(s)
		if err == nil {
			var b []byte
			if b, err = appendValue(nil, v, 0); err == nil {
				o = append(o, member{t.keys[i], b})
				continue
			}
		}
		s.fail(placed(err, e.place))
	}
	return o, nil
}

// placed gives an error a place where it has none.
func placed(err error, at Place) error {
	var f Fault
	if errors.As(err, &f) {
		return err
	}
	return Fault{Place: at, Message: err.Error()}
}

// template compiles a value. local are the names that the rule gives.
func (c *exprCompiler) template(v Value, local []string) (*template, Faults) {
	t := &template{place: v.Text.Place}
	var faults Faults
	switch v.Kind {
	case Plain:
		t.constant, t.static = v.Scalar, true
	case Template:
		faults = c.textTemplate(t, v.Text, local)
	case List:
		t.list = make([]*template, len(v.List))
		for i, e := range v.List {
			child, fs := c.template(e, local)
			t.list[i] = child
			faults = append(faults, fs...)
		}
	case Mapping:
		t.list, t.keys = make([]*template, len(v.Map)), make([]string, len(v.Map))
		for i, e := range v.Map {
			child, fs := c.template(e.Value, local)
			t.list[i], t.keys[i] = child, e.Key.Value
			faults = append(faults, fs...)
		}
	}
	return t, faults
}

// textTemplate compiles the parts of a string.
func (c *exprCompiler) textTemplate(t *template, x Text, local []string) (faults Faults) {
	var literal strings.Builder
	flush := func() {
		if literal.Len() > 0 {
			t.parts = append(t.parts, part{literal: literal.String()})
			literal.Reset()
		}
	}
	for i := 0; i < len(x.Value); {
		rest := x.Value[i:]
		switch {
		case strings.HasPrefix(rest, "$${"):
			literal.WriteString("${")
			i += 3
		case strings.HasPrefix(rest, "${"):
			n := closing(rest)
			if n < 0 {
				at := x.At(utf8.RuneCountInString(x.Value[:i]))
				return append(faults, Fault{Place: at, Message: "this ${ has no closing }; write $${ for the characters themselves"})
			}
			c.inText = true
			e, fs := c.compile(x.slice(i+2, i+n), local, 0)
			c.inText = false
			faults = append(faults, fs...)
			flush()
			t.parts = append(t.parts, part{expr: e})
			i += n + 1
		default:
			literal.WriteByte(x.Value[i])
			i++
		}
	}
	if len(t.parts) == 0 {
		t.constant, t.static = clean(literal.String()), true
		return faults
	}
	flush()
	return faults
}

// closing returns the index of the } that closes the ${ that s starts with;
// -1: there is none. Braces in quotes and of maps do not count.
func closing(s string) int {
	depth, quote := 0, byte(0)
	for i := 2; i < len(s); i++ {
		c := s[i]
		switch {
		case quote != 0:
			if c == '\\' && quote != '`' {
				i++
			} else if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'' || c == '`':
			quote = c
		case c == '{':
			depth++
		case c == '}' && depth == 0:
			return i
		case c == '}':
			depth--
		}
	}
	return -1
}
