package syslog

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// seeds are lines of every kind that the parser knows, and what has broken it.
func seeds() []string {
	lines := slices.Collect(maps.Values(benchLines()))
	return append(lines,
		"", "<", "<13>", "<13>1", "<13>1 - ", "<13>Mar  5 10:00:00", "12 <13>x", "%%", "%$%$", "*", ":", "45:", "[syslog@9 ", "<5>1 -é h - - - x",
		"0//:0000000000", "<13>Mar  5 10:00:00 (\")", "<13>Mar  5 10:00:00 (\"\")",
		"<34>Mar  5 10:00:00 relay <165>1 2024-03-05T09:00:00.003Z h a 1 m [a@1 b=\"c\"] text",
		"<165>1 2024-03-05T09:00:00Z h a 1 m [a b=“c\" d=\"\\\"\\]\"][x:\"1\"; y:\"2\"]\xff\x00",
		"<189>37: core1 RP/0/RSP0/CPU0:Mar  5 10:00:00.000 UTC: bgp[1052]: %ROUTING-BGP-5-ADJCHANGE : neighbor",
		"<190>3132517: sw01: 3132513: 2y10w: %LINK-3-UPDOWN: x",
		"<190>85: R1: [syslog@9 s_sn=\"5\"]: *Mar  5 10:00:00: %SYS-5-CONFIG_I: Configured",
		"<134>wlc1: *spamApTask2: Mar 05 10:00:00.000: %CAPWAP-3-DECODE_ERR: x",
		"<30>Mar  5 10:00:00 (\"U7PG2,f09fc2aabbcc,v4\") hostapd: x",
		"<30>Mar  5 10:00:00 ap1 f09fc2aabbcc,UAP-6.0: hostapd[9]: x",
		"<134> 03/05/2024:10:00:00 GMT ns1 0-PPE-0 : default x",
		"<134>1 1709632800.000000000 mx84 urls src=192.0.2.1",
		"<189>date=2024-03-05 time=10:00:00 devname=\"fw1\" tz=\"-0500\"",
		"<13>Feb 29 10:00:00 TZ-6 2024 h a: x",
		"<14>Mar  5 10:00:00 pa-1 1,2024/03/05 10:00:00,007,TRAFFIC,start,1,2020/10/07 10:00:00,192.0.2.1",
		"<13>192.0.2.1 - - [07/Oct/2020:12:00:00 +0200] \"GET / HTTP/1.1\" 200",
		"<14>CEF:0|V|P|1|1|n|3|rt=Oct 07 2020 10:00:00 UTC dvchost=fw1",
		"<14>node=h1 type=SYSCALL msg=audit(1602064800.000:4686): arch=x",
		"<13>[7] 2020/10/07 10:00:00 [INF] started",
	)
}

func FuzzParse(f *testing.F) {
	for _, line := range seeds() {
		f.Add([]byte(line), int64(1709632800))
	}
	p := NewParser(time.FixedZone("CST", 8*3600))
	f.Fuzz(func(t *testing.T, raw []byte, unix int64) {
		holds(t, p.Parse, raw, time.Unix(unix%4e9, 0))
	})
}

// TestDamagedLinesAreRead cuts off every line everywhere, and puts what has a
// meaning somewhere everywhere else.
func TestDamagedLinesAreRead(t *testing.T) {
	p := NewParser(nil)
	for _, line := range seeds() {
		for i := range line {
			holds(t, p.Parse, []byte(line[:i]), noon())
			for _, c := range []byte("\x00\n \"%*-/09:<=[]\xe2") {
				holds(t, p.Parse, []byte(line[:i]+string([]byte{c})+line[i:]), noon())
				holds(t, p.Parse, []byte(line[:i]+string([]byte{c})+line[i+1:]), noon())
			}
		}
	}
}

// holds checks what Parse promises of every line.
func holds(t *testing.T, parse parseFunc, raw []byte, now time.Time) {
	t.Helper()
	before := bytes.Clone(raw)
	var line ingest.Line
	parse(raw, now, &line)
	if !bytes.Equal(raw, before) || !bytes.Equal(line.Raw, before) {
		t.Errorf("%q was changed to %q, Raw is %q", before, raw, line.Raw)
	}
	for _, s := range stringsOf(&line) {
		if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
			t.Errorf("%q: %q is not clean", raw, s)
		}
	}
	for _, s := range []string{line.Hostname, line.AppName, line.ProcID, line.MsgID, line.Mnemonic} {
		if strings.ContainsAny(s, "\n\t") {
			t.Errorf("%q: %q is more than a word", raw, s)
		}
	}
	if line.Facility < -1 || line.Facility > 23 || line.Severity < -1 || line.Severity > 7 {
		t.Errorf("%q: facility %d, severity %d", raw, line.Facility, line.Severity)
	}
	if _, err := line.Timestamp.MarshalJSON(); err != nil {
		t.Errorf("%q: %v", raw, err)
	}
}

func stringsOf(line *ingest.Line) []string {
	all := []string{line.Hostname, line.AppName, line.ProcID, line.MsgID, line.Mnemonic, line.Text}
	for id, params := range line.StructuredData {
		all = append(all, id)
		for name, value := range params {
			all = append(all, name, value)
		}
	}
	return all
}
