package mapping

import (
	"bytes"
	"encoding/json"
)

// object is a JSON object whose values are kept byte for byte, in their
// order.
type object []member

// member is one key of an object, decoded, and its value as JSON.
type member struct {
	key   string
	value []byte
}

// parseObject splits raw into its members, which alias it. Of a key that
// comes twice the last one counts. ok is false where raw is not valid JSON or
// not an object.
func parseObject(raw []byte) (o object, ok bool) {
	raw = bytes.TrimLeft(raw, " \t\r\n")
	if len(raw) == 0 || raw[0] != '{' || !json.Valid(raw) {
		return nil, false
	}
	rest := space(raw[1:])
	for rest[0] != '}' {
		n := valueEnd(rest)
		key := unquote(rest[:n])
		rest = space(space(rest[n:])[1:])
		n = valueEnd(rest)
		o = append(o, member{key, rest[:n:n]})
		rest = space(rest[n:])
		if rest[0] == ',' {
			rest = space(rest[1:])
		}
	}
	return o.unique(), true
}

// unique keeps of members of one key the last value, at the place of the
// first. It reuses o.
func (o object) unique() object {
	if len(o) < 2 {
		return o
	}
	first := make(map[string]int, len(o))
	kept := o[:0]
	for _, m := range o {
		if i, ok := first[m.key]; ok {
			kept[i].value = m.value
			continue
		}
		first[m.key] = len(kept)
		kept = append(kept, m)
	}
	return kept
}

func space(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\n' || b[0] == '\t' || b[0] == '\r') {
		b = b[1:]
	}
	return b
}

// valueEnd returns where the JSON value ends that b, valid JSON, starts with.
func valueEnd(b []byte) int {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			i += stringEnd(b[i:]) - 1
		case '{', '[':
			depth++
			continue
		case '}', ']':
			depth--
		case ' ', '\t', '\r', '\n', ',', ':':
			if depth == 0 {
				return i
			}
			continue
		default:
			if depth == 0 && i+1 < len(b) && !bytes.ContainsRune([]byte(" \t\r\n,}]"), rune(b[i+1])) {
				continue
			}
		}
		if depth == 0 {
			return i + 1
		}
	}
	return len(b)
}

// stringEnd returns where the JSON string ends that b starts with.
func stringEnd(b []byte) int {
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
}

func unquote(b []byte) string {
	if bytes.IndexByte(b, '\\') < 0 {
		return string(b[1 : len(b)-1])
	}
	var s string
	if json.Unmarshal(b, &s) != nil {
		return string(b)
	}
	return s
}

// get returns the value of key; nil: there is none.
func (o object) get(key string) []byte {
	for _, m := range o {
		if m.key == key {
			return m.value
		}
	}
	return nil
}

// set gives key a value, in its old place where it had one.
func (o *object) set(key string, value []byte) {
	for i, m := range *o {
		if m.key == key {
			(*o)[i].value = value
			return
		}
	}
	*o = append(*o, member{key, value})
}

// without returns o without some keys. It reuses o.
func (o object) without(keys ...string) object {
	kept := o[:0]
	for _, m := range o {
		if !contains(keys, m.key) {
			kept = append(kept, m)
		}
	}
	return kept
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

func (o object) appendTo(b []byte) []byte {
	b = append(b, '{')
	for i, m := range o {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(appendString(b, m.key), ':'), m.value...)
	}
	return append(b, '}')
}
