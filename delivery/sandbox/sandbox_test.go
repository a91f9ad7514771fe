package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/PagerDuty/go-pagerduty"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

const (
	key     = "0123456789abcdef0123456789abcdef"
	another = "R0123456789ABCDEFGHIJKLMNOPQRSTU"
	asJSON  = "application/json"
	asForm  = "application/x-www-form-urlencoded"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve serves a Sandbox on a real socket.
func serve(tb testing.TB, cfg Config) (s *Sandbox, base string) {
	tb.Helper()
	s = New(cfg)
	server := httptest.NewServer(s)
	tb.Cleanup(func() {
		s.Behave(Behavior{})
		http.DefaultClient.CloseIdleConnections()
		server.Close()
	})
	return s, server.URL
}

// call makes a request and returns what was answered.
func call(ctx context.Context, method, url, contentType, body string) (status int, header http.Header, answer string, err error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, nil, "", err
	}
	req.Header.Set("Content-Type", contentType)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header, string(text), err
}

func mustCall(tb testing.TB, method, url, contentType, body string) (int, string) {
	tb.Helper()
	status, _, answer, err := call(tb.Context(), method, url, contentType, body)
	if err != nil {
		tb.Fatal(err)
	}
	return status, answer
}

// trigger is a good event.
func trigger(key, dedup string) string {
	return fmt.Sprintf(`{"routing_key":%q,"event_action":"trigger","dedup_key":%q,"payload":{"summary":"disk full","source":"db1","severity":"error"}}`, key, dedup)
}

// enqueue posts a good event and returns the status, 0 if there was no answer.
func enqueue(tb testing.TB, base, dedup string) int {
	tb.Helper()
	status, _, _, err := call(tb.Context(), http.MethodPost, base+"/v2/enqueue", asJSON, trigger(key, dedup))
	if err != nil {
		return 0
	}
	return status
}

func TestGoodEventsAreAnsweredAsPagerDutyDoes(t *testing.T) {
	s, base := serve(t, Config{})
	f := func(path, contentType, body string, wantStatus int, wantAnswer string, want Event) {
		t.Helper()
		status, answer := mustCall(t, http.MethodPost, base+path, contentType, body)
		if answer = strings.TrimSpace(answer); status != wantStatus || answer != wantAnswer {
			t.Errorf("%s: %d %s, want %d %s", path, status, answer, wantStatus, wantAnswer)
		}
		events := s.Events()
		got := events[len(events)-1]
		if time.Since(got.ReceivedAt) > time.Minute {
			t.Errorf("%s: received at %v", path, got.ReceivedAt)
		}
		got.ReceivedAt, want.Status = time.Time{}, wantStatus
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
	}
	processed := `{"status":"success","message":"Event processed",`
	f("/v2/enqueue", asJSON, trigger(key, "d1"), 202, processed+`"dedup_key":"d1"}`, Event{
		Endpoint: "/v2/enqueue", RoutingKeySuffix: "cdef", Action: "trigger", DedupKey: "d1", Severity: "error", Summary: "disk full",
		Body: []byte(`{"dedup_key":"d1","event_action":"trigger","payload":{"summary":"disk full","source":"db1","severity":"error"}}`),
	})
	f("/v2/enqueue", asJSON, `{"routing_key":"`+key+`","event_action":"resolve","dedup_key":"d1"}`, 202, processed+`"dedup_key":"d1"}`, Event{
		Endpoint: "/v2/enqueue", RoutingKeySuffix: "cdef", Action: "resolve", DedupKey: "d1",
		Body: []byte(`{"dedup_key":"d1","event_action":"resolve"}`),
	})
	f("/v2/change/enqueue", asJSON, `{"routing_key":"`+key+`","payload":{"summary":"deploy 7"}}`, 202,
		`{"status":"success","message":"Change event processed"}`, Event{
			Endpoint: "/v2/change/enqueue", RoutingKeySuffix: "cdef", Action: "change", Summary: "deploy 7",
			Body: []byte(`{"payload":{"summary":"deploy 7"}}`),
		})
	f("/x-ere/"+another, asJSON, `{"event_action":"trigger","dedup_key":"x","payload":{"summary":"s","severity":"info"}}`, 202, processed+`"dedup_key":"x"}`, Event{
		Endpoint: "/x-ere/{routing_key}", RoutingKeySuffix: "RSTU", Action: "trigger", DedupKey: "x", Severity: "info", Summary: "s",
		Body: []byte(`{"event_action":"trigger","dedup_key":"x","payload":{"summary":"s","severity":"info"}}`),
	})
	f("/integration/"+key+"/enqueue", asJSON, `{ "b": 1, "dedup_key": "i", "a": [2] }`, 202, processed+`"dedup_key":"i"}`, Event{
		Endpoint: "/integration/{routing_key}/enqueue", RoutingKeySuffix: "cdef", DedupKey: "i",
		Body: []byte(`{ "b": 1, "dedup_key": "i", "a": [2] }`),
	})
	f("/generic/2010-04-15/create_event.json", asJSON, `{"service_key":"`+key+`","event_type":"trigger","incident_key":"v1","description":"down"}`, 200,
		processed+`"incident_key":"v1"}`, Event{
			Endpoint: "/generic/2010-04-15/create_event.json", RoutingKeySuffix: "cdef", Action: "trigger", DedupKey: "v1", Summary: "down",
			Body: []byte(`{"description":"down","event_type":"trigger","incident_key":"v1"}`),
		})
	f("/nagios/2010-04-15/create_event", asForm, "HOSTNAME=web%201&CONTACTPAGER="+key+"&NOTIFICATIONTYPE=RECOVERY&SERVICEDESC=disk", 200,
		processed+`"incident_key":"web 1 disk"}`, Event{
			Endpoint: "/nagios/2010-04-15/create_event", RoutingKeySuffix: "cdef", Action: "resolve", DedupKey: "web 1 disk", Summary: "web 1 disk",
			Body: []byte("HOSTNAME=web%201&NOTIFICATIONTYPE=RECOVERY&SERVICEDESC=disk"),
		})
}

func TestTriggerWithoutKeyIsGivenOne(t *testing.T) {
	s, base := serve(t, Config{})
	_, answer := mustCall(t, http.MethodPost, base+"/v2/enqueue", asJSON, trigger(key, ""))
	var got success
	if err := json.Unmarshal([]byte(answer), &got); err != nil || len(got.DedupKey) != 32 {
		t.Errorf("answer %s: %v", answer, err)
	}
	if events := s.Events(); events[0].DedupKey != got.DedupKey {
		t.Errorf("recorded %q, answered %q", events[0].DedupKey, got.DedupKey)
	}
}

func TestEveryFaultOfAnEventIsNamed(t *testing.T) {
	s, base := serve(t, Config{})
	f := func(path, contentType, body string, want ...string) {
		t.Helper()
		status, answer := mustCall(t, http.MethodPost, base+path, contentType, body)
		var got problem
		if err := json.Unmarshal([]byte(answer), &got); err != nil {
			t.Fatalf("%s: %v", answer, err)
		}
		if status != 400 || got.Status != "invalid event" || got.Message != "Event object is invalid" {
			t.Errorf("%s %s: %d %s", path, body, status, answer)
		}
		if diff := cmp.Diff(want, got.Errors); diff != "" {
			t.Errorf("%s %s: %s", path, body, diff)
		}
	}
	const v1, nagios = "/generic/2010-04-15/create_event.json", "/nagios/2010-04-15/create_event"
	const wrongKey = "Length of 'routing_key' is incorrect (should be 32 characters)"
	f("/v2/enqueue", asJSON, `{}`, "'routing_key' is missing or blank", "'event_action' is missing or blank")
	f("/v2/enqueue", asJSON, `{"routing_key":"short","event_action":"trigger"}`, wrongKey,
		"'payload.summary' is missing or blank", "'payload.source' is missing or blank", "'payload.severity' is missing or blank")
	f("/v2/enqueue", asJSON, `{"routing_key":"`+key+`","event_action":"open"}`, "'event_action' is invalid (must be one of: trigger, acknowledge, resolve)")
	f("/v2/enqueue", asJSON, `{"routing_key":"`+key+`","event_action":"resolve"}`, "'dedup_key' is missing or blank")
	f("/v2/enqueue", asJSON, strings.Replace(trigger(key, "d"), `"error"`, `"fatal"`, 1), "'payload.severity' is invalid (must be one of: critical, error, warning, info)")
	f("/v2/enqueue", asJSON, trigger(key, strings.Repeat("d", 256)), "Length of 'dedup_key' is incorrect (should be 255 characters at most)")
	f("/v2/enqueue", asJSON, `[]`, "the body is not a JSON object: json: cannot unmarshal array into Go value of type map[string]json.RawMessage")
	f("/v2/change/enqueue", asJSON, `{}`, "'routing_key' is missing or blank", "'payload.summary' is missing or blank")
	f("/x-ere/short", asJSON, `{}`, wrongKey)
	f("/integration/"+key+"/enqueue", asJSON, `{`, "the body is not JSON")
	f(v1, asJSON, `{}`, "'service_key' is missing or blank", "'event_type' is missing or blank")
	f(v1, asJSON, `{"service_key":"`+key+`","event_type":"trigger"}`, "'description' is missing or blank")
	f(nagios, asForm, "HOSTNAME=web", "'CONTACTPAGER' is missing or blank")
	if events := s.Events(); len(events) != 0 {
		t.Errorf("accepted: %+v", events)
	}
	status, answer := mustCall(t, http.MethodPost, base+"/v2/enqueue", asJSON, `"`+strings.Repeat("x", MaxBody)+`"`)
	if status != http.StatusRequestEntityTooLarge {
		t.Errorf("too large: %d %s", status, answer)
	}
	if l, _ := list(t, base, "?status=413"); l.Found != 1 || len(s.Events()) != 0 {
		t.Errorf("too large: %d listed, %d accepted", l.Found, len(s.Events()))
	}
}

func TestPagerDutysClientIsServed(t *testing.T) {
	s, base := serve(t, Config{})
	client := pagerduty.NewClient("", pagerduty.WithV2EventsAPIEndpoint(base))
	resp, err := client.ManageEventWithContext(t.Context(), &pagerduty.V2Event{
		RoutingKey: key, Action: "trigger", DedupKey: "real",
		Payload: &pagerduty.V2Payload{Summary: "s", Source: "h", Severity: "critical"},
	})
	if err != nil || resp.DedupKey != "real" || len(s.Events()) != 1 {
		t.Errorf("%+v, %v, %d events", resp, err, len(s.Events()))
	}
	s.Behave(Behavior{Status: 429})
	var apiErr pagerduty.APIError
	_, err = client.ManageEventWithContext(t.Context(), &pagerduty.V2Event{RoutingKey: key})
	if !errors.As(err, &apiErr) || !apiErr.RateLimited() {
		t.Errorf("throttled: %v", err)
	}
}

func TestKeysAreNeverShown(t *testing.T) {
	_, base := serve(t, Config{})
	posts := map[string]string{
		"/v2/enqueue":                           trigger(key, "d"),
		"/v2/change/enqueue":                    `{"routing_key":"` + key + `","Routing_Key":"` + key + `"}`,
		"/x-ere/" + key:                         `{"routing_key":"` + key + `"}`,
		"/integration/" + key + "/enqueue":      `{"service_key":"` + key + `","routing_key":"` + key + `"}`,
		"/generic/2010-04-15/create_event.json": `{"service_key":"` + key + `","event_type":7}`,
		"/nagios/2010-04-15/create_event":       "CONTACTPAGER=" + key + "&%zz=" + key + "&A=%30" + key[1:],
	}
	for path, body := range posts {
		mustCall(t, http.MethodPost, base+path, asJSON, body)
		mustCall(t, http.MethodPost, base+path, asJSON, body[:len(body)-1])
	}
	for _, path := range []string{"/", "/events", "/behavior"} {
		if _, answer := mustCall(t, http.MethodGet, base+path, "", ""); strings.Contains(answer, key) {
			t.Errorf("%s: %s", path, answer)
		}
	}
}

// listing is what GET /events answers.
type listing struct {
	Events []struct {
		DedupKey         string          `json:"dedup_key"`
		RoutingKeySuffix string          `json:"routing_key_suffix"`
		Status           int             `json:"status"`
		Body             json.RawMessage `json:"body"`
	} `json:"events"`
	Found     int   `json:"found"`
	Forgotten int64 `json:"forgotten"`
}

func list(t *testing.T, base, query string) (l listing, keys string) {
	t.Helper()
	status, answer := mustCall(t, http.MethodGet, base+"/events"+query, "", "")
	if err := json.Unmarshal([]byte(answer), &l); err != nil || status != 200 {
		t.Fatalf("%s: %d %v", answer, status, err)
	}
	for _, e := range l.Events {
		keys += e.DedupKey + " "
	}
	return l, strings.TrimSpace(keys)
}

func TestListingIsFilteredAndBounded(t *testing.T) {
	s, base := serve(t, Config{Keep: 4})
	for i := range 5 {
		enqueue(t, base, fmt.Sprint("d", i))
	}
	mustCall(t, http.MethodPost, base+"/x-ere/"+another, asJSON, `{"dedup_key":"other"}`)
	f := func(query, want string) {
		t.Helper()
		l, got := list(t, base, query)
		if got != want || l.Forgotten != 2 {
			t.Errorf("%s: %q, %d forgotten, want %q and 2", query, got, l.Forgotten, want)
		}
	}
	f("", "d2 d3 d4 other")
	f("?limit=2", "d4 other")
	f("?limit=0", "d2 d3 d4 other")
	f("?dedup_key=d3", "d3")
	f("?routing_key_suffix=RSTU", "other")
	f("?status=202&limit=1", "other")
	f("?status=400", "")
	if got := s.Events(); len(got) != 4 || got[0].DedupKey != "d2" {
		t.Errorf("Events() = %+v", got)
	}
	if status, _ := mustCall(t, http.MethodGet, base+"/events?limit=-1", "", ""); status != 400 {
		t.Errorf("negative limit: %d", status)
	}
	if status, _ := mustCall(t, http.MethodDelete, base+"/events", "", ""); status != 204 {
		t.Errorf("DELETE /events: %d", status)
	}
	if l, keys := list(t, base, ""); keys != "" || l.Forgotten != 0 {
		t.Errorf("after DELETE: %q, %d forgotten", keys, l.Forgotten)
	}
}

func TestAcceptedEventsAreListedInOrder(t *testing.T) {
	s, base := serve(t, Config{})
	var wg sync.WaitGroup
	for sender := range 8 {
		wg.Go(func() {
			for i := range 50 {
				enqueue(t, base, fmt.Sprintf("%d %d", sender, i))
			}
		})
	}
	wg.Wait()
	last := map[int]int{}
	for _, e := range s.Events() {
		var sender, i int
		if _, err := fmt.Sscan(e.DedupKey, &sender, &i); err != nil {
			t.Fatal(err)
		}
		if i != last[sender] {
			t.Fatalf("sender %d: event %d, want %d", sender, i, last[sender])
		}
		last[sender]++
	}
	if len(last) != 8 || last[0] != 50 {
		t.Errorf("events of senders: %v", last)
	}
}

// BenchmarkHandler is the sandbox's own cost of an event, without a network.
func BenchmarkHandler(b *testing.B) {
	s := New(Config{})
	body := []byte(trigger(key, "d"))
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/v2/enqueue", bytes.NewReader(body))
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != http.StatusAccepted {
			b.Fatal(w.Body)
		}
	}
}

// BenchmarkServer is a request on each of several real connections, from
// clients that do next to nothing.
func BenchmarkServer(b *testing.B) {
	_, base := serve(b, Config{})
	address := strings.TrimPrefix(base, "http://")
	body := trigger(key, "d")
	request := fmt.Appendf(nil, "POST /v2/enqueue HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		conn, err := (&net.Dialer{}).DialContext(b.Context(), "tcp", address)
		if err != nil {
			b.Error(err)
			return
		}
		defer func() { _ = conn.Close() }()
		answer := make([]byte, 4096)
		for pb.Next() {
			if _, err := conn.Write(request); err != nil {
				b.Error(err)
			}
			if n, err := conn.Read(answer); err != nil || !bytes.HasPrefix(answer[:n], []byte("HTTP/1.1 202")) {
				b.Errorf("%s: %v", answer[:n], err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
