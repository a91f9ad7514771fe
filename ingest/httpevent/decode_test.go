package httpevent

import (
	"bytes"
	"encoding/json"
	"math"
	"mime/multipart"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestHookBodiesAreDecodedByWhatTheyAre(t *testing.T) {
	f := func(contentType, raw string, want any) {
		t.Helper()
		got, err := decodeAny(contentOf(contentType), []byte(raw))
		if err != nil {
			t.Errorf("%s %q: %v", contentType, raw, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s %q: %s", contentType, raw, diff)
		}
	}
	f("application/json", `"text"`, "text")
	f("Application/JSON; charset=UTF-8", `17`, 17)
	f("application/json;", `[1,"a"]`, []any{1, "a"})
	f("application/json; charset", `null`, nil)
	f("application/cloudevents+json", `true`, true)
	f("", `{"a":[1,2.5,"x",null,false]}`, map[string]any{"a": []any{1, 2.5, "x", nil, false}})
	f("text/plain", ` [1]`, []any{1})
	f("nonsense", `{"a":1}`, map[string]any{"a": 1})
	f(formMedia, `{"a":1}`, map[string]any{"a": 1}) // as curl -d says
	f(formMedia, `a=1&b=2&b=3&c=&b=4`, map[string]any{"a": "1", "b": []any{"2", "3", "4"}, "c": ""})
	f(formMedia+"; charset=utf-8", `a=%C3%A9+%00`, map[string]any{"a": "é \uFFFD"})
	f(formMedia+"; charset=iso-8859-1", `a=caf%E9`, map[string]any{"a": "café"})
	f(formMedia, `{a=1`, map[string]any{"{a": "1"})
	f("text/plain", `a=1`, "a=1")
	f("text/plain", "{not json", "{not json")
	f("", `17`, "17")
	f("", "latin \xe9\x00", "latin \uFFFD\uFFFD")
}

func TestPayloadOfAFormIsTheBody(t *testing.T) {
	f := func(form string, want any) {
		t.Helper()
		got, err := decodeAny(contentOf(formMedia), []byte(form))
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", form, err, diff)
		}
	}
	f(`payload=%7B%22action%22%3A%22opened%22%7D`, map[string]any{"action": "opened"})
	f(`payload=[1]&token=x`, map[string]any{"payload": []any{1}, "token": "x"})
	f(`payload=text`, map[string]any{"payload": "text"})
	f(`payload={x`, map[string]any{"payload": "{x"})
	f(`payload={}&payload={}`, map[string]any{"payload": []any{"{}", "{}"}})
}

// multiform returns a form as curl -F makes it, and its Content-Type.
func multiform(t *testing.T, fields ...string) (string, string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i < len(fields); i += 2 {
		if err := w.WriteField(fields[i], fields[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String(), w.FormDataContentType()
}

func TestMultipartFormIsAForm(t *testing.T) {
	raw, contentType := multiform(t, "host", "db1", "tag", "a", "tag", "b", "note", "x\x00y")
	got, err := decodeAny(contentOf(contentType), []byte(raw))
	if diff := cmp.Diff(map[string]any{"host": "db1", "tag": []any{"a", "b"}, "note": "x\uFFFDy"}, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
	raw, contentType = multiform(t, "payload", `{"event":"media.play"}`)
	got, err = decodeAny(contentOf(contentType), []byte(raw))
	if diff := cmp.Diff(map[string]any{"event": "media.play"}, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
	for _, bad := range []string{raw[:len(raw)-20], "x", strings.ReplaceAll(raw, "--", "++")} {
		if _, err := decodeAny(contentOf(contentType), []byte(bad)); err == nil || err.Error() != errMultipart.Error() {
			t.Errorf("%q: %v", bad, err)
		}
	}
	raw, contentType = multiform(t, make([]string, 2*maxParts+2)...)
	if _, err := decodeAny(contentOf(contentType), []byte(raw)); err == nil || err.Error() != errParts.Error() {
		t.Errorf("%d fields: %v", maxParts+1, err)
	}
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

func FuzzDecodeAny(f *testing.F) {
	for _, seed := range []string{
		`{"a":1}`, `a=1&b=2&b=%00`, `{a`, "text \xff", `%zz`, `a;b`, `payload={"a":[1]}`, `"x"`,
		"--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--b--\r\n",
	} {
		for _, contentType := range []string{"", formMedia, formMedia + "; charset=latin1", jsonMedia, "text/plain; charset=utf-16", multipartMedia + "; boundary=b"} {
			f.Add(contentType, []byte(seed))
		}
	}
	f.Fuzz(func(t *testing.T, contentType string, raw []byte) {
		v, err := decodeAny(contentOf(contentType), raw)
		if err != nil {
			return
		}
		storable(t, v)
		if _, err := json.Marshal(v); err != nil {
			t.Error(err)
		}
	})
}
