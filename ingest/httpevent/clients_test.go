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

// TestNagiosOwnClientIsUnderstood sends the form as Nagios' Perl client does:
// every macro of the notification, in the bytes that its environment has.
func TestNagiosOwnClientIsUnderstood(t *testing.T) {
	perl, err := exec.LookPath("perl")
	if err != nil {
		t.Skip("no perl")
	}
	g := start(t, Config{}, nil)
	const script = `use HTTP::Tiny; my ($url, $key) = @ARGV;
		my $r = HTTP::Tiny->new->post_form($url, {CONTACTPAGER => $key, pd_nagios_object => "service", NOTIFICATIONTYPE => "PROBLEM",
			HOSTNAME => "db 1", SERVICEDESC => "Disk /var & co", SERVICESTATE => "CRITICAL", SERVICEOUTPUT => "caf\xe9 = 99%", LONGSERVICEOUTPUT => ""});
		print "$r->{status} $r->{content}"`
	out, err := exec.CommandContext(t.Context(), perl, "-e", script, g.url+"/nagios/2010-04-15/create_event", goodKey).CombinedOutput()
	if err != nil || string(out) != `200 {"status":"success","message":"Event processed","incident_key":"given-key"}` {
		t.Fatalf("%s, %v", out, err)
	}
	req := g.last().Request
	form, _ := req.Body.(map[string]any)
	if req.Key != goodKey || form["SERVICEDESC"] != "Disk /var & co" || form["HOSTNAME"] != "db 1" || form["LONGSERVICEOUTPUT"] != "" ||
		!strings.Contains(string(req.Raw), "CONTACTPAGER="+goodKey) {
		t.Errorf("%v %s", form, req.Raw)
	}
}

// TestPagerDutyAgentIsUnderstood: what pd-send queues is posted as JSON, by the
// older agent under the content type that Python gives to everything.
func TestPagerDutyAgentIsUnderstood(t *testing.T) {
	g := start(t, Config{}, nil)
	const event = `{"service_key": "` + goodKey + `", "event_type": "trigger", "description": "café is \ud83d\udd25", "incident_key": "server.fire",
		"client": "", "client_url": "", "details": {"k": "v=w", "a b": ""}, "agent": {"agent_id": "a7f0", "queued_by": "pd-send", "queued_at": "2027-01-02T03:04:05Z"}}`
	for _, contentType := range []string{jsonMedia, formMedia, ""} {
		got := g.post("/generic/2010-04-15/create_event.json", event, "Content-Type", contentType, "User-Agent", "pdagent/1.8")
		if got.status != http.StatusOK || got.fields["incident_key"] != "given-key" {
			t.Errorf("%q: %d %s", contentType, got.status, got.body)
		}
		body, _ := g.last().Request.Body.(map[string]any)
		if body["description"] != "café is 🔥" || body["service_key"] != nil {
			t.Errorf("%q: %v", contentType, body)
		}
	}
}

func TestCurlSendsWhateverItCan(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("no curl")
	}
	g := start(t, Config{}, nil)
	file := filepath.Join(t.TempDir(), "large.json")
	if err := os.WriteFile(file, []byte(`{"a":"`+strings.Repeat("x", 400<<10)+`"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(args ...string) {
		t.Helper()
		args = append([]string{"--silent", "--show-error", g.url + "/hooks/x"}, args...)
		out, err := exec.CommandContext(t.Context(), "curl", args...).CombinedOutput()
		if body, ok := g.last().Request.Body.(map[string]any); err != nil || string(out) != `{"status":"success","events":1}` || !ok || body["a"] == nil {
			t.Errorf("%v: %s, %v, %.100v", args, out, err, g.last().Request.Body)
		}
	}
	f("--data-binary", "@"+file, "-H", "Expect: 100-continue")
	f("--data-binary", "@"+file, "-H", "Transfer-Encoding: chunked", "-H", "Content-Type: application/json")
	f("--json", `{"a":1}`)
	f("-F", "a=1", "-F", "b=@"+file)
	f("--data-urlencode", "a=café & co")
	f("-d", "a=1", "--http1.0")
	f("-d", `{"a":1}`, "--http2")
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
			Headers                map[string]string
		}
		if err := json.Unmarshal(lines.Bytes(), &record); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(record.Endpoint, "/") {
			continue // the input of an integration, not what it posts
		}
		delete(record.Headers, "Content-Length") // another key may be longer
		var headers []string
		for name, value := range record.Headers {
			headers = append(headers, name, value)
		}
		got := g.post(record.Endpoint, withKey(t, record.Body), headers...)
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
		if key, ok := body[name].(string); ok && key != "" && len(key) != len(goodKey) {
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
