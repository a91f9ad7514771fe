package mapping

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestGrokNamesPartsOfATextSuccess(t *testing.T) {
	f := func(pattern, s string, want map[string]any) {
		t.Helper()
		g, err := CompileGrok(pattern)
		if err != nil {
			t.Errorf("%s: %v", pattern, err)
			return
		}
		got := map[string]any{}
		if !g.Match(s, func(field string, v any) { got[field] = v }) {
			t.Errorf("%s does not fit %q", pattern, s)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s on %q: %s", pattern, s, diff)
		}
	}
	type m = map[string]any
	f(`Interface %{NOTSPACE:ifname}, changed state to %{WORD:state}`, "Interface Gi0/1, changed state to down", m{"ifname": "Gi0/1", "state": "down"})
	f(`%{INT:n:int} %{NUMBER:f:float} %{NUMBER:s:string}`, "-7 1.50 2.0", m{"n": -7, "f": 1.5, "s": "2.0"})
	f(`^%{DATA:a},%{GREEDYDATA:b}$`, "x,y,z", m{"a": "x", "b": "y,z"})
	f(`(?P<a>\d+)-(?<b>[a-z]+)`, "12-ab", m{"a": "12", "b": "ab"})
	f(`up %{INT:n}|down %{INT:n}`, "down 3", m{"n": "3"})
	f(`%{INT:n:int}`, "99999999999999999999", m{"n": nil})
	f(`\%{3} %{WORD:w}`, "%%% x", m{"w": "x"})
	f(`100%{SPACE}done`, "100 done", m{})
	f(`%{IP:ip}`, "from 192.0.2.255.", m{"ip": "192.0.2.255"})
	f(`%{IPORHOST:h}`, "core-1.example.net:514", m{"h": "core-1.example.net"})
	f(`%{HOSTPORT:h}`, "core-1:514 ", m{"h": "core-1:514"})
	f(`%{SYSLOGTIMESTAMP:t} %{HOSTNAME:h} %{PROG:p}\[%{POSINT:pid:int}\]`, "Oct  1 22:14:15 my-host sshd[42]: x", m{"t": "Oct  1 22:14:15", "h": "my-host", "p": "sshd", "pid": 42})
	f(`%{TIMESTAMP_ISO8601:t}`, "at 2026-03-01T02:03:04.567+01:00 x", m{"t": "2026-03-01T02:03:04.567+01:00"})
	f(`%{URI:u}`, "see https://u:p@h.example:8080/a/b?c=d#e now", m{"u": "https://u:p@h.example:8080/a/b?c=d#e"})
	f(`%{PATH:p} %{QUOTEDSTRING:q} %{MAC:m} %{UUID:u} %{EMAIL:e}`,
		`/var/log "a \"b\"" 00:1b:54:aa:01:02 01956a3b-0000-7000-8000-000000000001 a.b+c@example.net`,
		m{"p": "/var/log", "q": `"a \"b\""`, "m": "00:1b:54:aa:01:02", "u": "01956a3b-0000-7000-8000-000000000001", "e": "a.b+c@example.net"})
	f(`%{USER:u} %{MONTH:mo} %{LOGLEVEL:l} %{MNEMONIC:mn} %{INTERFACE:i}`, `j.doe Sep WARN %ASA-4-106023 Ten-GigabitEthernet1/0/1.5`,
		m{"u": "j.doe", "mo": "Sep", "l": "WARN", "mn": "%ASA-4-106023", "i": "Ten-GigabitEthernet1/0/1.5"})
}

func TestIPv6Pattern(t *testing.T) {
	g, err := CompileGrok(`^%{IPV6}$`)
	if err != nil {
		t.Fatal(err)
	}
	f := func(s string, want bool) {
		t.Helper()
		if got := g.Match(s, nil); got != want {
			t.Errorf("%s: %v", s, got)
		}
	}
	for _, s := range []string{"2001:db8::1", "::1", "::", "fe80::1%eth0", "1:2:3:4:5:6:7:8", "::ffff:192.0.2.1", "1:2:3:4:5:6:192.0.2.1", "2001:db8::"} {
		f(s, true)
	}
	for _, s := range []string{"1:2:3", "12345::", "192.0.2.1", "2001:db8:::1", "g::1"} {
		f(s, false)
	}
}

func TestGrokSaysWhatIsWrong_Failure(t *testing.T) {
	f := func(pattern string, offset int, want string) {
		t.Helper()
		_, err := CompileGrok(pattern)
		var e *GrokError
		if !errors.As(err, &e) || e.Offset != offset || !strings.Contains(e.Message, want) {
			t.Errorf("%s: got %v", pattern, err)
		}
	}
	f(`ä %{WROD:x}`, 2, `did you mean "WORD"?`)
	f(`x %{WORD:x`, 2, "no closing }")
	f(`%{WORD:a b}`, 0, "not a name")
	f(`%{INT:n:integer}`, 0, "unknown type")
	f(`(%{WORD:x}`, 0, "missing closing )")
	f(`%{}`, 0, "unknown pattern")
	f(`(?!x)`, 0, "RE2")
}

// TestLibraryPatternsStandAlone: each compiles, and refers to known ones only.
func TestLibraryPatternsStandAlone(t *testing.T) {
	lib := library()
	for name, p := range lib {
		if _, err := regexp.Compile(p); err != nil || reference(p) >= 0 {
			t.Errorf("%s: %v: %s", name, err, p)
		}
	}
	if len(lib) != len(patterns()) {
		t.Error("a pattern is there twice")
	}
}

func FuzzGrok(f *testing.F) {
	f.Add(`Interface %{NOTSPACE:ifname}, (?P<x>%{WORD:state})`, "Interface x")
	f.Add(`%{INT:n:int}%{`, "")
	f.Fuzz(func(t *testing.T, pattern, s string) {
		g, err := CompileGrok(pattern)
		if err != nil {
			return
		}
		fields := g.Fields()
		g.Match(s, func(field string, _ any) {
			if !slices.Contains(fields, field) {
				t.Errorf("%q is not among %q", field, fields)
			}
		})
	})
}
