package mapping

import (
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
)

// masker covers what a mask finds in a text.
type masker struct {
	name    string
	re      *regexp.Regexp // finds candidates
	replace string         // what takes their place, as regexp.Expand reads it

	// check narrows a candidate down to what is to be covered, as a match of
	// re must often be looked at again: its neighbours, its check digits. nil:
	// all of it is.
	check func(s string, from, to int) (int, int)

	// needs says what a text must have for re to find anything in it.
	needs func(t traits) bool

	address bool // it covers addresses, and so leaves those of links alone
	secrets bool // it covers all that stands under a name like password
}

// masks are the masks of a set of rules, in order.
type masks []masker

// text covers what the masks find in s.
func (ms masks) text(s string) string { return ms.cover(s, false) }

// cover covers what the masks find in s; of a link not what covers addresses.
func (ms masks) cover(s string, link bool) string {
	if len(ms) == 0 || s == "" {
		return s
	}
	t := traitsOf(s)
	for i := range ms {
		m := &ms[i]
		if m.address && link || m.needs != nil && !m.needs(t) {
			continue
		}
		if covered := m.cover(s); covered != s {
			s, t = covered, traitsOf(covered)
		}
	}
	return s
}

// traits are what a glance at a text tells: most texts have nothing to cover,
// and regular expressions take long to see it.
type traits struct {
	digits, dots, colons int
	at, equals           bool // has @, =
	longest              int  // row of letters, digits, _ and -
}

func traitsOf(s string) (t traits) {
	row := 0
	for i := range len(s) {
		c := s[i]
		if isWord(c) || c == '-' {
			if row++; row > t.longest {
				t.longest = row
			}
		} else {
			row = 0
		}
		switch {
		case isDigit(c):
			t.digits++
		case c == '.':
			t.dots++
		case c == ':':
			t.colons++
		case c == '@':
			t.at = true
		case c == '=':
			t.equals = true
		}
	}
	return t
}

// link covers what the masks find in an address that somebody is to follow:
// not the address itself.
func (ms masks) link(s string) string { return ms.cover(s, true) }

// cover returns s itself where there is nothing to cover.
func (m *masker) cover(s string) string {
	var out []byte
	done := 0
	for at := 0; at < len(s); {
		found := m.re.FindStringSubmatchIndex(s[at:])
		if found == nil {
			break
		}
		for i := range found {
			if found[i] >= 0 {
				found[i] += at
			}
		}
		from, to := found[0], found[1]
		at = max(to, from+1)
		if m.check != nil {
			first := from
			if from, to = m.check(s, from, to); from == to {
				at = skipCandidate(s, first, to)
				continue
			}
			at = to
		}
		if from == to && to == len(s) {
			break
		}
		out = append(out, s[done:from]...)
		out = m.re.ExpandString(out, m.replace, s, found)
		done = to
	}
	if done == 0 {
		return s
	}
	return string(append(out, s[done:]...))
}

// skipCandidate returns where to look on after a candidate that was none:
// behind the word that it starts with, but not before next.
func skipCandidate(s string, from, next int) int {
	i := from + 1
	for i < len(s) && isWord(s[i]) {
		i++
	}
	return max(i, next)
}

func isWord(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c >= 0x80
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// member covers what the masks find in a text that stands under a name.
func (ms masks) member(name, s string) string {
	if ms.secret(name) && s != "" {
		return coveredToken
	}
	return ms.text(s)
}

// secret says whether what stands under a name is to be covered whole.
func (ms masks) secret(name string) bool {
	for i := range ms {
		if ms[i].secrets && secretName(name) {
			return true
		}
	}
	return false
}

func secretName(name string) bool {
	name = strings.ToLower(name)
	for _, word := range []string{"password", "passwd", "passphrase", "secret", "token", "api_key", "apikey", "api-key", "access_key", "private_key", "credential"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}

// maskJSON covers what the masks find in the texts of b, which is valid JSON.
// Names of members, numbers and all else stay as they are, byte for byte; kind
// says what the text of a member is, by the name that the member stands under
// and its own; nil: all are plain. It returns b itself where there is nothing to cover.
func (ms masks) maskJSON(b []byte, kind func(parent, name string) textKind) []byte {
	if len(ms) == 0 || len(b) == 0 {
		return b
	}
	w := jsonMasker{masks: ms, kind: kind, in: b}
	w.value("", "", 0)
	if w.out == nil {
		return b
	}
	return append(w.out, b[w.copied:]...)
}

// body covers what the masks find in a body that is passed on byte for byte:
// the texts of JSON, the values of a form, or the whole text. It returns b
// itself where there is nothing to cover.
func (ms masks) body(b []byte, contentType string) []byte {
	switch {
	case len(ms) == 0 || len(b) == 0:
		return b
	case json.Valid(b):
		return ms.maskJSON(b, postedKind)
	case contentType == "application/x-www-form-urlencoded":
		return ms.form(b)
	}
	if s := string(b); ms.text(s) != s {
		return []byte(ms.text(s))
	}
	return b
}

// form covers values of a form. Those that hold nothing to cover stay as they
// are encoded.
func (ms masks) form(b []byte) []byte {
	pairs := strings.Split(string(b), "&")
	changed := false
	for i, pair := range pairs {
		key, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(key)
		s, errValue := url.QueryUnescape(value)
		if err != nil || errValue != nil || postedKind("", name) == keptText {
			continue
		}
		if covered := ms.member(name, s); covered != s {
			pairs[i], changed = key+"="+url.QueryEscape(covered), true
		}
	}
	if !changed {
		return b
	}
	return []byte(strings.Join(pairs, "&"))
}

// coveredToken takes the place of what stands under the name of a secret.
const coveredToken = "[token]"

// textKind is what a text of a JSON value is.
type textKind int

const (
	plainText  textKind = iota
	linkText            // an address that somebody is to follow
	keptText            // a key, an identity: it is not covered, where it is a text
	keptWhole           // neither it is covered, nor what is in it
	secretText          // it is covered whole
)

// jsonMasker goes through valid JSON once.
type jsonMasker struct {
	masks  masks
	kind   func(parent, name string) textKind
	in     []byte
	at     int
	out    []byte // nil: nothing was covered yet
	copied int    // how much of in is in out
}

func (w *jsonMasker) space() {
	for w.at < len(w.in) && (w.in[w.at] == ' ' || w.in[w.at] == '\n' || w.in[w.at] == '\t' || w.in[w.at] == '\r') {
		w.at++
	}
}

// value covers the value that starts here, which stands under name, which
// stands under parent.
func (w *jsonMasker) value(parent, name string, depth int) {
	w.space()
	if w.at >= len(w.in) {
		return
	}
	switch w.in[w.at] {
	case '"':
		w.string(parent, name)
	case '{', '[':
		if w.kind != nil && w.kind(parent, name) == keptWhole {
			w.at += valueEnd(w.in[w.at:])
			return
		}
		w.members(parent, name, depth)
	default:
		for w.at < len(w.in) && !strings.ContainsRune(",]} \n\t\r", rune(w.in[w.at])) {
			w.at++
		}
	}
}

// members goes through an object or a list. What is nested too deep is passed
// over: our own values are not, and others are refused at the door.
func (w *jsonMasker) members(parent, name string, depth int) {
	object := w.in[w.at] == '{'
	if depth > maxValueDepth*100 {
		w.at += valueEnd(w.in[w.at:])
		return
	}
	for w.at++; w.at < len(w.in); {
		w.space()
		switch w.in[w.at] {
		case '}', ']':
			w.at++
			return
		case ',':
			w.at++
			continue
		}
		if !object {
			w.value(parent, name, depth+1)
			continue
		}
		end := w.at + stringEnd(w.in[w.at:])
		key := unquote(w.in[w.at:end])
		w.at = end
		w.space()
		w.at++ // the colon
		w.value(name, key, depth+1)
	}
}

func (w *jsonMasker) string(parent, name string) {
	from, to := w.at, w.at+stringEnd(w.in[w.at:])
	w.at = to
	kind := plainText
	if w.kind != nil {
		kind = w.kind(parent, name)
	}
	if kind == plainText && w.masks.secret(name) {
		kind = secretText
	}
	if kind == keptText || kind == keptWhole {
		return
	}
	s := unquote(w.in[from:to])
	if covered := w.cover(s, kind); covered != s {
		w.out = append(w.out, w.in[w.copied:from]...)
		w.out = appendString(w.out, covered)
		w.copied = to
	}
}

func (w *jsonMasker) cover(s string, kind textKind) string {
	switch {
	case kind == linkText:
		return w.masks.link(s)
	case kind == secretText && s != "":
		return coveredToken
	}
	if t := strings.TrimSpace(s); len(t) > 1 && (t[0] == '{' || t[0] == '[') && json.Valid([]byte(t)) {
		return string(w.masks.maskJSON([]byte(s), nil)) // JSON in a text, as some senders have it
	}
	return w.masks.text(s)
}
