package mapping

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// clean returns a copy of s that PagerDuty and Postgres take: valid UTF-8
// without NUL.
func clean(s string) string {
	if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return strings.Clone(s)
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
}

// limit cuts s to at most n characters, the last of them an ellipsis where
// something was cut.
func limit(s string, n int) string {
	if len(s) <= n || utf8.RuneCountInString(s) <= n {
		return s
	}
	end := 0
	for range n - 1 {
		_, size := utf8.DecodeRuneInString(s[end:])
		end += size
	}
	return s[:end] + "…"
}

// clip cuts s to at most n bytes, between characters.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// mendJSON makes valid JSON storable as jsonb: \u0000 is removed, a surrogate
// without its other half and a byte that is not UTF-8 become U+FFFD. It
// returns b itself where nothing is to mend; otherwise b stays as it is.
func mendJSON(b []byte) []byte {
	at := suspect(b)
	if at < 0 {
		return b
	}
	out := append(make([]byte, 0, len(b)+8), b[:at]...)
	for i := at; i < len(b); {
		switch c := b[i]; {
		case c == '\\' && i+1 < len(b) && b[i+1] == 'u':
			var n int
			out, n = mendEscape(out, b[i:])
			i += n
		case c == '\\' && i+1 < len(b):
			out = append(out, c, b[i+1])
			i += 2
		case c < utf8.RuneSelf:
			out = append(out, c)
			i++
		default:
			r, n := utf8.DecodeRune(b[i:])
			out = utf8.AppendRune(out, r)
			i += n
		}
	}
	return out
}

// suspect returns the index of the first escape or byte that may need
// mending; -1: none does.
func suspect(b []byte) int {
	ascii := true
	for i, c := range b {
		if c == '\\' && ascii {
			return i
		}
		if c == '\\' {
			return 0
		}
		ascii = ascii && c < utf8.RuneSelf
	}
	if ascii || utf8.Valid(b) {
		return -1
	}
	return 0
}

// mendEscape appends the \u escape that b starts with, mended, and returns
// how many bytes of b it took.
func mendEscape(out, b []byte) ([]byte, int) {
	r, ok := escaped(b)
	switch {
	case !ok:
		return append(out, b[:2]...), 2
	case r == 0:
		return out, 6
	case !utf16.IsSurrogate(r):
		return append(out, b[:6]...), 6
	}
	if low, ok := escaped(b[6:]); ok && utf16.DecodeRune(r, low) != utf8.RuneError {
		return append(out, b[:12]...), 12
	}
	return append(out, `\ufffd`...), 6
}

// escaped returns the code unit of the \u escape that b starts with.
func escaped(b []byte) (rune, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(b[2:6]), 16, 16)
	return rune(n), err == nil
}
