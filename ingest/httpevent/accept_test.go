package httpevent

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pdaltagent/pdaltagent/ingest"
)

const trigger = `{"routing_key":"` + goodKey + `","event_action":"trigger","payload":{"summary":"disk full","source":"db1","severity":"critical"}}`

func TestEveryEndpointAnswersAsPagerDutyDoes(t *testing.T) {
	g := start(t, Config{}, nil)
	f := func(path, body, contentType string, wantStatus int, wantAnswer string, wantPath string, wantAPI ingest.API, wantKey string) {
		t.Helper()
		got := g.post(path, body, "Content-Type", contentType)
		if got.status != wantStatus || got.body != wantAnswer {
			t.Errorf("%s: %d %s, want %d %s", path, got.status, got.body, wantStatus, wantAnswer)
			return
		}
		req := g.last().Request
		if req.Path != wantPath || req.API != wantAPI || req.Key.Reveal() != wantKey || string(req.Raw) != body {
			t.Errorf("%s: path %q api %q key %q raw %q", path, req.Path, req.API, req.Key.Reveal(), req.Raw)
		}
		if id := got.header.Get("X-Request-Id"); id != g.last().ID.String() {
			t.Errorf("%s: X-Request-Id %q, want %q", path, id, g.last().ID)
		}
	}
	const (
		asJSON = "application/json"
		asForm = "application/x-www-form-urlencoded"
		rKey   = "R0123456789ABCDEF0123456789ABCDE"
		v2     = `{"status":"success","message":"Event processed","dedup_key":"given-key"}`
		v1     = `{"status":"success","message":"Event processed","incident_key":"given-key"}`
		hook   = `{"status":"success","events":1}`
	)
	f("/v2/enqueue", trigger, asJSON, 202, v2, "/v2/enqueue", ingest.EventsV2, goodKey)
	f("/v2/enqueue", trigger, asForm, 202, v2, "/v2/enqueue", ingest.EventsV2, goodKey) // as curl -d says
	f("/v2/enqueue/", trigger, asJSON, 202, v2, "/v2/enqueue", ingest.EventsV2, goodKey)
	f("//v2/enqueue", trigger, asJSON, 202, v2, "/v2/enqueue", ingest.EventsV2, goodKey)
	f("/v2/change/enqueue", `{"routing_key":"`+goodKey+`","payload":{"summary":"deployed"}}`, asJSON, 202,
		`{"status":"success","message":"Change event processed"}`, "/v2/change/enqueue", ingest.Change, goodKey)
	f("/x-ere/"+rKey, `{"any":[1,2]}`, asJSON, 202, v2, "/x-ere/{routing_key}", ingest.XERE, rKey)
	f("/integration/"+goodKey+"/enqueue", `{"any" : "thing"}`, asJSON, 202, v2, "/integration/{routing_key}/enqueue", ingest.Integration, goodKey)
	f("/generic/2010-04-15/create_event.json", `{"service_key":"`+goodKey+`","event_type":"trigger","description":"down"}`, asJSON, 200,
		v1, "/generic/2010-04-15/create_event.json", ingest.EventsV1, goodKey)
	f("/nagios/2010-04-15/create_event", "service_key="+goodKey+"&event_type=trigger&HOSTNAME=web%201", asForm, 200,
		v1, "/nagios/2010-04-15/create_event", ingest.Nagios, goodKey)
	f("/nagios/2010-04-15/create_event", "CONTACTPAGER="+goodKey+"&NOTIFICATIONTYPE=PROBLEM", asForm, 200,
		v1, "/nagios/2010-04-15/create_event", ingest.Nagios, goodKey)
	f("/hooks/alertmanager", `{"alerts":[]}`, asJSON, 202, hook, "/hooks/alertmanager", "", "")
	f("/hooks/disk", "host=db1", asForm, 202, hook, "/hooks/disk", "", "")
	if counts := g.counts(); len(counts) != 0 {
		t.Errorf("counted %v of requests that were handed on", counts)
	}
}

func TestRequestHasWhatRulesNeedAndNoSecret(t *testing.T) {
	g := start(t, Config{Token: "s3cret"}, nil)
	got := g.post("/hooks/x", `{"a":1}`,
		"Content-Type", "application/json; charset=utf-8",
		"Authorization", "Bearer s3cret",
		"Cookie", "session=1",
		"X-Routing-Key", goodKey,
		"User-Agent", "test",
		"X-Odd", "caf\xe9",
	)
	if got.status != http.StatusAccepted {
		t.Fatal(got.status, got.body)
	}
	m := g.last()
	if m.Protocol != ingest.HTTP || m.Source.String() != "127.0.0.1" || m.Host != "" || m.ReceivedAt.IsZero() {
		t.Errorf("message %+v", m)
	}
	want := &ingest.Request{
		Path:        "/hooks/x",
		ContentType: "application/json",
		Headers: map[string]string{
			"content-type": "application/json; charset=utf-8", "user-agent": "test", "x-odd": "caf\uFFFD",
			"content-length": "7", "accept-encoding": "gzip",
		},
		Body: map[string]any{"a": 1},
		Raw:  []byte(`{"a":1}`),
	}
	if diff := cmp.Diff(want, m.Request); diff != "" {
		t.Error(diff)
	}
}

func TestKeyMayComeInTheHeaderOfOlderClients(t *testing.T) {
	g := start(t, Config{}, nil)
	event := `{"event_action":"resolve","dedup_key":"a"}`
	if got := g.post("/v2/enqueue", event, "X-Routing-Key", goodKey); got.status != http.StatusAccepted {
		t.Fatal(got.status, got.body)
	}
	if key := g.last().Request.Key.Reveal(); key != goodKey {
		t.Errorf("key %q", key)
	}
	if got := g.post("/v2/enqueue", event, "X-Routing-Key", "short"); got.status != http.StatusBadRequest {
		t.Error(got.status, got.body)
	}
}
