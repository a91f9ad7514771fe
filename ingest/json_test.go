package ingest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestNumbersAndTextAreWhatRulesExpect(t *testing.T) {
	f := func(raw string, want any) {
		t.Helper()
		got, err := DecodeJSON([]byte(raw))
		if err != nil {
			t.Errorf("%s: %v", raw, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %#v, want %#v", raw, got, want)
		}
	}
	f(` [ true , false,null ] `, []any{true, false, nil})
	f("{ \"a\" : { } ,\r\n\t\"b\":[]}", map[string]any{"a": map[string]any{}, "b": []any{}})
	f(`{"a":1,"a":2}`, map[string]any{"a": 2})
	f(`9223372036854775807`, math.MaxInt64)
	f(`-9223372036854775808`, math.MinInt64)
	f(`9223372036854775808`, float64(1<<63))
	f(`1.0`, 1)
	f(`1e3`, 1000)
	f(`1E+3`, 1000)
	f(`-0`, 0)
	f(`0.75`, 0.75)
	f(`1e-400`, 0)
	f(`1e999999`, math.MaxFloat64)
	f(`-1e999`, -math.MaxFloat64)
	f(`"a\u0000b"`, "a\uFFFDb")
	f(`"\"\\\/\b\f\n\r\tA"`, "\"\\/\b\f\n\r\tA")
	f(`"\ud800"`, "\uFFFD")
	f(`"\ud800x\udc00"`, "\uFFFDx\uFFFD")
	f(`"\ud800\u0041"`, "\uFFFDA")
	f(`"\ud83d\ude00"`, "😀")
	f(`"\ud83d\ud83d\ude00"`, "\uFFFD😀")
	f("\"\xff\"", "\uFFFD")
	f(`"é😀"`, "é😀")
	f(`{"k\u0000":{"n":["\u0000"]}}`, map[string]any{"k\uFFFD": map[string]any{"n": []any{"\uFFFD"}}})
	f(strings.Repeat("[", maxJSONDepth)+strings.Repeat("]", maxJSONDepth), nested(maxJSONDepth))
}

func nested(depth int) any {
	v := []any{}
	for range depth - 1 {
		v = []any{v}
	}
	return v
}

func TestFaultsOfJSONAreNamedWithoutQuotingIt(t *testing.T) {
	f := func(raw, want string) {
		t.Helper()
		if _, err := DecodeJSON([]byte(raw)); err == nil || err.Error() != want {
			t.Errorf("%.40s: %v, want %s", raw, err, want)
		}
	}
	const deep = "JSON parse error: nested deeper than 200 levels"
	f(`{"a":1} x`, "JSON parse error: 1 more bytes follow the end of the JSON value")
	f(`{"a":1}{"b":2}`, "JSON parse error: 7 more bytes follow the end of the JSON value")
	f(`{"a":`, "JSON parse error: the body ends within a value, after 5 bytes")
	f(`{"secret`, "JSON parse error: the body ends within a value, after 8 bytes")
	f(`"\`, "JSON parse error: the body ends within a value, after 2 bytes")
	f(`{'a':1}`, "JSON parse error at byte 2 of 7: invalid character '\\'' looking for beginning of object key string")
	f(`{"a":1,}`, "JSON parse error at byte 8 of 8: invalid character '}' looking for beginning of object key string")
	f(`[1 2]`, "JSON parse error at byte 4 of 5: invalid character '2' after array element")
	f(`{"a":NaN}`, "JSON parse error at byte 6 of 9: invalid character 'N' looking for beginning of value")
	f(strings.Repeat("[", 9000), deep)
	f(strings.Repeat("[", 201)+strings.Repeat("]", 201), deep)
	f(strings.Repeat(`{"a":`, 201)+"1"+strings.Repeat("}", 201), deep)
}

// oracle decodes as encoding/json does, and cleans after it.
func oracle(raw []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more follows")
	}
	return scrub(v), nil
}

func scrub(v any) any {
	switch v := v.(type) {
	case string:
		return strings.ReplaceAll(v, "\x00", "\uFFFD")
	case json.Number:
		return numberOf(string(v))
	case []any:
		for i := range v {
			v[i] = scrub(v[i])
		}
	case map[string]any:
		for name, e := range v {
			if strings.Contains(name, "\x00") {
				delete(v, name)
			}
			v[strings.ReplaceAll(name, "\x00", "\uFFFD")] = scrub(e)
		}
	}
	return v
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
	for _, seed := range []string{
		`{"routing_key":"x","payload":{"summary":"disk full","custom_details":{"free":0.75,"n":[1,-2e3]}}}`,
		`{"a":[1,2.5,"x\u0000",null,false]}`, `1e999`, `[[[]]]`, `{"a":1}x`, "0\f", "\"\xff\"", `"\ud800\u0041"`, `"\ud83d\ude00"`, ``, `01`, `-`, `1.`, `tru`, "\"\n\"",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := DecodeJSON(raw)
		if errors.Is(err, ErrDeepJSON) {
			return
		}
		want, wantErr := oracle(raw)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("error %v, of encoding/json %v", err, wantErr)
		}
		if err != nil {
			return
		}
		storable(t, got)
		if !bytes.Contains(raw, []byte(`\u0000`)) || !bytes.Contains(raw, []byte(":")) { // two names may become one
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%#v, want %#v", got, want)
			}
		}
	})
}

func BenchmarkDecodeJSON(b *testing.B) {
	raw := []byte(`{"payload":{"summary":"DISK at 99% on machine prod-datapipe03.example.com","timestamp":"2015-07-17T08:42:58.315+0000",
"severity":"critical","source":"prod-datapipe03.example.com","component":"mysql","group":"prod-datapipe","class":"disk",
"custom_details":{"free space":"1%","ping time":"1500ms","load avg":0.75}},"routing_key":"e93facc04764012d7bfb002500d5d1a6",
"dedup_key":"srv01/mysql","event_action":"trigger","client":"Sample Monitoring Service","client_url":"https://monitoring.service.com"}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeJSON(raw); err != nil {
			b.Fatal(err)
		}
	}
}
