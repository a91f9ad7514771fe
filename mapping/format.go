package mapping

import (
	"encoding/csv"
	"encoding/json"
	"strings"
)

// decoder takes a text apart by its format. ok is false where it is not in
// that format.
type decoder func(text string) (v any, ok bool)

// maxPairs bounds the pairs, columns or members that a text is taken apart
// into.
const maxPairs = 1000

// decodeJSON reads the first JSON object or list in a text, which may stand
// behind other words, as in lines marked @cee.
func decodeJSON(text string) (any, bool) {
	i := strings.IndexAny(text, "{[")
	if i < 0 {
		return nil, false
	}
	d := json.NewDecoder(strings.NewReader(text[i:]))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return nil, false
	}
	return numbers(v), true
}

// numbers makes JSON's numbers int where they are integral and fit, else
// float64, as in a posted body.
func numbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return int(i)
		}
		f, _ := v.Float64()
		return f
	case map[string]any:
		for k := range v {
			v[k] = numbers(v[k])
		}
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	}
	return v
}

// csvDecoder reads the first record of a text: a list, or, with columns, what
// stands under their names.
func csvDecoder(separator rune, columns []string) decoder {
	return func(text string) (any, bool) {
		r := csv.NewReader(strings.NewReader(text))
		r.Comma, r.LazyQuotes, r.TrimLeadingSpace = separator, true, true
		record, err := r.Read()
		if err != nil || len(record) < 2 || len(record) > maxPairs {
			return nil, false
		}
		if columns == nil {
			return record, true
		}
		row := make(map[string]any, len(columns))
		for i, c := range columns {
			if i < len(record) && record[i] != "" && c != "" {
				row[c] = record[i]
			}
		}
		return row, true
	}
}

// kvDecoder reads pairs: key=value key="a value" key='a value'. Without a
// separator of its own, spaces, commas and semicolons part them. Words between
// them are passed over; of pairs of one key the first counts.
func kvDecoder(separator, equals string) decoder {
	return func(text string) (any, bool) {
		pairs := map[string]any{}
		for rest := text; rest != "" && len(pairs) < maxPairs; {
			key, value, after, ok := cutPair(rest, separator, equals)
			if rest = after; !ok {
				continue
			}
			if _, twice := pairs[key]; !twice {
				pairs[key] = value
			}
		}
		return pairs, len(pairs) > 0
	}
}

// cutPair takes the first pair or word off s.
func cutPair(s, separator, equals string) (key, value, rest string, ok bool) {
	if separator == "" {
		s = strings.TrimLeft(s, " \t\r\n,;")
	} else {
		s = strings.TrimLeft(s, " \t\r\n")
	}
	end := pairEnd(s, separator)
	i := strings.Index(s, equals)
	if i < 0 || i > end {
		return "", "", after(s, end, separator), false
	}
	key = strings.Trim(s[:i], " \t\"'")
	s = s[i+len(equals):]
	if t := strings.TrimLeft(s, " \t"); separator != "" && t != "" {
		s = t
	}
	if s != "" && (s[0] == '"' || s[0] == '\'') {
		if value, rest, ok = cutQuoted(s); ok {
			return key, value, after(rest, pairEnd(rest, separator), separator), isKey(key)
		}
	}
	end = pairEnd(s, separator)
	value = s[:end]
	if separator == "" {
		value = strings.TrimRight(value, ",;")
	}
	return key, strings.TrimSpace(value), after(s, end, separator), isKey(key)
}

// pairEnd returns where the pair ends that s starts with, if nothing in it is
// quoted.
func pairEnd(s, separator string) int {
	i := strings.Index(s, separator)
	if separator == "" {
		i = strings.IndexAny(s, " \t\r\n")
	}
	if i < 0 {
		return len(s)
	}
	return i
}

// after returns what follows the separator at end.
func after(s string, end int, separator string) string {
	if end >= len(s) {
		return ""
	}
	return s[end+max(len(separator), 1):]
}

// cutQuoted takes off what stands in the quotes that s starts with; a
// backslash takes the meaning from a quote or a backslash.
func cutQuoted(s string) (value, rest string, ok bool) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == s[0] || s[i+1] == '\\'):
			i++
			b.WriteByte(s[i])
		case s[i] == s[0]:
			return b.String(), s[i+1:], true
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", false
}

// isKey says whether s can be the key of a pair: one word.
func isKey(s string) bool {
	return s != "" && len(s) <= 100 && !strings.ContainsAny(s, " \t\r\n\"'<>(){}[]")
}
