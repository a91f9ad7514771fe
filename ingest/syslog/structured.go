package syslog

import "strings"

// structuredData reads STRUCTURED-DATA and the blank behind it. It takes what
// RFC 5424 section 6.3 allows and what is seen besides: a value without quotes
// or in typographic ones, blanks around =, brackets in quotes that are not
// escaped, [] and Check Point's [name:"value"; name:"value"]. What is none of
// these is left to the text.
func (r *reading) structuredData(s string) string {
	if s != "" && s[0] == '-' && (len(s) == 1 || s[1] <= ' ') {
		return s[min(2, len(s)):]
	}
	rest := r.elements(s)
	if len(rest) == len(s) {
		return s
	}
	return strings.TrimPrefix(rest, " ")
}

// elements reads SD-ELEMENTs while there are any.
func (r *reading) elements(s string) (rest string) {
	for s != "" && s[0] == '[' {
		var e element
		rest, ok := e.read(s[1:])
		if !ok {
			return s
		}
		s = rest
		switch {
		case e.id != "":
			r.file(e.id, e.params)
		case e.params != nil:
			r.file(r.line.AppName, e.params) // Check Point names no SD-ID
		}
	}
	return s
}

// file adds params to those of id. A name that came before gets both values,
// with a comma between them.
func (r *reading) file(id string, params map[string]string) {
	if r.line.StructuredData == nil {
		r.line.StructuredData = make(map[string]map[string]string, 2)
	}
	known, again := r.line.StructuredData[id]
	if !again {
		if params == nil {
			params = map[string]string{}
		}
		r.line.StructuredData[id] = params
		return
	}
	for name, value := range params {
		addParam(known, name, value)
	}
}

// maxJoined bounds in bytes what the values of a name that is given again and
// again are joined to, which costs the square of it.
const maxJoined = 1024

func addParam(params map[string]string, name, value string) {
	if before, again := params[name]; again {
		if len(before) > maxJoined {
			return
		}
		value = before + "," + value
	}
	params[name] = value
}

// element is an SD-ELEMENT.
type element struct {
	id     string
	params map[string]string
}

// read reads an element behind its bracket.
func (e *element) read(s string) (rest string, ok bool) {
	n := nameLength(s)
	if n < len(s) && s[n] == ':' && strings.HasPrefix(s[n+1:], `"`) {
		n = 0 // no SD-ID
	}
	e.id, s = s[:n], s[n:]
	for {
		s = strings.TrimLeft(s, " ;")
		if s == "" {
			return s, false
		}
		if s[0] == ']' {
			return s[1:], e.id != "" || e.params != nil || n == 0
		}
		if s, ok = e.param(s); !ok {
			return s, false
		}
	}
}

// param reads NAME=VALUE.
func (e *element) param(s string) (rest string, ok bool) {
	n := nameLength(s)
	name, s := s[:n], skipBlanks(s[n:])
	if n == 0 || s == "" || s[0] != '=' && s[0] != ':' {
		return s, false
	}
	value, rest, ok := paramValue(skipBlanks(s[1:]))
	if !ok {
		return s, false
	}
	if e.params == nil {
		e.params = make(map[string]string, 8)
	}
	addParam(e.params, name, value)
	return rest, true
}

// nameLength returns how long the SD-NAME is that s begins with (RFC 5424
// section 6: printable ASCII without =, blank, ] and "), without a colon that
// a quote follows.
func nameLength(s string) int {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '=', ']', '"', '[':
			return i
		case ':':
			if strings.HasPrefix(s[i+1:], `"`) {
				return i
			}
		default:
			if c <= ' ' || c >= 0x7f {
				return i
			}
		}
	}
	return len(s)
}

// paramValue reads a value and its quotes.
func paramValue(s string) (value, rest string, ok bool) {
	for _, q := range [...]struct{ open, shut string }{{`"`, `"`}, {"“", "”"}, {"”", "”"}, {"„", "“"}} {
		if strings.HasPrefix(s, q.open) {
			return quoted(s[len(q.open):], q.shut)
		}
	}
	n := 0
	for n < len(s) && s[n] > ' ' && s[n] != ']' && s[n] != '"' {
		n++
	}
	return s[:n], s[n:], n > 0
}

// quoted reads up to the closing quote. A backslash escapes a quote, a bracket
// and a backslash; before anything else it stands for itself.
func quoted(s, shut string) (value, rest string, ok bool) {
	escaped := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && isEscaped(s[i+1]):
			escaped = true
			i++
		case strings.HasPrefix(s[i:], shut):
			value = s[:i]
			if escaped {
				value = unescape(value)
			}
			return value, s[i+len(shut):], true
		}
	}
	return "", s, false
}

func isEscaped(c byte) bool { return c == '"' || c == '\\' || c == ']' }

func unescape(s string) string {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) && isEscaped(s[i+1]) {
			i++
		}
		out = append(out, s[i])
	}
	return string(out)
}
