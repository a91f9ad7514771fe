package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/pdaltagent/pdaltagent/migrations/pgtest"
)

func TestMain(m *testing.M) {
	flag.Bool("update", false, "rewrite the archives in testdata")
	goleak.VerifyTestMain(pgtest.Main{M: m})
}

const testKey = "0123456789abcdef0123456789abcdef"

// dataDir returns a folder that the embedded Postgres' own user gets through to.
func dataDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pdagentd-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // that is the point
		t.Fatal(err)
	}
	return dir
}

// settings returns a configuration with every listener on a free port.
func settings(t testing.TB, more string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "pdagentd.yaml")
	text := fmt.Sprintf(`
node: test
data_dir: %s
rules: [../../deploy/rules.d]
ingest:
  snmp: { listen: ["127.0.0.1:0"], communities: [public] }
  syslog: { listen: ["udp://127.0.0.1:0"] }
  http: { listen: ["http://127.0.0.1:0", "https://127.0.0.1:0"] }
admin: { listen: "http://127.0.0.1:0" }
sandbox: { listen: "127.0.0.1:0" }
%s`, dataDir(t), more)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// begin starts an appliance, which is stopped when the test ends.
func begin(t testing.TB, file string) *appliance {
	t.Helper()
	a, stop := beginStoppable(t, file)
	t.Cleanup(stop)
	return a
}

func beginStoppable(t testing.TB, file string) (a *appliance, stop func()) {
	t.Helper()
	return beginWith(t, file, slog.New(slog.DiscardHandler))
}

func beginWith(t testing.TB, file string, logger *slog.Logger) (a *appliance, stop func()) {
	t.Helper()
	c, _, err := loadConfig(file, func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	a, err = build(t.Context(), c, logger)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.run(ctx) }()
	return a, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
		http.DefaultClient.CloseIdleConnections()
	}
}

// sql returns the single row that a query finds, its columns parted by blanks.
func (a *appliance) sql(t testing.TB, query string) string {
	t.Helper()
	rows, err := a.database.pool.Query(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
		values, err := row.Values()
		words := make([]string, len(values))
		for i, v := range values {
			words[i] = fmt.Sprint(v)
		}
		return strings.Join(words, " "), err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

// eventually waits until a query finds want.
func (a *appliance) eventually(t testing.TB, want, query string) {
	t.Helper()
	var got string
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if got = a.sql(t, query); got == want {
			return
		}
	}
	t.Fatalf("%s:\ngot  %s\nwant %s", query, got, want)
}

// run runs a client, or skips the test where it is not installed.
func client(t *testing.T, name string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	if out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

func port(addr fmt.Stringer) string {
	_, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return ""
	}
	return port
}

// post sends a body and returns the answer.
func post(t testing.TB, url, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, strings.TrimSpace(string(answer))
}

// TestFromTrapToPage is the README in one test: a trap, a syslog line and an
// event come in, PagerDuty's stand-in gets them, and the history tells of it.
func TestFromTrapToPage(t *testing.T) {
	a := begin(t, settings(t, ""))

	// A switch says that an interface is down, and then that it is up again.
	agent := "127.0.0.1:" + port(a.snmp.Addrs()[0])
	client(t, "snmptrap", "-v2c", "-c", "public", agent, "", "1.3.6.1.6.3.1.1.5.3",
		"1.3.6.1.2.1.2.2.1.1.7", "i", "7", "1.3.6.1.2.1.2.2.1.7.7", "i", "1", "1.3.6.1.2.1.31.1.1.1.1.7", "s", "Gi0/7")
	a.eventually(t, "open error 127.0.0.1: interface Gi0/7 is down",
		`SELECT status, severity, rtrim(summary) FROM alerts WHERE dedup_key = 'link-down/127.0.0.1/7'`)
	client(t, "snmpinform", "-v2c", "-c", "public", "-r", "0", "-t", "5", agent, "", "1.3.6.1.6.3.1.1.5.4",
		"1.3.6.1.2.1.2.2.1.1.7", "i", "7")
	if got := a.sql(t, `SELECT status FROM alerts WHERE dedup_key = 'link-down/127.0.0.1/7'`); got != "resolved" {
		t.Errorf("the inform was answered while the alert was %s: not after the commit", got)
	}

	// A router does the same by syslog.
	collector := []string{"--rfc3164", "-d", "-n", "127.0.0.1", "-P", port(a.syslog.Addrs()[0]), "-p", "local4.err", "-t", "%LINK-3-UPDOWN"}
	client(t, "logger", append(collector, "Interface Gi0/1, changed state to down")...)
	a.eventually(t, "open", `SELECT status FROM alerts WHERE rule = 'ios-link'`)

	// A program posts an event.
	status, answer := post(t, "http://"+a.http.Addrs()[0].String()+"/v2/enqueue", `{"routing_key":"`+testKey+`","event_action":"trigger",
		"dedup_key":"disk","payload":{"summary":"disk full","source":"db1","severity":"critical"}}`)
	if status != http.StatusAccepted || answer != `{"status":"success","message":"Event processed","dedup_key":"disk"}` {
		t.Errorf("answered %d %s", status, answer)
	}
	if got := a.sql(t, `SELECT decision FROM events WHERE dedup_key = 'disk'`); got != "queued" {
		t.Errorf("acknowledged before it was committed: %q", got)
	}

	// All of it was delivered, in order, and the stand-in has it.
	a.eventually(t, "", `SELECT dedup_key, action, state, attempts, last_error FROM deliveries WHERE state <> 'delivered'`)
	a.eventually(t, "4 4", `SELECT count(*), sum(attempts) FROM deliveries WHERE state = 'delivered'`)
	var actions []string
	for _, e := range a.stand.Events() {
		if e.DedupKey == "link-down/127.0.0.1/7" {
			actions = append(actions, e.Action)
		}
	}
	if got := strings.Join(actions, " "); got != "trigger resolve" {
		t.Errorf("PagerDuty heard of the link: %s", got)
	}
	a.eventually(t, "4", `SELECT count(*) FROM attempts WHERE status = 202`)
}

// TestBadInputIsCountedAndAnswered sends what must not hurt.
func TestBadInputIsCountedAndAnswered(t *testing.T) {
	a := begin(t, settings(t, ""))
	udp := func(addr fmt.Stringer, datagrams ...string) {
		t.Helper()
		var d net.Dialer
		conn, err := d.DialContext(t.Context(), "udp", addr.String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close() //nolint:errcheck // write only
		for _, datagram := range datagrams {
			if _, err := conn.Write([]byte(datagram)); err != nil {
				t.Fatal(err)
			}
		}
	}
	truncated := "\x30\x82\x01\x00\x02\x01\x01\x04\x06public"
	udp(a.snmp.Addrs()[0], "", "no BER", truncated, strings.Repeat("\x30", 65_000))
	udp(a.syslog.Addrs()[0], "", "no PRI at all", "\x00\xff\xfe binary \x01\x02", strings.Repeat("long ", 13_000))

	url := "http://" + a.http.Addrs()[0].String() + "/v2/enqueue"
	f := func(body string, want int, words string) {
		t.Helper()
		if status, answer := post(t, url, body); status != want || !strings.Contains(answer, words) {
			t.Errorf("%.60s: %d %s, want %d and %q", body, status, answer, want, words)
		}
	}
	f(`no JSON`, 400, `"status":"invalid event"`)
	f(``, 400, `"status":"invalid event"`)
	f(strings.Repeat("x", 600_000), 413, "524288")
	f(`{"routing_key":"`+testKey+`","event_action":"trigger","payload":{"summary":"s","source":"h","severity":"purple"}}`, 400, "severity")
	f(`{"routing_key":"wrong","event_action":"trigger","payload":{"summary":"s","source":"h","severity":"info"}}`, 400, "routing_key")
	f(`{"routing_key":"`+testKey+`","event_action":"trigger","payload":{"summary":"NUL \u0000 and \ud800","source":"h","severity":"info","custom_details":{"n":1e400000}}}`, 202, "success")

	a.eventually(t, "3", `SELECT count(*) FROM events WHERE protocol = 'syslog' AND decision = 'unmatched'`)
	a.eventually(t, "1", `SELECT count(*) FROM deliveries WHERE state = 'delivered'`)
	metrics := a.metrics(t)
	for _, want := range []string{
		`pdaltagent_messages_total{outcome="empty",protocol="snmp"} 1`,
		`pdaltagent_messages_total{outcome="malformed",protocol="snmp"} 3`,
		`pdaltagent_messages_total{outcome="empty",protocol="syslog"} 1`,
		`pdaltagent_messages_total{outcome="unmatched",protocol="syslog"} 3`,
		`pdaltagent_messages_total{outcome="malformed",protocol="http"} 4`,
		`pdaltagent_messages_total{outcome="oversize",protocol="http"} 1`,
		`pdaltagent_messages_total{outcome="mapped",protocol="http"} 1`,
	} {
		if !strings.Contains(metrics, want+"\n") {
			t.Errorf("no %s in\n%s", want, grep(metrics, "pdaltagent_messages_total"))
		}
	}
}

func (a *appliance) metrics(t testing.TB) string {
	t.Helper()
	return get(t, "http://"+a.admin.Addr().String()+"/metrics")
}

// get returns what a GET answers.
func get(t testing.TB, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func grep(text, word string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, word) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// TestReadyzTellsWhetherEventsCanBeCommitted asks both listeners.
func TestReadyzTellsWhetherEventsCanBeCommitted(t *testing.T) {
	a := begin(t, settings(t, ""))
	for _, base := range []string{a.admin.Addr().String(), a.http.Addrs()[0].String()} {
		for _, path := range []string{"/healthz", "/readyz"} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+base+path, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			var body map[string]any
			if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
				t.Errorf("%s: %v", path, err)
			}
			if err := resp.Body.Close(); err != nil {
				t.Error(err)
			}
			if resp.StatusCode != http.StatusOK {
				t.Errorf("%s%s: %d %v", base, path, resp.StatusCode, body)
			}
		}
	}
}
