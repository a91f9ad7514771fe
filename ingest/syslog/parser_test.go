package syslog

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// noon is when the lines of these tests are received.
func noon() time.Time { return time.Date(2024, time.March, 5, 12, 0, 0, 0, time.UTC) }

func at(year int, month time.Month, day, hour, minute, second, nanosecond int) time.Time {
	return time.Date(year, month, day, hour, minute, second, nanosecond, time.UTC)
}

func parsed(raw string) ingest.Line {
	var line ingest.Line
	NewParser(nil).Parse([]byte(raw), noon(), &line)
	return line
}

type sd = map[string]map[string]string

// reads returns a check that raw is read as want.
func reads(t *testing.T) func(raw string, want ingest.Line) {
	t.Helper()
	return func(raw string, want ingest.Line) {
		t.Helper()
		want.Raw = []byte(raw)
		if diff := cmp.Diff(want, parsed(raw)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", raw, diff)
		}
	}
}

func TestPRIIsReadOrTheLineIsText(t *testing.T) {
	f := func(raw string, facility, severity int, text string) {
		t.Helper()
		reads(t)(raw, ingest.Line{Facility: facility, Severity: severity, Text: text})
	}
	f("<0>text of it", 0, 0, "text of it")
	f("<13>", 1, 5, "")
	f("<191>text of it", 23, 7, "text of it")
	f("<01>text of it", 0, 1, "text of it")
	f("text of it", -1, -1, "text of it")
	f("<192>text of it", -1, -1, "<192>text of it")
	f("<999999999999999999999>text", -1, -1, "<999999999999999999999>text")
	f("<>text of it", -1, -1, "<>text of it")
	f("<1a>text of it", -1, -1, "<1a>text of it")
	f("<13 text of it", -1, -1, "<13 text of it")
	f("<", -1, -1, "<")
	f("", -1, -1, "")
	f("17 <13>text of it", 1, 5, "text of it")
	f("4 <13>text of it", 1, 5, "text of it") // a count that is wrong
	f("17 text of it", -1, -1, "17 text of it")
	f("<187>x host", 23, 3, "x host")
	f("\ufeff<13>text of it\r\n\x00\n", 1, 5, "text of it")
}

func TestAPRIThatMeansNothingIsPassedOverBeforeAHeader(t *testing.T) {
	f := reads(t)
	want := ingest.Line{
		Facility: -1, Severity: -1, Timestamp: at(2024, 3, 5, 10, 0, 0, 0),
		Hostname: "edge", AppName: "app", Text: "hello",
	}
	f("<192>Mar  5 10:00:00 edge app: hello", want)
	f("<4711>Mar  5 10:00:00 edge app: hello", want)
	f("<14.2>Mar  5 10:00:00 edge app: hello", want)
	f("<999>1 2024-03-05T10:00:00Z edge app - - - hello", want)
}

func TestBSDHeaders(t *testing.T) {
	f := func(raw, host, app, pid, text string) {
		t.Helper()
		reads(t)("<30>Mar  5 10:00:00"+raw, ingest.Line{
			Facility: 3, Severity: 6, Timestamp: at(2024, 3, 5, 10, 0, 0, 0),
			Hostname: host, AppName: app, ProcID: pid, Text: text,
		})
	}
	f("", "", "", "", "")
	f(" ", "", "", "", "")
	f(" myhost", "myhost", "", "", "")
	f(" myhost ", "myhost", "", "", "")
	f(" myhost sshd[42]: Failed password", "myhost", "sshd", "42", "Failed password")
	f(" myhost sshd[42]:Failed password", "myhost", "sshd", "42", "Failed password")
	f(" myhost hostd[42] Failed password", "myhost", "hostd", "42", "Failed password")
	f(" myhost sshd(pam_unix)[42]: x", "myhost", "sshd(pam_unix)", "42", "x")
	f(" myhost postfix/smtpd[42]: x", "myhost", "postfix/smtpd", "42", "x")
	f(" myhost /usr/sbin/cron[42]: x", "myhost", "/usr/sbin/cron", "42", "x")
	f(" myhost Installer Progress[42]: x", "myhost", "Installer Progress", "42", "x")
	f(" myhost su: 'su root' failed", "myhost", "su", "", "'su root' failed")
	f(" myhost sudo:  bob : TTY=pts/0", "myhost", "sudo", "", "bob : TTY=pts/0")
	f(" myhost app:text: more", "myhost", "app", "", "text: more")
	f(" myhost app : text", "myhost", "app", "", "text")
	f(" myhost - text of it", "myhost", "", "", "- text of it")
	f(" myhost no tag in this one", "myhost", "", "", "no tag in this one")
	f(" myhost http://example.net/ is down", "myhost", "", "", "http://example.net/ is down")
	f(" myhost 192.0.2.1:80 refused", "myhost", "", "", "192.0.2.1:80 refused")
	f(" myhost de:ad:be:ef:00:01 roamed", "myhost", "", "", "de:ad:be:ef:00:01 roamed")
	f(" myhost C:\\temp is full", "myhost", "", "", "C:\\temp is full")
	f(" myhost {\"a\": \"b: c\"}", "myhost", "", "", "{\"a\": \"b: c\"}")
	f(" myhost key=1 tag: x", "myhost", "", "", "key=1 tag: x")
	f(" myhost array[i] is full", "myhost", "", "", "array[i] is full")
	f(" sshd[42]: Failed password", "", "sshd", "42", "Failed password")
	f(" kernel: eth0 is down", "", "kernel", "", "eth0 is down")
	f(" - app: text", "", "app", "", "text")
	f(" (root) CMD (run-parts)", "", "", "", "(root) CMD (run-parts)")
	f(" 3com app: x", "3com", "app", "", "x")
	f(" 10.0.0.99 Use it!", "10.0.0.99", "", "", "Use it!")
	f(" 10.0.0.99: Use it!", "10.0.0.99", "", "", "Use it!")
	f(" 2001:db8::1 app: x", "2001:db8::1", "app", "", "x")
	f(" 2001:db8::: app: x", "2001:db8::", "app", "", "x")
	f(" fe80:: app: x", "fe80::", "app", "", "x")
	f(" fe80::1%eth0 app: x", "fe80::1%eth0", "app", "", "x")
	f(" hostname1/hostname2 app: x", "hostname1/hostname2", "app", "", "x")
	f(" _gateway app: x", "_gateway", "app", "", "x")
	f(" zürich app: x", "zürich", "app", "", "x")
	f(" INFO no host name in this one", "", "", "", "INFO no host name in this one")
	f(": myhost app: x", "myhost", "app", "", "x")
	f(" myhost : #INFO# x", "myhost", "", "", "#INFO# x")
	f(" myhost app: line one\n\tline two", "myhost", "app", "", "line one\n\tline two")
	f(" last message repeated 3 times", "", "", "", "last message repeated 3 times")
	f(" myhost last message repeated 3 times", "myhost", "", "", "last message repeated 3 times")
	f(" --- last message repeated 1 time ---", "", "", "", "--- last message repeated 1 time ---")
	f(" myhost -- MARK --", "myhost", "", "", "-- MARK --")
	f(" relay Mar  5 10:00:00 myhost app[1]: x", "myhost", "app", "1", "x")
	f(" relay Mar  5 09:00:00 was the last time", "relay", "", "", "Mar  5 09:00:00 was the last time")
}

func TestLinesWithoutTimestamp(t *testing.T) {
	f := func(raw, app, pid, text string) {
		t.Helper()
		reads(t)(raw, ingest.Line{Facility: 1, Severity: 6, AppName: app, ProcID: pid, Text: text})
	}
	f("<14>app: text of it", "app", "", "text of it")
	f("<14>app[42]: text of it", "app", "42", "text of it")
	f("<14> app[42]: text of it", "app", "42", "text of it")
	f("<14>app:text of it", "", "", "app:text of it")
	f("<14>INFO     leaving step", "", "", "INFO     leaving step")
	f("<14>45: text of it", "", "", "45: text of it")
	f("<14>ZZZ 99 99:99:99 localhost logger: x", "", "", "ZZZ 99 99:99:99 localhost logger: x")
	f("<14>Feb 30 10:00:00 localhost logger: x", "", "", "Feb 30 10:00:00 localhost logger: x")
	f("<14>{\"msg\": \"a: b\"}", "", "", "{\"msg\": \"a: b\"}")
	f("<14>app: 2024-01-01 12:00:00,123 INFO x", "app", "", "2024-01-01 12:00:00,123 INFO x")
}

func TestFilesLinesHaveNoHostName(t *testing.T) {
	f := func(raw, host, text string) {
		t.Helper()
		line := parsed(raw)
		if line.Timestamp.IsZero() || line.Hostname != host || line.Text != text {
			t.Errorf("%q: time %v, host %q, text %q", raw, line.Timestamp, line.Hostname, line.Text)
		}
	}
	f("2024-03-05 10:00:00 upgrade vlc 3.0.2 3.0.3", "", "upgrade vlc 3.0.2 3.0.3")
	f("2024-03-05T10:00:00Z Service started", "", "Service started")
	f("2024-03-05 10:00:00,[211],Passive Monitor", "", "2024-03-05 10:00:00,[211],Passive Monitor")
	f("2024-03-05T10:00:00Z myhost app: started", "myhost", "started")
	f("<14>2024-03-05 10:00:00 myhost started", "myhost", "started")
}

func TestARelayedHeaderWins(t *testing.T) {
	f := reads(t)
	want := ingest.Line{
		Facility: 20, Severity: 5, Timestamp: at(2024, 3, 5, 9, 0, 0, 3e6), Hostname: "myhost", AppName: "app", ProcID: "1",
		MsgID: "ID47", StructuredData: sd{"a@1": {"b": "c"}}, Text: "text",
	}
	f(`<34>Mar  5 10:00:00 relay <165>1 2024-03-05T09:00:00.003Z myhost app 1 ID47 [a@1 b="c"] text`, want)
	f(`<165>Mar  5 10:00:00 relay 1 2024-03-05T09:00:00.003Z myhost app 1 ID47 [a@1 b="c"] text`, want)
	f(`<165>2024-03-05T10:00:00Z relay 1 2024-03-05T09:00:00.003Z myhost app 1 ID47 [a@1 b="c"] text`, want)
	f("<34>Mar  5 10:00:00 relay <30>Mar  5 09:00:00 myhost app[1]: text", ingest.Line{
		Facility: 3, Severity: 6, Timestamp: at(2024, 3, 5, 9, 0, 0, 0), Hostname: "myhost", AppName: "app", ProcID: "1", Text: "text",
	})
}

func TestWhatLooksLikeARelayedHeaderChangesNothing(t *testing.T) {
	f := func(text string) {
		t.Helper()
		reads(t)("<30>Mar  5 10:00:00 myhost "+text, ingest.Line{
			Facility: 3, Severity: 6, Timestamp: at(2024, 3, 5, 10, 0, 0, 0), Hostname: "myhost", Text: text,
		})
	}
	f("<165> of them are down")
	f("<165>text")
	f("1 2024-03-05 was the last time")
	f("45: 46: 47")
}

func TestTextIsCleaned(t *testing.T) {
	f := func(raw, text string) {
		t.Helper()
		if got := parsed(raw).Text; got != text {
			t.Errorf("%q: text %q, want %q", raw, got, text)
		}
	}
	f("<14>Grüße, 東京", "Grüße, 東京")
	f("<14>Gr\xfc\xdfe", "Grüße")
	f("<14>Gr\xfc\xdfe, 東京", "Grüße, 東京")
	f("<14>\x93smart\x94 \x80 5", "“smart” € 5")
	f("<14>f\x81r", "f#201r")
	f("<14>\xe0\x9f\xbf", "àŸ¿")
	f("<14>a\x00b\x1b[31mc\x7f", "a#000b#033[31mc#177")
	f("<14>the rest is printable\x7f, all of it", "the rest is printable#177, all of it")
	f("<14>a\u009bc", "a#233c")
	f("<14>one\r\ntwo\rthree\tfour", "one\ntwo#015three\tfour")
	f("<14>text\n\n\x00\r\n", "text")
	f("<14>text of it ", "text of it ")
	f("<14>text \ufffd of it", "text \ufffd of it")
	if got := parsed("<14>Mar  5 10:00:00 h\x07st a\x07p: x"); got.Hostname != "" || got.Text != "h#007st a#007p: x" {
		t.Errorf("a bell in a host name: %+v", got)
	}
}

func TestParseForgetsTheLineBefore(t *testing.T) {
	line := parsed(`<165>1 2024-03-05T09:00:00.003Z myhost app 1 ID47 [a@1 b="c"] %A-1-B: text`)
	line.Mnemonic = "%LINK-3-UPDOWN"
	NewParser(nil).Parse([]byte("hello"), noon(), &line)
	want := ingest.Line{Facility: -1, Severity: -1, Text: "hello", Raw: []byte("hello")}
	if diff := cmp.Diff(want, line); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPlainLinesAreReadWithoutAllocation(t *testing.T) {
	p, now := NewParser(nil), noon()
	for name, text := range benchLines() {
		if name == "5424-sd" {
			continue
		}
		raw := []byte(text)
		var line ingest.Line
		if n := testing.AllocsPerRun(100, func() { p.Parse(raw, now, &line) }); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
