package httpevent

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestHookBodiesAreDecodedByWhatTheyAre(t *testing.T) {
	f := func(mediaType, raw string, want any) {
		t.Helper()
		got, err := decodeAny(mediaType, []byte(raw))
		if err != nil {
			t.Errorf("%s %q: %v", mediaType, raw, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s %q: %s", mediaType, raw, diff)
		}
	}
	f("application/json", `"text"`, "text")
	f("application/cloudevents+json", `true`, true)
	f("", `{"a":[1,2.5,"x",null,false]}`, map[string]any{"a": []any{1, 2.5, "x", nil, false}})
	f(formMedia, `{"a":1}`, map[string]any{"a": 1}) // as curl -d says
	f(formMedia, `a=1&b=2&b=3&c=`, map[string]any{"a": "1", "b": []any{"2", "3"}, "c": ""})
	f(formMedia, `{a=1`, map[string]any{"{a": "1"})
	f("text/plain", `a=1`, "a=1")
	f("text/plain", "{not json", "{not json")
	f("", "latin \xe9\x00", "latin \uFFFD\uFFFD")
}

func TestNumbersAndTextAreWhatRulesExpect(t *testing.T) {
	f := func(raw string, want any) {
		t.Helper()
		got, err := decodeJSON("", []byte(raw))
		if err != nil {
			t.Errorf("%s: %v", raw, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", raw, diff)
		}
	}
	f(`9223372036854775807`, math.MaxInt64)
	f(`-9223372036854775808`, math.MinInt64)
	f(`9223372036854775808`, float64(1<<63))
	f(`1.0`, 1)
	f(`1e3`, 1000)
	f(`-0`, 0)
	f(`0.75`, 0.75)
	f(`1e999`, math.MaxFloat64)
	f(`-1e999`, -math.MaxFloat64)
	f(`"a\u0000b"`, "a\uFFFDb")
	f(`"\ud800"`, "\uFFFD")
	f(`"\ud83d\ude00"`, "😀")
	f("\"\xff\"", "\uFFFD")
	f(`{"k\u0000":{"n":["\u0000"]}}`, map[string]any{"k\uFFFD": map[string]any{"n": []any{"\uFFFD"}}})
}

// storable reports whether v can be marshalled and stored as jsonb.
func storable(t *testing.T, v any) {
	t.Helper()
	switch v := v.(type) {
	case string:
		if !utf8.ValidString(v) || strings.Contains(v, "\x00") {
			t.Errorf("text %q", v)
		}
	case []any:
		for _, e := range v {
			storable(t, e)
		}
	case map[string]any:
		for name, e := range v {
			storable(t, name)
			storable(t, e)
		}
	case nil, bool, int:
	case float64:
		if math.IsInf(v, 0) || math.IsNaN(v) {
			t.Errorf("number %v", v)
		}
	default:
		t.Errorf("type %T", v)
	}
}

func FuzzDecodeJSON(f *testing.F) {
	for _, seed := range []string{trigger, `{"a":[1,2.5,"x\u0000",null,false]}`, `1e999`, `[[[]]]`, `{"a":1}x`, "0\f", "\"\xff\"", `"\ud800"`, ``} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		v, err := decodeJSON("", raw)
		if err != nil {
			return
		}
		if !json.Valid(raw) {
			t.Error("taken, but it is no JSON")
		}
		storable(t, v)
	})
}

func FuzzDecodeAny(f *testing.F) {
	for _, seed := range []string{`{"a":1}`, `a=1&b=2&b=%00`, `{a`, "text \xff", `%zz`, `a;b`} {
		f.Add("", []byte(seed))
		f.Add(formMedia, []byte(seed))
		f.Add("application/json", []byte(seed))
	}
	f.Fuzz(func(t *testing.T, mediaType string, raw []byte) {
		if v, err := decodeAny(mediaType, raw); err == nil {
			storable(t, v)
		}
	})
}
