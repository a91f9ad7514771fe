package ingest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxJSONDepth is how deep arrays and objects may be nested: more than any
// event is, less than what Postgres' jsonb and a walk on the stack can take.
const maxJSONDepth = 200

// ErrDeepJSON is DecodeJSON's answer to what is nested too deep.
var ErrDeepJSON = fmt.Errorf("JSON parse error: nested deeper than %d levels", maxJSONDepth)

var errSyntax = errors.New("JSON parse error")

// DecodeJSON decodes one JSON value (RFC 8259) to what Request.Body holds. Of
// a name that comes twice the last value counts. Numbers beyond a float64
// become the greatest there is, and text holds nothing that Postgres cannot
// store (see CleanText). An error names the byte, and quotes nothing: there
// may be a key in raw. Nothing of the value aliases raw.
func DecodeJSON(raw []byte) (any, error) {
	d := jsonDecoder{text: string(raw)}
	v, err := d.value(0)
	if errors.Is(err, errSyntax) {
		return nil, syntaxFault(raw, d.at)
	}
	if err != nil {
		return nil, err
	}
	if d.space(); d.at < len(d.text) {
		return nil, fmt.Errorf("JSON parse error: %d more bytes follow the end of the JSON value", len(d.text)-d.at)
	}
	return v, nil
}

// syntaxFault has encoding/json say what is wrong: it says it well, and what
// is wrong need not be read fast.
func syntaxFault(raw []byte, at int) error {
	err := json.NewDecoder(strings.NewReader(string(raw))).Decode(new(json.RawMessage))
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("JSON parse error: the body ends within a value, after %d bytes", len(raw))
	}
	if fault, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("JSON parse error at byte %d of %d: %w", fault.Offset, len(raw), fault)
	}
	return fmt.Errorf("JSON parse error at byte %d of %d", at+1, len(raw))
}

// jsonDecoder reads text in one pass. Strings without escapes alias text.
type jsonDecoder struct {
	text string
	at   int
}

func (d *jsonDecoder) space() {
	for d.at < len(d.text) {
		switch d.text[d.at] {
		case ' ', '\t', '\r', '\n':
			d.at++
		default:
			return
		}
	}
}

// next returns the byte that follows white space; 0: the text ends.
func (d *jsonDecoder) next() byte {
	d.space()
	if d.at == len(d.text) {
		return 0
	}
	return d.text[d.at]
}

// took moves past c where that is what comes next.
func (d *jsonDecoder) took(c byte) bool {
	if d.next() != c {
		return false
	}
	d.at++
	return true
}

func (d *jsonDecoder) value(depth int) (any, error) {
	switch d.next() {
	case '{':
		return d.object(depth + 1)
	case '[':
		return d.array(depth + 1)
	case '"':
		return d.string()
	case 't':
		return true, d.word("true")
	case 'f':
		return false, d.word("false")
	case 'n':
		return nil, d.word("null")
	}
	return d.number()
}

func (d *jsonDecoder) object(depth int) (any, error) {
	if depth > maxJSONDepth {
		return nil, ErrDeepJSON
	}
	d.at++
	object := map[string]any{}
	if d.took('}') {
		return object, nil
	}
	for {
		if d.next() != '"' {
			return nil, errSyntax
		}
		name, err := d.string()
		if err != nil || !d.took(':') {
			return nil, errSyntax
		}
		if object[name], err = d.value(depth); err != nil {
			return nil, err
		}
		if d.took('}') {
			return object, nil
		}
		if !d.took(',') {
			return nil, errSyntax
		}
	}
}

func (d *jsonDecoder) array(depth int) (any, error) {
	if depth > maxJSONDepth {
		return nil, ErrDeepJSON
	}
	d.at++
	array := []any{}
	if d.took(']') {
		return array, nil
	}
	for {
		v, err := d.value(depth)
		if err != nil {
			return nil, err
		}
		array = append(array, v)
		if d.took(']') {
			return array, nil
		}
		if !d.took(',') {
			return nil, errSyntax
		}
	}
}

func (d *jsonDecoder) word(w string) error {
	if !strings.HasPrefix(d.text[d.at:], w) {
		return errSyntax
	}
	d.at += len(w)
	return nil
}

func (d *jsonDecoder) string() (string, error) {
	d.at++
	start := d.at
	for ; d.at < len(d.text); d.at++ {
		switch c := d.text[d.at]; {
		case c == '"':
			d.at++
			return d.text[start : d.at-1], nil
		case c == '\\' || c >= utf8.RuneSelf:
			return d.mended(start)
		case c < ' ':
			return "", errSyntax
		}
	}
	return "", errSyntax
}

// mended reads on a string, begun at start, that has escapes or bytes beyond
// ASCII.
func (d *jsonDecoder) mended(start int) (string, error) {
	var b strings.Builder
	b.WriteString(d.text[start:d.at])
	for d.at < len(d.text) {
		c := d.text[d.at]
		switch {
		case c == '"':
			d.at++
			return b.String(), nil
		case c < ' ':
			return "", errSyntax
		case c == '\\':
			r, ok := d.escape()
			if !ok {
				return "", errSyntax
			}
			b.WriteRune(r)
		case c < utf8.RuneSelf:
			b.WriteByte(c)
			d.at++
		default:
			r, n := utf8.DecodeRuneInString(d.text[d.at:])
			b.WriteRune(r)
			d.at += n
		}
	}
	return "", errSyntax
}

// escape reads an escape sequence. NUL and half a surrogate pair are U+FFFD.
func (d *jsonDecoder) escape() (rune, bool) {
	if d.at+1 >= len(d.text) {
		return 0, false
	}
	c := d.text[d.at+1]
	if c != 'u' {
		d.at += 2
		i := strings.IndexByte(`"\/bfnrt`, c)
		if i < 0 {
			return 0, false
		}
		return rune("\"\\/\b\f\n\r\t"[i]), true
	}
	r, ok := d.hex4(d.at)
	if !ok {
		return 0, false
	}
	d.at += 6
	if utf16.IsSurrogate(r) {
		low, ok := d.hex4(d.at)
		if r = utf16.DecodeRune(r, low); ok && r != utf8.RuneError {
			d.at += 6
			return r, true
		}
		return utf8.RuneError, true
	}
	if r == 0 {
		return utf8.RuneError, true
	}
	return r, true
}

// hex4 returns what \uXXXX at i says.
func (d *jsonDecoder) hex4(i int) (rune, bool) {
	if i+6 > len(d.text) || d.text[i] != '\\' || d.text[i+1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range []byte(d.text[i+2 : i+6]) {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// number reads what RFC 8259 section 6 calls a number.
func (d *jsonDecoder) number() (any, error) {
	start := d.at
	if d.at < len(d.text) && d.text[d.at] == '-' {
		d.at++
	}
	first := d.at
	if d.digits() == 0 || d.text[first] == '0' && d.at > first+1 {
		return nil, errSyntax
	}
	if d.at < len(d.text) && d.text[d.at] == '.' {
		if d.at++; d.digits() == 0 {
			return nil, errSyntax
		}
	}
	if d.at < len(d.text) && d.text[d.at]|0x20 == 'e' {
		if d.at++; d.at < len(d.text) && (d.text[d.at] == '+' || d.text[d.at] == '-') {
			d.at++
		}
		if d.digits() == 0 {
			return nil, errSyntax
		}
	}
	return numberOf(d.text[start:d.at]), nil
}

// digits moves past digits and returns how many there are.
func (d *jsonDecoder) digits() int {
	start := d.at
	for d.at < len(d.text) && '0' <= d.text[d.at] && d.text[d.at] <= '9' {
		d.at++
	}
	return d.at - start
}

// numberOf is an int where s is integral and fits, else a float64.
func numberOf(s string) any {
	if !strings.ContainsAny(s, ".eE") {
		if i, err := strconv.Atoi(s); err == nil {
			return i
		}
	}
	f, _ := strconv.ParseFloat(s, 64) // on overflow ±Inf
	f = min(max(f, -math.MaxFloat64), math.MaxFloat64)
	if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		return int(f)
	}
	return f
}

// CleanText replaces what text in Postgres cannot hold, NUL and bytes that are
// not UTF-8, by U+FFFD.
func CleanText(s string) string {
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "\uFFFD")
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
