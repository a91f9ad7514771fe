package syslog

import (
	"context"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/leodido/go-syslog/v4/rfc3164"
	"github.com/leodido/go-syslog/v4/rfc5424"
	"gopkg.in/mcuadros/go-syslog.v2/format"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// benchLines are lines that all three parsers understand, unless named ours.
func benchLines() map[string]string {
	return map[string]string{
		"3164":      "<34>Oct 11 22:14:15 mymachine sshd[4721]: Failed password for root from 192.0.2.7 port 51022 ssh2",
		"5424":      "<165>1 2024-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 ID47 - It's time to make the do-nuts.",
		"5424-sd":   `<165>1 2024-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut="3" eventSource="Application" eventID="1011"] An application event log entry`,
		"ours-ios":  "<187>45: sw01: *Mar  1 18:46:11.123 UTC: %LINEPROTO-5-UPDOWN: Line protocol on Interface GigabitEthernet1/0/1, changed state to down",
		"ours-asa":  "<166>Mar 01 2024 10:00:00 fw1 : %ASA-6-302013: Built outbound TCP connection 1480323 for outside:192.0.2.1/80",
		"ours-kv":   `<189>date=2024-04-23 time=12:32:48 devname="fw1" devid="FG100" logid="0102043014" type="event" tz="-0500" msg="x"`,
		"ours-iso":  "<166>2024-01-01T00:00:00.000Z esx1 Hostd: [Originator@6876 sub=Vimsvc.ha-eventmgr] Event 123 : User root@127.0.0.1 logged in",
		"ours-tag":  "<30>Mar  5 10:00:00 kernel: [46735.878849] FIREWALL: IN=eth2 OUT= MAC= SRC=192.0.2.1 DST=192.0.2.2",
		"ours-text": "<14>just some words that no one put a header before, and a few more of them to make up the length",
	}
}

func BenchmarkParse(b *testing.B) {
	for name, text := range benchLines() {
		b.Run(name, func(b *testing.B) {
			p, raw, now := NewParser(nil), []byte(text), noon()
			var line ingest.Line
			b.ReportAllocs()
			for b.Loop() {
				p.Parse(raw, now, &line)
			}
		})
	}
}

func BenchmarkParseInAConfiguredZone(b *testing.B) {
	location, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		b.Fatal(err)
	}
	p, raw, now := NewParser(location), []byte(benchLines()["3164"]), noon()
	var line ingest.Line
	b.ReportAllocs()
	for b.Loop() {
		p.Parse(raw, now, &line)
	}
}

func BenchmarkMcuadros(b *testing.B) {
	formats := map[string]format.Format{"3164": &format.RFC3164{}, "5424": &format.RFC5424{}, "5424-sd": &format.RFC5424{}}
	for name, f := range formats {
		b.Run(name, func(b *testing.B) {
			raw := []byte(benchLines()[name])
			b.ReportAllocs()
			for b.Loop() {
				if err := f.GetParser(raw).Parse(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkLeodido(b *testing.B) {
	b.Run("3164", func(b *testing.B) {
		raw, m := []byte(benchLines()["3164"]), rfc3164.NewMachine()
		b.ReportAllocs()
		for b.Loop() {
			if _, err := m.Parse(raw); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, name := range []string{"5424", "5424-sd"} {
		b.Run(name, func(b *testing.B) {
			raw, m := []byte(benchLines()[name]), rfc5424.NewMachine()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := m.Parse(raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkReceive sends lines to a Receiver whose handler does nothing, and
// reports what a line costs this process in CPU time, the sender's part
// included.
func BenchmarkReceive(b *testing.B) {
	line := benchLines()["3164"] + "\n"
	for transport, size := range map[string]int{"tcp": largeBuffer, "tcp-lines": len(line), "udp": len(line) - 1} {
		b.Run(transport, func(b *testing.B) {
			scheme, _, _ := strings.Cut(transport, "-")
			var received atomic.Int64
			r, stop := run(b, Config{Listen: []string{scheme + "://127.0.0.1:0"}}, ingest.HandlerFunc(
				func(_ context.Context, ms []ingest.Message, _ func(ingest.Receipt)) { received.Add(int64(len(ms))) }))
			conn, err := (&net.Dialer{}).DialContext(b.Context(), scheme, r.Addrs()[0].String())
			if err != nil {
				b.Fatal(err)
			}
			chunk := []byte(strings.Repeat(line, size/len(line)+1)[:max(1, size/len(line))*len(line)])
			if scheme == "udp" {
				chunk = chunk[:size]
			}
			each := max(1, len(chunk)/len(line))
			before := cpuTime(b)
			b.ResetTimer()
			sent := 0
			for sent < b.N {
				if _, err := conn.Write(chunk); err != nil {
					b.Fatal(err)
				}
				sent += each
				for int64(sent)-received.Load() > 20_000 {
					time.Sleep(100 * time.Microsecond)
				}
			}
			for received.Load() < int64(sent) {
				time.Sleep(time.Millisecond)
			}
			b.StopTimer()
			b.ReportMetric(float64((cpuTime(b)-before).Nanoseconds())/float64(sent), "cpu-ns/line")
			_ = conn.Close()
			stop()
		})
	}
}

// cpuTime returns the CPU time that this process has used.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
