package httpevent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/url"
	"strconv"
	"strings"
)

// maxDepth is how deep arrays and objects may be nested: more than any event
// is, less than what Postgres' jsonb and a walk on the stack can take.
const maxDepth = 200

const formMedia = "application/x-www-form-urlencoded"

var (
	errEmpty = errors.New("the body is empty")
	errDepth = fmt.Errorf("JSON parse error: nested deeper than %d levels", maxDepth)
	errForm  = errors.New("form parse error: a name or a value is not percent-encoded as a form must be")
)

// decodeJSON decodes a body that is one JSON value, whatever its media type
// says: curl -d says that it is a form.
func decodeJSON(_ string, raw []byte) (any, error) {
	if len(trimJSON(raw)) == 0 {
		return nil, errEmpty
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		return nil, jsonFault(err, len(raw))
	}
	if rest := trimJSON(raw[decoder.InputOffset():]); len(rest) > 0 {
		return nil, fmt.Errorf("JSON parse error: %d more bytes follow the end of the JSON value", len(rest))
	}
	return clean(v, 1)
}

// trimJSON cuts the whitespace of RFC 8259 section 2.
func trimJSON(raw []byte) []byte { return bytes.Trim(raw, " \t\r\n") }

// jsonFault never quotes the body: there may be a key in it.
func jsonFault(err error, size int) error {
	if strings.HasSuffix(err.Error(), "exceeded max depth") {
		return errDepth
	}
	if fault, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("JSON parse error at byte %d of %d: %w", fault.Offset, size, fault)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("JSON parse error: the body ends within a value, after %d bytes", size)
	}
	return fmt.Errorf("JSON parse error: %w", err)
}

// clean makes of a decoded value what ingest.Request.Body promises: ints and
// floats for numbers, and no text that Postgres cannot store.
func clean(v any, depth int) (any, error) {
	switch v := v.(type) {
	case string:
		return cleanText(v), nil
	case json.Number:
		return number(string(v)), nil
	case []any:
		return v, cleanArray(v, depth)
	case map[string]any:
		return v, cleanObject(v, depth)
	}
	return v, nil
}

func cleanArray(array []any, depth int) error {
	if depth > maxDepth {
		return errDepth
	}
	for i, v := range array {
		var err error
		if array[i], err = clean(v, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func cleanObject(object map[string]any, depth int) error {
	if depth > maxDepth {
		return errDepth
	}
	for name, v := range object {
		cleaned, err := clean(v, depth+1)
		if err != nil {
			return err
		}
		switch v := v.(type) {
		case json.Number:
			object[name] = cleaned
		case string:
			if cleaned != v {
				object[name] = cleaned
			}
		}
		if strings.IndexByte(name, 0) >= 0 {
			delete(object, name)
			object[cleanText(name)] = cleaned
		}
	}
	return nil
}

// number is an int where s is integral and fits, else a float64; what is
// beyond a float64 becomes the greatest there is.
func number(s string) any {
	if i, err := strconv.Atoi(s); err == nil {
		return i
	}
	f, _ := strconv.ParseFloat(s, 64) // on overflow ±Inf
	f = min(max(f, -math.MaxFloat64), math.MaxFloat64)
	if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		return int(f)
	}
	return f
}

// cleanText replaces what text in Postgres cannot hold: NUL, and bytes that
// are not UTF-8.
func cleanText(s string) string {
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "\uFFFD")
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// decodeForm decodes a form to a map[string]any of string, or of []any where
// a name is given more than once.
func decodeForm(_ string, raw []byte) (any, error) {
	if len(trimJSON(raw)) == 0 {
		return nil, errEmpty
	}
	values, err := url.ParseQuery(string(raw))
	if err != nil {
		return nil, errForm
	}
	form := make(map[string]any, len(values))
	for name, given := range values {
		form[cleanText(name)] = formValue(given)
	}
	return form, nil
}

func formValue(given []string) any {
	if len(given) == 1 {
		return cleanText(given[0])
	}
	values := make([]any, len(given))
	for i, v := range given {
		values[i] = cleanText(v)
	}
	return values
}

// decodeAny decodes what a hook is sent: JSON where its media type says so or
// where it is an object or an array; a form where its media type says so;
// else text.
func decodeAny(mediaType string, raw []byte) (any, error) {
	trimmed := trimJSON(raw)
	if len(trimmed) == 0 {
		return nil, errEmpty
	}
	if mediaType == "application/json" || strings.HasSuffix(mediaType, "+json") {
		return decodeJSON(mediaType, raw)
	}
	if trimmed[0] == '{' || trimmed[0] == '[' {
		v, err := decodeJSON(mediaType, raw)
		if err == nil || errors.Is(err, errDepth) {
			return v, err
		}
	}
	if mediaType == formMedia {
		return decodeForm(mediaType, raw)
	}
	return cleanText(string(raw)), nil
}
