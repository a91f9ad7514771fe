package main

import (
	"testing"
	"time"
)

func TestDurationsTakeDaysAndWeeks(t *testing.T) {
	f := func(s string, want time.Duration) {
		t.Helper()
		if got, err := parseDuration(s); err != nil || got != want {
			t.Errorf("%s: %v %v, want %v", s, got, err, want)
		}
	}
	f("0", 0)
	f("20s", 20*time.Second)
	f("1h30m", 90*time.Minute)
	f("90d", 2160*time.Hour)
	f("2w", 336*time.Hour)
	f("1w2d3h", (168+48+3)*time.Hour)
	f("1.5d", 36*time.Hour)
	f("-1d", -24*time.Hour)
	for _, wrong := range []string{"", "20", "d", "1 d", "1dd", "90days", "1y", "99999999999d", "1e3d"} {
		if got, err := parseDuration(wrong); err == nil {
			t.Errorf("%q is %v", wrong, got)
		}
	}
}

// TestMendsKeepWhatWasWritten: the port, the host and the number.
func TestMendsKeepWhatWasWritten(t *testing.T) {
	f := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f(mendDuration("20"), "20s (or 20m, 20h, 20d)")
	f(mendDuration("90 days"), "90d")
	f(mendDuration("5 Minutes"), "5m")
	f(mendDuration("250 msec"), "250ms")
	f(mendDuration("3 months"), "90d")
	f(mendDuration("2years"), "730d")
	f(mendDuration("soon"), "")

	f(mendListener("ingest.snmp.listen[0]", "162"), ":162")
	f(mendListener("ingest.snmp.listen[0]", "udp://10.0.0.1:162"), "10.0.0.1:162")
	f(mendListener("ingest.snmp.listen", "::1"), "::1") // nothing is near enough
	f(mendListener("ingest.syslog.listen[2]", "514"), "udp://:514")
	f(mendListener("ingest.syslog.listen[0]", "collector:601"), "udp://collector:601")
	f(mendListener("ingest.http.listen[0]", "8080"), "http://:8080")
	f(mendListener("ingest.http.listen[0]", "10.0.0.1:8443"), "https://10.0.0.1:8443")
	f(mendListener("ingest.http.listen[0]", "http://:8080/"), "http://:8080")
	f(mendListener("admin.listen", "9090"), "http://127.0.0.1:9090")
	f(mendListener("admin.listen", "0.0.0.0:8081"), "http://0.0.0.0:8081")
	f(mendListener("sandbox.listen", "http://127.0.0.1:1"), "127.0.0.1:1")
	f(mendListener("database.url", "x"), "x")

	f(mendURL("127.0.0.1:18090"), "http://127.0.0.1:18090")
	f(mendURL("events.eu.pagerduty.com"), "https://events.eu.pagerduty.com")
	f(mendURL("//proxy.example.net:8080/x"), "http://proxy.example.net:8080/x")
	f(mendURL("ftp://events.pagerduty.com"), "https://events.pagerduty.com")
}
