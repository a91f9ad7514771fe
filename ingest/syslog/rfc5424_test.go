package syslog

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/leodido/go-syslog/v4/rfc5424"

	"github.com/pdaltagent/pdaltagent/ingest"
)

func TestRFC5424(t *testing.T) {
	f := func(raw string, want ingest.Line) {
		t.Helper()
		want.Facility, want.Severity = 20, 5
		reads(t)("<165>"+raw, want)
	}
	stamp := at(2003, 10, 11, 22, 14, 15, 3e6)
	f(`1 2003-10-11T22:14:15.003Z mymachine evntslog - ID47 [exampleSDID@32473 iut="3" eventID="1011"][high@32473 class="high"] An event`, ingest.Line{
		Timestamp: stamp, Hostname: "mymachine", AppName: "evntslog", MsgID: "ID47",
		StructuredData: sd{"exampleSDID@32473": {"iut": "3", "eventID": "1011"}, "high@32473": {"class": "high"}}, Text: "An event",
	})
	f("1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time", ingest.Line{
		Timestamp: at(2003, 8, 24, 12, 14, 15, 3000), Hostname: "192.0.2.1", AppName: "myproc", ProcID: "8710", Text: "%% It's time",
	})
	f("1 - - - - - -", ingest.Line{})
	f("999 - host - - - - text", ingest.Line{Hostname: "host", Text: "text"})
	f("1 2003-10-11T22:14:15.003Z h a p m - \ufeff'su root' failed", ingest.Line{
		Timestamp: stamp, Hostname: "h", AppName: "a", ProcID: "p", MsgID: "m", Text: "'su root' failed",
	})
	f("1 2003-10-11T22:14:15.003Z 2001:db8::1 a - - -  two blanks", ingest.Line{
		Timestamp: stamp, Hostname: "2001:db8::1", AppName: "a", Text: " two blanks",
	})
	f("1 2003-10-11T22:14:15.003Z h a - - - %LINK-3-UPDOWN: Interface Gi0/1, changed state to down", ingest.Line{
		Timestamp: stamp, Hostname: "h", AppName: "a", Mnemonic: "%LINK-3-UPDOWN", Text: "Interface Gi0/1, changed state to down",
	})
	// Broken off.
	f("1 2003-10-11T22:14:15.003Z", ingest.Line{Timestamp: stamp})
	f("1 2003-10-11T22:14:15.003Z h ", ingest.Line{Timestamp: stamp, Hostname: "h"})
	f("1 2003-10-11T22:14:15.003Z h a 1 - ", ingest.Line{Timestamp: stamp, Hostname: "h", AppName: "a", ProcID: "1"})
	// Without a zone, as Junos sends it; with one too many, as others do.
	f("1 2003-10-11T22:14:15.003 h a - - - x", ingest.Line{Timestamp: stamp, Hostname: "h", AppName: "a", Text: "x"})
	f("1 2003-10-11T22:14:15.003Z+00:00 h a - - - x", ingest.Line{Timestamp: stamp, Hostname: "h", AppName: "a", Text: "x"})
	f("1 2003-10-11t22:14:15,003z h a - - - x", ingest.Line{Timestamp: stamp, Hostname: "h", AppName: "a", Text: "x"})
	// Not RFC 5424.
	f("1 is the loneliest number", ingest.Line{Text: "1 is the loneliest number"})
	f("1 - that is how it starts", ingest.Line{Text: "1 - that is how it starts"})
	f("1 2003-13-11T22:14:15Z h a - - - x", ingest.Line{Text: "1 2003-13-11T22:14:15Z h a - - - x"})
}

func TestStructuredData(t *testing.T) {
	f := func(data string, want sd, text string) {
		t.Helper()
		reads(t)("<13>1 2024-03-05T10:00:00Z h CheckPoint - - "+data, ingest.Line{
			Facility: 1, Severity: 5, Timestamp: at(2024, 3, 5, 10, 0, 0, 0), Hostname: "h", AppName: "CheckPoint", StructuredData: want, Text: text,
		})
	}
	f(`[a]`, sd{"a": {}}, "")
	f(`[a] text`, sd{"a": {}}, "text")
	f(`[a]text`, sd{"a": {}}, "text")
	f(`[a b="c"]  text`, sd{"a": {"b": "c"}}, " text")
	f(`[a b="c"][d][e f="g" h=""]`, sd{"a": {"b": "c"}, "d": {}, "e": {"f": "g", "h": ""}}, "")
	f(`[a b="c"] [Hi] there`, sd{"a": {"b": "c"}}, "[Hi] there")
	f(`[a b="\"\\\]\n"] x`, sd{"a": {"b": `"\]\n`}}, "x")
	f(`[a b="x=y z]"] x`, sd{"a": {"b": "x=y z]"}}, "x")
	f(`[a b="κόσμε"] x`, sd{"a": {"b": "κόσμε"}}, "x")
	f(`[a ip="192.0.2.1" ip="192.0.2.2"] x`, sd{"a": {"ip": "192.0.2.1,192.0.2.2"}}, "x")
	f(`[a b="1"][a c="2"] x`, sd{"a": {"b": "1", "c": "2"}}, "x")
	// In the wild.
	f(`[a b=“smart quotes” c="plain"] x`, sd{"a": {"b": "smart quotes", "c": "plain"}}, "x")
	f(`[a b= "blank" c = "two"] x`, sd{"a": {"b": "blank", "c": "two"}}, "x")
	f(`[meta sequenceId=10] x`, sd{"meta": {"sequenceId": "10"}}, "x")
	f(`[] x`, nil, "x")
	f(`[action:"Accept"; flags:"1; 2"; src:"192.0.2.1"]`, sd{"CheckPoint": {"action": "Accept", "flags": "1; 2", "src": "192.0.2.1"}}, "")
	// None.
	f(`[a b="c`, nil, `[a b="c`)
	f(`[a b="c"][d e="f`, sd{"a": {"b": "c"}}, `[d e="f`)
	f(`[START=1 KSH="x"] text`, nil, `[START=1 KSH="x"] text`)
	f(`[a b="""] text`, nil, `[a b="""] text`)
	f(`{} text`, nil, `{} text`)
	f(`-text`, nil, `-text`)
}

func TestANameGivenAgainAndAgainIsBounded(t *testing.T) {
	line := parsed("<13>1 - h a - - [a" + strings.Repeat(" b=0123456789", 5000) + "]")
	if n := len(line.StructuredData["a"]["b"]); n < maxJoined || n > 2*maxJoined {
		t.Errorf("%d bytes", n)
	}
}

// TestWellFormedLinesAreReadAsTheReferenceReadsThem compares with a strict
// parser of RFC 5424 on lines that are made at random.
func TestWellFormedLinesAreReadAsTheReferenceReadsThem(t *testing.T) {
	reference := rfc5424.NewMachine()
	random := rand.New(rand.NewPCG(5424, 1))
	for range 3000 {
		raw := wellFormed(random)
		message, err := reference.Parse([]byte(raw))
		if err != nil {
			t.Fatalf("%q is not well-formed: %v", raw, err)
		}
		if diff := cmp.Diff(asLine(message.(*rfc5424.SyslogMessage), raw), parsed(raw)); diff != "" {
			t.Fatalf("%q (-reference +ours):\n%s", raw, diff)
		}
	}
}

func asLine(m *rfc5424.SyslogMessage, raw string) ingest.Line {
	line := ingest.Line{
		Facility: int(*m.Facility), Severity: int(*m.Severity), Raw: []byte(raw),
		Hostname: deref(m.Hostname), AppName: deref(m.Appname), ProcID: deref(m.ProcID), MsgID: deref(m.MsgID),
		Text: strings.TrimPrefix(deref(m.Message), bom),
	}
	if m.Timestamp != nil {
		line.Timestamp = m.Timestamp.UTC()
	}
	if m.StructuredData != nil {
		line.StructuredData = *m.StructuredData
	}
	return line
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// wellFormed makes a line of RFC 5424 section 6's grammar.
func wellFormed(random *rand.Rand) string {
	word := func(longest int) string {
		if random.IntN(4) == 0 {
			return "-"
		}
		b := make([]byte, 1+random.IntN(longest))
		for i := range b {
			b[i] = byte('!' + random.IntN('~'-'!'+1))
		}
		return string(b)
	}
	stamp := "-"
	if random.IntN(5) > 0 {
		zone := time.FixedZone("", random.IntN(27*60)*60-13*3600)
		at := time.Unix(random.Int64N(4e9), random.Int64N(1e6)*1000).In(zone)
		stamp = at.Format([]string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05.000Z07:00", "2006-01-02T15:04:05.000000Z07:00"}[random.IntN(3)])
	}
	line := fmt.Sprintf("<%d>1 %s %s %s %s %s %s", random.IntN(192), stamp, word(60), word(48), word(60), word(32), wellFormedData(random))
	if random.IntN(4) > 0 {
		line += " " + []string{"", bom}[random.IntN(2)] + "text" + anyText(random, `"]\ =[%`)
	}
	return line
}

func wellFormedData(random *rand.Rand) string {
	if random.IntN(3) == 0 {
		return "-"
	}
	var b strings.Builder
	for id := range 1 + random.IntN(3) {
		fmt.Fprintf(&b, "[id%d@32473", id)
		for name := range random.IntN(4) {
			escape := strings.NewReplacer(`"`, `\"`, `\`, `\\`, `]`, `\]`)
			fmt.Fprintf(&b, ` n.%d="%s"`, name, escape.Replace(anyText(random, `"]\ =[`)))
		}
		b.WriteByte(']')
	}
	return b.String()
}

func anyText(random *rand.Rand, special string) string {
	letters := []rune("abc äß→東\t" + special)
	text := make([]rune, random.IntN(20))
	for i := range text {
		text[i] = letters[random.IntN(len(letters))]
	}
	return string(text)
}
