package mapping

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// Limits of a value that a rule makes, so that no message can make a rule
// write without end.
const (
	maxValueBytes = 1 << 20
	maxValueDepth = 100
)

var errTooLarge = errors.New("the value is larger than 1 MiB or nested deeper than 100")

// appendString appends s as a JSON string that jsonb takes: NUL is left out,
// and what is not UTF-8 becomes U+FFFD.
func appendString[S string | []byte](b []byte, s S) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			b = append(b, s[start:i]...)
			b = appendEscape(b, c)
			i++
			start = i
			continue
		}
		r, n := utf8.DecodeRuneInString(string(s[i:min(len(s), i+utf8.UTFMax)]))
		if r == utf8.RuneError && n == 1 {
			b = append(b, s[start:i]...)
			b = append(b, "\uFFFD"...)
			start = i + 1
		}
		i += n
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}

// appendEscape appends a control character, quote or backslash.
func appendEscape(b []byte, c byte) []byte {
	const digits = "0123456789abcdef"
	switch c {
	case 0:
		return b
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	default:
		return append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
	}
}

// appendValue appends any value that an expression can have. Keys of maps are
// sorted; what JSON cannot say is a string.
func appendValue(b []byte, v any, depth int) ([]byte, error) {
	if depth > maxValueDepth || len(b) > maxValueBytes {
		return b, errTooLarge
	}
	switch v := v.(type) {
	case map[string]any:
		return appendMap(b, v, depth)
	case map[string]string:
		return appendMap(b, v, depth)
	case map[string]map[string]string:
		return appendMap(b, v, depth)
	case []any:
		return appendList(b, v, depth)
	case []string:
		return appendList(b, v, depth)
	case object:
		return v.appendTo(b), nil
	default:
		return appendScalar(b, v), nil
	}
}

func appendScalar(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case bool:
		return strconv.AppendBool(b, v)
	case int:
		return strconv.AppendInt(b, int64(v), 10)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case uint64:
		return strconv.AppendUint(b, v, 10)
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return appendString(b, formatFloat(v))
		}
		return append(b, formatFloat(v)...)
	default:
		return appendString(b, text(v))
	}
}

func appendMap[V any](b []byte, m map[string]V, depth int) ([]byte, error) {
	b = append(b, '{')
	var err error
	for i, k := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, k), ':')
		if b, err = appendValue(b, m[k], depth+1); err != nil {
			return b, err
		}
	}
	return append(b, '}'), nil
}

func appendList[V any](b []byte, list []V, depth int) ([]byte, error) {
	b = append(b, '[')
	var err error
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = appendValue(b, v, depth+1); err != nil {
			return b, err
		}
	}
	return append(b, ']'), nil
}

// text is what a value says inside a text: nothing for nil, RFC 3339 for
// times, JSON for lists and maps.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case []byte:
		return octets(v)
	case bool:
		return strconv.FormatBool(v)
	case int:
		return strconv.Itoa(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case uint64:
		return strconv.FormatUint(v, 10)
	case float64:
		return formatFloat(v)
	case netip.Addr:
		return v.String()
	case time.Time:
		return v.Format(time.RFC3339Nano)
	case time.Duration:
		return v.String()
	case map[string]any, map[string]string, map[string]map[string]string, []any, []string, object:
		b, err := appendValue(nil, v, 0)
		if err != nil {
			return ""
		}
		return string(b)
	}
	return foreign(v)
}

// foreign is text for the values that only methods and functions of
// expressions make: time.Month, int32, maps that fromPairs makes.
func foreign(v any) string {
	if s, ok := v.(interface{ String() string }); ok {
		return s.String()
	}
	b, err := json.Marshal(v)
	if err != nil || len(b) > maxValueBytes {
		return ""
	}
	return string(b)
}

func formatFloat(f float64) string {
	if a := math.Abs(f); a >= 1e21 || a != 0 && a < 1e-6 {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

// octets is the text of an octet string: itself when it is printable UTF-8,
// without the NULs that some agents end it with, else 0x and hexadecimal.
func octets(b []byte) string {
	s := b
	for len(s) > 1 && s[len(s)-1] == 0 {
		s = s[:len(s)-1]
	}
	if printable(s) {
		return string(s)
	}
	return "0x" + hex.EncodeToString(b)
}

func printable(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return utf8.Valid(b)
}
