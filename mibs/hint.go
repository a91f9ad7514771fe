package mibs

import (
	"encoding/hex"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// integerHint is a DISPLAY-HINT for integers (RFC 2579 section 3.1).
type integerHint struct {
	radix int
	scale float64 // 10^N of "d-N"; 1: none
}

// newIntegerHint returns nil for a hint that it does not understand, and for
// "d", which changes nothing.
func newIntegerHint(s string) *integerHint {
	switch s {
	case "x":
		return &integerHint{radix: 16}
	case "o":
		return &integerHint{radix: 8}
	case "b":
		return &integerHint{radix: 2}
	}
	places, ok := strings.CutPrefix(s, "d-")
	if n, err := strconv.Atoi(places); ok && err == nil && 0 < n && n <= 18 {
		return &integerHint{radix: 10, scale: math.Pow10(n)}
	}
	return nil
}

func (h *integerHint) signed(v int64) any {
	if h.radix == 10 {
		return float64(v) / h.scale
	}
	return strconv.FormatInt(v, h.radix)
}

func (h *integerHint) unsigned(v uint64) any {
	if h.radix == 10 {
		return float64(v) / h.scale
	}
	return strconv.FormatUint(v, h.radix)
}

// octetHint is a DISPLAY-HINT for octet strings: specifications of which the
// last one is used again for all octets that remain.
type octetHint struct {
	specs []octetSpec
	text  bool // nothing but text
}

// octetSpec is one octet-format specification of RFC 2579 section 3.1, by its
// five parts.
type octetSpec struct {
	repeat     bool   // an octet before says how often it is used
	length     int    // octets that each use takes
	format     byte   // x, d, o, a or t
	separator  string // a character after each use, or empty
	terminator string // a character after all uses of a repeat, or empty
}

// newOctetHint returns nil for a hint that it does not understand.
func newOctetHint(s string) *octetHint {
	h := octetHint{text: true}
	for s != "" {
		var spec octetSpec
		var ok bool
		if spec, s, ok = parseSpec(s); !ok {
			return nil
		}
		h.text = h.text && !spec.repeat && spec.separator == "" && (spec.format == 'a' || spec.format == 't')
		h.specs = append(h.specs, spec)
	}
	if n := len(h.specs); n == 0 || h.specs[n-1].length == 0 && !h.specs[n-1].repeat {
		return nil // would never come to an end
	}
	return &h
}

func parseSpec(s string) (spec octetSpec, rest string, ok bool) {
	s, spec.repeat = cutByte(s, '*')
	digits := len(s) - len(strings.TrimLeft(s, "0123456789"))
	length, err := strconv.Atoi(s[:digits])
	if err != nil || length > math.MaxUint16 || digits == len(s) || !strings.Contains("xdoat", s[digits:digits+1]) {
		return spec, "", false
	}
	spec.length, spec.format, s = length, s[digits], s[digits+1:]
	if s, spec.separator = cutSeparator(s); spec.separator != "" && spec.repeat {
		s, spec.terminator = cutSeparator(s)
	}
	return spec, s, true
}

func cutByte(s string, c byte) (rest string, found bool) {
	if s != "" && s[0] == c {
		return s[1:], true
	}
	return s, false
}

// cutSeparator cuts a character that is neither a digit nor a star.
func cutSeparator(s string) (rest, c string) {
	if s == "" || s[0] == '*' || '0' <= s[0] && s[0] <= '9' {
		return s, ""
	}
	_, n := utf8.DecodeRuneInString(s)
	return s[n:], s[:n]
}

// format writes b as the hint says; ok is false where the hint wants text and
// b is none.
func (h *octetHint) format(b []byte) (text string, ok bool) {
	if h.text {
		return printable(b)
	}
	out := make([]byte, 0, 4*len(b))
	for i := 0; len(b) > 0; i++ {
		spec := &h.specs[min(i, len(h.specs)-1)]
		if out, b, ok = spec.format1(out, b); !ok {
			return "", false
		}
	}
	return string(out), true
}

// format1 appends what one specification makes of the beginning of b, and
// returns the rest of b. A separator comes between uses, never at the end.
func (s *octetSpec) format1(out, b []byte) (_, rest []byte, ok bool) {
	uses := 1
	if s.repeat {
		uses, b = int(b[0]), b[1:]
	}
	for i := 0; i < uses && len(b) > 0; i++ {
		n := min(s.length, len(b))
		if out, ok = s.octets(out, b[:n]); !ok {
			return nil, nil, false
		}
		b = b[n:]
		if s.separator != "" && len(b) > 0 && (i < uses-1 || s.terminator == "") {
			out = append(out, s.separator...)
		}
	}
	if s.terminator != "" && len(b) > 0 {
		out = append(out, s.terminator...)
	}
	return out, b, true
}

// octets appends one use: text, or an unsigned number whose first octet is the
// highest. Hexadecimal is padded to the octets' width.
func (s *octetSpec) octets(out, b []byte) (_ []byte, ok bool) {
	switch s.format {
	case 'x':
		return hex.AppendEncode(out, b), true
	case 'd':
		return appendNumber(out, b, 10), true
	case 'o':
		return appendNumber(out, b, 8), true
	}
	text, ok := printable(b)
	return append(out, text...), ok
}

func appendNumber(out, b []byte, radix int) []byte {
	if len(b) > 8 {
		return new(big.Int).SetBytes(b).Append(out, radix)
	}
	var n uint64
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	return strconv.AppendUint(out, n, radix)
}
