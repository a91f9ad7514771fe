package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/pdaltagent/pdaltagent/cmd/internal/sender/sendertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const goodKey = "e93facc04764012d7bfb002500d5d1a6"

// outcome is what one call of pd-send did.
type outcome struct {
	exit           int
	stdout, stderr string
}

func pdSend(env map[string]string, args ...string) outcome {
	var stdout, stderr strings.Builder
	exit := program(0).Run(args, func(name string) string { return env[name] }, nil, &stdout, &stderr)
	return outcome{exit, stdout.String(), stderr.String()}
}

// receiver stands for pdagentd behind its self-signed certificate, and keeps
// what it was sent.
type receiver struct {
	*httptest.Server
	status int
	answer string

	path   string
	header http.Header
	body   map[string]any
}

func newReceiver(t *testing.T, listen func(http.Handler) *httptest.Server) *receiver {
	t.Helper()
	r := &receiver{status: 202, answer: `{"status":"success","message":"Event processed","dedup_key":"k1"}`}
	r.Server = listen(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		raw, _ := io.ReadAll(q.Body)
		r.path, r.header, r.body = q.Method+" "+q.URL.Path, q.Header, nil
		if err := json.Unmarshal(raw, &r.body); err != nil {
			t.Errorf("sent %q: %v", raw, err)
		}
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(r.status)
		_, _ = io.WriteString(w, r.answer)
	}))
	r.Config.ErrorLog = nil
	t.Cleanup(r.Close)
	return r
}

func TestEveryOptionReachesTheEvent(t *testing.T) {
	r := newReceiver(t, httptest.NewTLSServer)
	env := map[string]string{"PDSEND_EVENTS_BASE_URL": r.URL + "/", "PDSEND_TOKEN": "s3cret"}
	want := map[string]any{
		"routing_key": goodKey, "event_action": "trigger", "dedup_key": "db1/disk", "client": "cron", "client_url": "https://c",
		"payload": map[string]any{
			"summary": "disk full", "source": "db1", "severity": "error", "component": "disk", "group": "db", "class": "space",
			"custom_details": map[string]any{"free": "1%", "expr": "a=b", "empty": ""},
		},
	}
	f := func(args ...string) {
		t.Helper()
		r.body = nil
		got := pdSend(env, args...)
		if want := (outcome{0, "Event processed. Incident Key: k1\n", ""}); got != want {
			t.Errorf("%+v", got)
		}
		if diff := cmp.Diff(want, r.body); diff != "" {
			t.Errorf("%q: %s", args, diff)
		}
	}
	f("-k", goodKey, "-t", "trigger", "-d", "disk full", "-i", "db1/disk", "-s", "error", "-o", "db1", "-m", "disk", "-g", "db", "-l", "space",
		"-c", "cron", "-u", "https://c", "-f", "free=1%", "-f", "expr=a=b", "-f", "empty=")
	f("--service-key", goodKey, "--event-type", "trigger", "--description", "disk full", "--incident-key", "db1/disk", "--severity", "error",
		"--source", "db1", "--component", "disk", "--group", "db", "--class", "space", "--client", "cron", "--client-url", "https://c",
		"--field", "free=1%", "--field", "expr=a=b", "--field", "empty=")
	f("--routing-key="+goodKey, "--event-type=trigger", "--description=disk full", "--incident-key=db1/disk", "--severity=error",
		"--source=db1", "--component=disk", "--group=db", "--class=space", "--client=cron", "--client-url=https://c",
		"--field=free=1%", "--field=expr=a=b", "--field=empty=")
	f("-k"+goodKey, "-ttrigger", "-ddisk full", "-idb1/disk", "-serror", "-odb1", "-mdisk", "-gdb", "-lspace", "-ccron", "-uhttps://c",
		"-ffree=1%", "-fexpr=a=b", "-fempty=")
	if r.path != "POST /v2/enqueue" || r.header.Get("Content-Type") != "application/json" || r.header.Get("Authorization") != "Bearer s3cret" {
		t.Errorf("%s %v", r.path, r.header)
	}
}

func TestWhatIsNotGivenHasADefault(t *testing.T) {
	r := newReceiver(t, httptest.NewTLSServer)
	env := map[string]string{"PDSEND_EVENTS_BASE_URL": r.URL}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	f := func(want map[string]any, args ...string) {
		t.Helper()
		if got := pdSend(env, append([]string{"-q", "-k", goodKey}, args...)...); got != (outcome{}) {
			t.Errorf("%+v", got)
		}
		if diff := cmp.Diff(want, r.body); diff != "" {
			t.Error(diff)
		}
	}
	f(map[string]any{
		"routing_key": goodKey, "event_action": "trigger",
		"payload": map[string]any{"summary": "down", "source": host, "severity": "critical"},
	}, "-t", "trigger", "-d", "down")
	f(map[string]any{"routing_key": goodKey, "event_action": "resolve", "dedup_key": "a"}, "-t", "resolve", "-i", "a")
	f(map[string]any{
		"routing_key": goodKey, "event_action": "acknowledge", "dedup_key": "a",
		"payload": map[string]any{"summary": "on it", "source": host, "severity": "critical"},
	}, "-t", "acknowledge", "-i", "a", "-d", "on it")
}

func TestWrongUsageNamesEveryFault(t *testing.T) {
	f := func(env map[string]string, want []string, args ...string) {
		t.Helper()
		got := pdSend(env, args...)
		if got.exit != 2 || got.stdout != "" {
			t.Errorf("%q: %+v", args, got)
		}
		for line := range strings.Lines(got.stderr) {
			if !strings.HasPrefix(line, "pd-send: ") && line != "Try 'pd-send --help'.\n" || strings.HasPrefix(line, "pd-send:  ") {
				t.Errorf("%q says the line %q", args, line)
			}
		}
		for _, part := range append(want, "Try 'pd-send --help'.") {
			if !strings.Contains(got.stderr, part) {
				t.Errorf("%q says %q, not %q", args, got.stderr, part)
			}
		}
	}
	f(nil, []string{"-k (--service-key) is required", "-t (--event-type) is required: trigger, acknowledge or resolve"})
	f(nil, []string{`-t (--event-type) must be trigger, acknowledge or resolve, not "open"`}, "-k", goodKey, "-t", "open")
	f(nil, []string{"must be 32 letters and digits", "trigger requires -d"}, "-k", "short", "-t", "trigger", "-d", " ")
	f(nil, []string{"event type resolve requires -i"}, "-k", goodKey, "-t", "resolve")
	f(nil, []string{`must be critical, error, warning or info, not "major"`, `must be KEY=VALUE, not "novalue"`, `not "=x"`},
		"-k", goodKey, "-t", "trigger", "-d", "x", "-s", "major", "-f", "novalue", "-f", "=x")
	f(nil, []string{"unknown flag: --nope"}, "--nope")
	f(nil, []string{"flag needs an argument"}, "-k")
	f(nil, []string{`"full" belongs to no option`}, "-k", goodKey, "-t", "trigger", "-d", "disk", "full")
	f(map[string]string{"PDSEND_EVENTS_BASE_URL": "localhost:8443"}, []string{`"localhost:8443" is no URL: write https://host:8443`},
		"-k", goodKey, "-t", "resolve", "-i", "a")
}

func TestHelpNamesTheEnvironment(t *testing.T) {
	got := pdSend(nil, "--help")
	for _, part := range []string{"--service-key", "--routing-key", "PDSEND_EVENTS_BASE_URL", "PDSEND_SKIP_CERT_VERIFY", "PDSEND_TOKEN", "self-signed"} {
		if !strings.Contains(got.stdout, part) {
			t.Errorf("nothing about %s", part)
		}
	}
	if got.exit != 0 || got.stderr != "" {
		t.Errorf("%+v", got)
	}
}

func TestWhatCouldNotBeSentSaysWhatToCheck(t *testing.T) {
	secure, plain := newReceiver(t, httptest.NewTLSServer), newReceiver(t, httptest.NewServer)
	gone := httptest.NewServer(nil)
	gone.Close()
	f := func(base, skip string, want ...string) {
		t.Helper()
		got := pdSend(map[string]string{"PDSEND_EVENTS_BASE_URL": base, "PDSEND_SKIP_CERT_VERIFY": skip}, "-k", goodKey, "-t", "resolve", "-i", "a")
		if got.exit != 1 || got.stdout != "" {
			t.Errorf("%s: %+v", base, got)
		}
		for _, part := range want {
			if !strings.Contains(got.stderr, part) {
				t.Errorf("%s says %q, not %q", base, got.stderr, part)
			}
		}
		if strings.Contains(got.stderr, goodKey) || strings.Contains(got.stderr, "passw0rd") {
			t.Errorf("a secret is printed: %s", got.stderr)
		}
	}
	f(gone.URL, "", gone.URL, "connection refused", "is pdagentd running there")
	f(strings.Replace(gone.URL, "http://", "http://me:passw0rd@", 1), "", "is pdagentd running there")
	f(secure.URL, "false", "certificate", "SSL_CERT_FILE", "PDSEND_SKIP_CERT_VERIFY=true")
	f("https"+strings.TrimPrefix(plain.URL, "http"), "", "this port speaks http: set PDSEND_EVENTS_BASE_URL to "+plain.URL)
	f("http"+strings.TrimPrefix(secure.URL, "https"), "", "400 Bad Request", "check PDSEND_EVENTS_BASE_URL")

	answer := func(status int, body string, want ...string) {
		t.Helper()
		secure.status, secure.answer = status, body
		f(secure.URL, "", want...)
	}
	answer(400, `{"status":"invalid event","message":"Event object is invalid","errors":["'a' is missing","'b' is missing"]}`,
		"400 Bad Request: Event object is invalid: 'a' is missing: 'b' is missing")
	answer(401, `{"status":"unauthorized","message":"The token is missing or wrong"}`, "set PDSEND_TOKEN")
	answer(503, `{"status":"unavailable","message":"The event was not taken: retry later"}`, "503 Service Unavailable: The event was not taken: retry later")
	answer(200, `<html>`, "200 OK, but not as pdagentd or PagerDuty does")
	answer(301, ``, "301 Moved Permanently, but not as pdagentd")
}

// TestSendsToTheRealReceiverUnconfigured is pd-send beside pdagentd: the
// self-signed certificate is no obstacle.
func TestSendsToTheRealReceiverUnconfigured(t *testing.T) {
	r := sendertest.Listen(t)
	got := pdSend(map[string]string{"PDSEND_EVENTS_BASE_URL": r.URL}, "-k", goodKey, "-t", "trigger", "-d", "disk full")
	if want := (outcome{0, "Event processed. Incident Key: made-up\n", ""}); got != want {
		t.Errorf("%+v", got)
	}
	if key, path, _ := r.Next(t); key != goodKey || path != "/v2/enqueue" {
		t.Errorf("%s got %s", path, key)
	}
}
