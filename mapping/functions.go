package mapping

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/expr-lang/expr/builtin"
)

// functions are our own in expressions: those that the language has not, and
// those whose results we bound or whose errors we forgive.
func functions() []*builtin.Function {
	return []*builtin.Function{
		function("get", func(a ...any) (any, error) { return get(a[0], a[1]), nil }, func(any, any) any { return nil }),
		function("string", func(a ...any) (any, error) { return text(a[0]), nil }, func(any) string { return "" }),
		function("toJSON", toJSON, func(any) string { return "" }),
		function("replace", replace, func(string, string, string) string { return "" }),
		function("join", join, func(any, string) string { return "" }, func(any) string { return "" }),
	}
}

// get returns what base has under key; nil where it has nothing, is nothing,
// or is nothing that has keys.
func get(base, key any) any {
	switch b := base.(type) {
	case map[string]any:
		return b[text(key)]
	case map[string]string:
		if v, ok := b[text(key)]; ok {
			return v
		}
	case map[string]map[string]string:
		if v, ok := b[text(key)]; ok {
			return v
		}
	case []any:
		return element(b, key)
	case []string:
		return element(b, key)
	}
	return nil
}

// element returns the element at an index, counted from the end where it is
// negative.
func element[V any](list []V, key any) any {
	var i int
	switch k := key.(type) {
	case int:
		i = k
	case int64:
		i = int(k)
	case string:
		n, err := strconv.Atoi(k)
		if err != nil {
			return nil
		}
		i = n
	default:
		return nil
	}
	if i < 0 {
		i += len(list)
	}
	if i < 0 || i >= len(list) {
		return nil
	}
	return list[i]
}

// toJSON returns compact JSON.
func toJSON(a ...any) (any, error) {
	b, err := appendValue(nil, a[0], 0)
	return string(b), err
}

func replace(a ...any) (any, error) {
	s, old, with := text(a[0]), text(a[1]), text(a[2])
	if n := strings.Count(s, old); len(s)+n*len(with) > maxValueBytes {
		return nil, errTooLarge
	}
	return strings.ReplaceAll(s, old, with), nil
}

func join(a ...any) (any, error) {
	glue := ""
	if len(a) == 2 {
		glue = text(a[1])
	}
	var b strings.Builder
	for i := 0; ; i++ {
		v, ok := at(a[0], i)
		if !ok {
			return b.String(), nil
		}
		if i > 0 {
			b.WriteString(glue)
		}
		b.WriteString(text(v))
		if b.Len() > maxValueBytes {
			return nil, errTooLarge
		}
	}
}

// at returns the element of a list at i; ok is false where it ends.
func at(list any, i int) (v any, ok bool) {
	switch l := list.(type) {
	case []any:
		if i < len(l) {
			return l[i], true
		}
	case []string:
		if i < len(l) {
			return l[i], true
		}
	}
	return nil, false
}

// timestamp returns v, which a sender or a rule gives as a time, as PagerDuty
// reads it: RFC 3339.
func timestamp(v any) (string, error) {
	switch t := v.(type) {
	case nil:
		return "", nil
	case time.Time:
		return t.Format(stamp), nil
	case int:
		return epoch(float64(t))
	case int64:
		return epoch(float64(t))
	case uint64:
		return epoch(float64(t))
	case float64:
		return epoch(t)
	}
	s := text(v)
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700", "2006-01-02 15:04:05Z07:00"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.Format(stamp), nil
		}
	}
	return "", fmt.Errorf("%q is not a time like 2006-01-02T15:04:05Z", clip(s, 40))
}

// stamp is RFC 3339 with milliseconds.
const stamp = "2006-01-02T15:04:05.000Z07:00"

// epoch takes seconds since 1970, or milliseconds where the number is too
// large for seconds.
func epoch(n float64) (string, error) {
	if n > 1e11 {
		n /= 1000
	}
	if !(n >= 0 && n <= 1e11) {
		return "", fmt.Errorf("%v is no number of seconds since 1970", n)
	}
	return time.UnixMilli(int64(n * 1000)).UTC().Format(stamp), nil
}
