package syslog

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/pdaltagent/pdaltagent/ingest"
)

func TestStrictFormatsTakeWhatTheirRFCAllows(t *testing.T) {
	f := func(format Format, raw string, want ingest.Line) {
		t.Helper()
		var got ingest.Line
		parserOf(format, NewParser(nil))([]byte(raw), noon(), &got)
		if string(got.Raw) != raw {
			t.Errorf("%s %q: Raw is %q", format, raw, got.Raw)
		}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(ingest.Line{}, "Raw")); diff != "" {
			t.Errorf("%s %q (-want +got):\n%s", format, raw, diff)
		}
	}
	const rfc5424 = `<165>1 2003-10-11T22:14:15.003Z h a 12 ID47 [x@1 n="1"][y@1 m="2 ]\""] hello`
	parsed := ingest.Line{
		Facility: 20, Severity: 5, Timestamp: at(2003, 10, 11, 22, 14, 15, 3e6), Hostname: "h", AppName: "a", ProcID: "12", MsgID: "ID47",
		StructuredData: map[string]map[string]string{"x@1": {"n": "1"}, "y@1": {"m": `2 ]"`}}, Text: "hello",
	}
	f(RFC5424, rfc5424, parsed)
	f(RFC6587, rfc5424, parsed)
	f(RFC6587, "78 "+rfc5424, parsed)
	f(RFC5424, "<165>1 - - - - - -", ingest.Line{Facility: 20, Severity: 5})
	year := time.Now().Year() // go-syslog's idea of a time without one
	if time.Date(year, time.January, 2, 10, 0, 0, 0, time.UTC).After(noon().Add(ahead)) {
		year--
	}
	f(RFC3164, "<34>Jan  2 10:00:00 h su[7]: hello", ingest.Line{
		Facility: 4, Severity: 2, Timestamp: at(year, 1, 2, 10, 0, 0, 0), Hostname: "h", AppName: "su", Text: "hello",
	})

	// What they refuse is text.
	f(RFC5424, "<165>Oct 11 22:14:15 h a: hello", ingest.Line{Facility: 20, Severity: 5, Text: "Oct 11 22:14:15 h a: hello"})
	f(RFC5424, "hello", ingest.Line{Facility: -1, Severity: -1, Text: "hello"})
	f(RFC3164, "hello there", ingest.Line{Facility: -1, Severity: -1, Text: "hello there"})
	f(RFC3164, "<13>", ingest.Line{Facility: 1, Severity: 5})                                                       // panics
	f(RFC3164, "<13>Oct 11 22:14:15 myhost", ingest.Line{Facility: 1, Severity: 5, Text: "Oct 11 22:14:15 myhost"}) // panics
	f(RFC5424, "<5>1 -é h - - - x", ingest.Line{Facility: 0, Severity: 5, Text: "1 -é h - - - x"})                  // cuts the é in two
	f(RFC6587, "9 <13>\x00\xff", ingest.Line{Facility: 1, Severity: 5, Text: "#000ÿ"})
}

func FuzzStrict(f *testing.F) {
	for _, line := range seeds() {
		f.Add([]byte(line))
	}
	var parsers []parseFunc
	for _, format := range formats() {
		parsers = append(parsers, parserOf(format, NewParser(nil)))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, parse := range parsers {
			holds(t, parse, raw, noon())
		}
	})
}

func TestAListenersFormatIsItsOwn(t *testing.T) {
	const cisco = "<187>45: *Mar  1 10:00:00: %SYS-5-CONFIG_I: Configured"
	f := func(conf Config, address, want string) {
		t.Helper()
		conf.Listen = []string{address}
		s := listen(t, conf)
		s.send(cisco)
		if got := s.receive(1); len(got) != 1 || got[0].Text != want {
			t.Errorf("%s: handed on %+v, want text %q", address, got, want)
		}
	}
	f(Config{}, "udp://127.0.0.1:0", "Configured")
	f(Config{}, "udp://127.0.0.1:0?format=rfc5424", cisco[5:])
	f(Config{Format: RFC5424}, "udp://127.0.0.1:0", cisco[5:])
	f(Config{Format: RFC5424}, "udp://127.0.0.1:0?format=auto", "Configured")
}
