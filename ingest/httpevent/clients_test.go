package httpevent

import (
	"bufio"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/PagerDuty/go-pagerduty"
)

func TestGoPagerDutyChangesOnlyItsEndpoint(t *testing.T) {
	g := start(t, Config{}, nil)
	client := pagerduty.NewClient("", pagerduty.WithV2EventsAPIEndpoint(g.url))
	client.HTTPClient = g.client
	resp, err := client.ManageEventWithContext(t.Context(), &pagerduty.V2Event{
		RoutingKey: goodKey, Action: "trigger",
		Payload: &pagerduty.V2Payload{Summary: "disk full", Source: "db1", Severity: "error", Details: map[string]any{"free": 0.5}},
	})
	if err != nil || resp.Status != "success" || resp.DedupKey != "given-key" {
		t.Errorf("trigger: %+v, %v", resp, err)
	}
	_, err = client.ManageEventWithContext(t.Context(), &pagerduty.V2Event{RoutingKey: "short", Action: "resolve"})
	if fault, ok := errors.AsType[pagerduty.APIError](err); !ok || fault.StatusCode != http.StatusBadRequest {
		t.Errorf("resolve: %v", err)
	}
	change, err := client.CreateChangeEventWithContext(t.Context(), pagerduty.ChangeEvent{
		RoutingKey: goodKey, Payload: pagerduty.ChangeEventPayload{Summary: "deployed", Source: "ci"},
	})
	if err != nil || change.Status != "success" {
		t.Errorf("change: %+v, %v", change, err)
	}
	v1, err := pagerduty.CreateEventWithHTTPClient(
		pagerduty.Event{ServiceKey: goodKey, Type: "trigger", Description: "down"}, redirected{g},
	)
	if err != nil || v1.Status != "success" || v1.IncidentKey != "given-key" {
		t.Errorf("v1: %+v, %v", v1, err)
	}
}

// redirected sends what is for PagerDuty to a rig: Events v1 has no endpoint
// to set.
type redirected struct{ *rig }

func (r redirected) Do(q *http.Request) (*http.Response, error) {
	to, err := url.Parse(r.url)
	if err != nil {
		return nil, err
	}
	q.URL.Scheme, q.URL.Host, q.Host = to.Scheme, to.Host, ""
	return r.client.Do(q)
}

func TestCurlTrustsTheSelfSignedCertificate(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("no curl")
	}
	dir := t.TempDir()
	g := start(t, Config{Listen: []string{"https://127.0.0.1:0"}}, nil)
	pem := filepath.Join(dir, "served.crt")
	cert, err := g.r.server.TLSConfig.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(pem, encodeCert(cert.Certificate[0]), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, flags := range [][]string{{"--http1.1"}, {"--http2"}} {
		args := append(flags, "--silent", "--show-error", "--cacert", pem, "-d", trigger, g.secure+"/v2/enqueue")
		out, err := exec.CommandContext(t.Context(), "curl", args...).CombinedOutput()
		if err != nil || string(out) != `{"status":"success","message":"Event processed","dedup_key":"given-key"}` {
			t.Errorf("%v: %s, %v", flags, out, err)
		}
	}
	if got := g.last().Request.ContentType; got != formMedia {
		t.Errorf("curl sent %q: the test means to send JSON as a form", got)
	}
}

// TestRealClientsAreUnderstood posts what real clients send. Bodies with a
// placeholder for a key are posted with a key; what PagerDuty refuses is
// refused for the reason that it has.
func TestRealClientsAreUnderstood(t *testing.T) {
	file, err := os.Open("../../../shared/corpus/http_events.jsonl")
	if err != nil {
		t.Skip(err)
	}
	defer func() { _ = file.Close() }()
	g := start(t, Config{}, nil)
	taken, refused := 0, 0
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var record struct {
			Endpoint, Client, Path string
			Body                   map[string]any
		}
		if err := json.Unmarshal(lines.Bytes(), &record); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(record.Endpoint, "/") {
			continue // the input of an integration, not what it posts
		}
		got := g.post(record.Endpoint, withKey(t, record.Body))
		if got.status/100 == 2 {
			taken++
			continue
		}
		refused++
		if !incomplete(record.Endpoint, record.Body) {
			t.Errorf("%s %s %v: %d %s", record.Client, record.Path, record.Body, got.status, got.body)
		}
	}
	if err := lines.Err(); err != nil || taken == 0 {
		t.Fatal(taken, err)
	}
	t.Logf("%d taken, %d refused", taken, refused)
}

func withKey(t *testing.T, body map[string]any) string {
	t.Helper()
	for _, name := range []string{"routing_key", "service_key"} {
		if key, ok := body[name].(string); ok && len(keyFaults(name, key)) > 0 {
			body[name] = goodKey
		}
	}
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// incomplete reports, independently of the checks, whether body lacks what
// PagerDuty's OpenAPI descriptions require: snippets of configuration and
// schemas do.
func incomplete(endpoint string, body map[string]any) bool {
	text := func(in map[string]any, name string) string { s, _ := in[name].(string); return s }
	payload, _ := body["payload"].(map[string]any)
	switch endpoint {
	case "/v2/change/enqueue":
		return text(body, "routing_key") == "" || text(payload, "summary") == ""
	case "/v2/enqueue":
		action := text(body, "event_action")
		return text(body, "routing_key") == "" || action == "" || strings.HasPrefix(action, "%") ||
			(action == "trigger" && (text(payload, "summary") == "" || text(payload, "severity") == ""))
	default:
		return text(body, "service_key") == "" || text(body, "event_type") == ""
	}
}
