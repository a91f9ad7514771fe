package mapping

import (
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestGlobStarsStandForAnything(t *testing.T) {
	f := func(pattern, s string, want bool) {
		t.Helper()
		var gs globs
		gs.add(newGlob(pattern, 1))
		if got := len(gs.match(s, nil)) == 1; got != want {
			t.Errorf("%s on %q: %v", pattern, s, got)
		}
	}
	f("%ASA-*-106023", "%ASA-4-106023", true)
	f("%ASA-*-106023", "%ASA-106023", false)
	f("%ASA-*-106023", "%FTD-4-106023", false)
	f("a*a", "a", false)
	f("a*a", "aa", true)
	f("*b*", "abc", true)
	f("*b*", "acc", false)
	f("a*b*c", "a-b-c", true)
	f("a*b*c", "a-c", false)
	f("*end", "the end", true)
	f("/hooks/*", "/hooks/", true)
	f("**", "", true)
}

func FuzzGlob(f *testing.F) {
	f.Add("a*b*", "axbx")
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if !utf8.ValidString(pattern) || !utf8.ValidString(s) {
			return
		}
		re := regexp.MustCompile(`(?s)^` + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, `.*`) + `$`)
		g := newGlob(pattern, 0)
		if got, want := g.match(s), re.MatchString(s); got != want {
			t.Errorf("%q on %q: %v, want %v", pattern, s, got, want)
		}
	})
}

func TestMendedJSONIsForPostgres(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		got := string(mendJSON([]byte(in)))
		if got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
		if again := mendJSON([]byte(want)); string(again) != want {
			t.Errorf("%s is mended again: %s", want, again)
		}
	}
	f(`{"a":"b"}`, `{"a":"b"}`)
	f(`"a\u0000b"`, `"ab"`)
	f(`"a\\u0000b"`, `"a\\u0000b"`)
	f(`"a\\\u0000b"`, `"a\\b"`)
	f(`"\ud83d\ude00"`, `"\ud83d\ude00"`)
	f(`"\ud83d"`, `"\ufffd"`)
	f(`"\ud83dx\ude00"`, `"\ufffdx\ufffd"`)
	f(`"\ude00\ud83d\ude00"`, `"\ufffd\ud83d\ude00"`)
	f("\"\xff\"", "\"\uFFFD\"")
	f("\"\xff\\n\"", "\"\uFFFD\\n\"")
	f("\"ü\\n\"", "\"ü\\n\"")
}

func FuzzMendJSON(f *testing.F) {
	f.Add([]byte(`{"a":"\u0000\ud83d","b":[1,"\\u0000"]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		o, ok := parseObject(raw)
		if !ok {
			return
		}
		got := mendJSON(o.appendTo(nil))
		var v map[string]any
		if err := json.Unmarshal(got, &v); err != nil || !utf8.Valid(got) {
			t.Fatalf("%q became %q: %v", raw, got, err)
		}
		var want map[string]any
		if err := json.Unmarshal(raw, &want); err == nil && !strings.ContainsAny(string(raw), `\`) && utf8.Valid(raw) && fmt.Sprint(v) != fmt.Sprint(want) {
			t.Errorf("%q became %q", raw, got)
		}
	})
}

func TestAppendStringIsJSON(t *testing.T) {
	for _, s := range []string{"", "plain", "q\"b\\", "\n\r\t\x01\x1f", "ü€😀", "\x7f\u2028"} {
		var got string
		if err := json.Unmarshal(appendString(nil, s), &got); err != nil || got != s {
			t.Errorf("%q: %q, %v", s, got, err)
		}
	}
	if got := string(appendString(nil, "a\x00b\xffc")); got != "\"ab\uFFFDc\"" {
		t.Errorf("got %s", got)
	}
}

func TestTextOfValues(t *testing.T) {
	f := func(v any, want string) {
		t.Helper()
		if got := text(v); got != want {
			t.Errorf("%v: got %q, want %q", v, got, want)
		}
	}
	f(nil, "")
	f("s", "s")
	f(true, "true")
	f(42, "42")
	f(uint64(math.MaxUint64), "18446744073709551615")
	f(2.50, "2.5")
	f(1e6, "1000000")
	f(1e30, "1e+30")
	f(0.0, "0")
	f(math.NaN(), "NaN")
	f(netip.MustParseAddr("192.0.2.1"), "192.0.2.1")
	f(time.Date(2026, 3, 1, 2, 3, 4, 5e6, time.UTC), "2026-03-01T02:03:04.005Z")
	f(90*time.Second, "1m30s")
	f(time.March, "March")
	f([]byte("Eth1\x00"), "Eth1")
	f([]byte{0}, "0x00")
	f([]byte{0, 0x1b, 0x54}, "0x001b54")
	f([]byte("привет"), "привет")
	f([]byte{0xef, 0xf0}, "0xeff0")
	f(map[string]any{"b": []any{1, nil}, "a": "x"}, `{"a":"x","b":[1,null]}`)
}

// TestValuesAreBounded: what is too large or too deep is an error, not a wait.
func TestValuesAreBounded(t *testing.T) {
	doubled := any([]any{"xxxxxxxxxxxxxxxx"})
	for range 60 {
		doubled = []any{doubled, doubled}
	}
	if _, err := appendValue(nil, doubled, 0); err == nil {
		t.Error("2^60 elements")
	}
	deep := any(nil)
	for range 5000 {
		deep = []any{deep}
	}
	if _, err := appendValue(nil, deep, 0); err == nil {
		t.Error("5,000 levels")
	}
	if _, err := replace(strings.Repeat("a", 1<<19), "a", "aaaa"); err == nil {
		t.Error("replace made more than 1 MiB")
	}
}

func TestLongKeysStayDifferent(t *testing.T) {
	long := strings.Repeat("ä", 300)
	a, b := shorten(long+"1"), shorten(long+"2")
	if a == b || a != shorten(long+"1") || utf8.RuneCountInString(a) != 255 || !utf8.ValidString(a) {
		t.Errorf("%q and %q", a, b)
	}
	if s := strings.Repeat("ä", 255); shorten(s) != s {
		t.Error("255 characters are shortened")
	}
}

func TestPlacesInsideTexts(t *testing.T) {
	f := func(file, value string, line, column, offset int, want string) {
		t.Helper()
		x := Text{Value: value, Place: Place{"f", line, column}, Raw: skip(file, Place{Line: 1, Column: 1}, Place{Line: line, Column: column})}
		if got := x.At(offset).String(); got != want {
			t.Errorf("%q at %d: got %s, want %s", value, offset, got, want)
		}
	}
	f(`a: plain text`, "plain text", 1, 4, 6, "f:1:10")
	f(`a: 'it''s x'`, "it's x", 1, 4, 5, "f:1:11")
	f(`ä: "üö x"`, "üö x", 1, 4, 3, "f:1:8")
	f("a: |\n   one\n   two\n", "one\ntwo\n", 1, 4, 5, "f:3:5")
	f("a: >-\n   one\n   two\n", "one two", 1, 4, 5, "f:3:5")
	f(`a: "x\ty"`, "x\ty", 1, 4, 1, "f:1:4") // hidden by an escape: the text's own place
	f(`a: ""`, "", 1, 4, 0, "f:1:4")
}

func TestDidYouMean(t *testing.T) {
	f := func(word, want string, candidates ...string) {
		t.Helper()
		got := DidYouMean(word, candidates)
		if want != "" {
			want = `; did you mean "` + want + `"?`
		}
		if got != want {
			t.Errorf("%s: got %q", word, got)
		}
	}
	f("sumary", "summary", "source", "summary", "severity")
	f("souce", "source", "summary", "source")
	f("mesage", "message", "message")
	f("trpa", "trap", "trap", "http")
	f("Severity", "severity", "severity")
	f("zzz", "", "trap", "http")
	f("", "", "trap")
}

func TestSeverityWords(t *testing.T) {
	f := func(word string, want Severity, known bool) {
		t.Helper()
		if got, ok := SeverityOf(word); got != want || ok != known {
			t.Errorf("%s: %s %v", word, got, ok)
		}
	}
	f("critical", Critical, true)
	f("CRIT", Critical, true)
	f(" Page ", Critical, true)
	f("P2", Error, true)
	f("major", Error, true)
	f("average", Warning, true)
	f("informational", Info, true)
	f("ok", Info, true)
	f("purple", Warning, false)
	f("", Warning, false)
	for _, word := range severityWords() {
		if _, ok := SeverityOf(word); !ok {
			t.Errorf("%s is suggested, but not known", word)
		}
	}
}
