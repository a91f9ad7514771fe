package pagerduty

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/mapping"
)

const (
	key  = "0123456789abcdef0123456789abcdef"
	rKey = "R0123456789ABCDEFGHIJKLMNOPQRSTU"
)

// request is what a stand-in saw.
type request struct{ Path, ContentType, Body string }

// newSender returns a sender to handler, with the routes v2, v1, xere and change.
func newSender(t *testing.T, handler http.HandlerFunc) *Sender {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return senderTo(t, Config{EventsURL: server.URL, Timeout: 2 * time.Second})
}

const event = `{"dedup_key":"k","event_action":"trigger","client":"c","payload":{"summary":"s","source":"h","severity":"error","custom_details":{"a":1}},"links":[{"href":"http://x/"}]}`

// TestEachAPIGetsItsOwnRequest holds what reaches PagerDuty for each kind of
// route and for each path that an event can be posted to.
func TestEachAPIGetsItsOwnRequest(t *testing.T) {
	f := func(route string, api ingest.API, body, contentType string, want request) {
		t.Helper()
		var got request
		s := newSender(t, func(w http.ResponseWriter, r *http.Request) {
			b, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			got = request{r.URL.Path, r.Header.Get("Content-Type"), string(b)}
			w.WriteHeader(http.StatusAccepted)
		})
		d := &delivery.Delivery{Route: route, API: api, Action: mapping.Trigger, Body: []byte(body), ContentType: contentType}
		if _, err := s.Send(t.Context(), d); err != nil {
			t.Fatalf("%s %s: %v", route, api, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", route, api, diff)
		}
	}
	const asJSON = "application/json"
	withKey := `{"routing_key":"` + key + `",` + event[1:]
	f("v2", "", event, asJSON, request{"/v2/enqueue", asJSON, withKey})
	f("xere", "", event, asJSON, request{"/x-ere/" + rKey, asJSON, event})
	f("v1", "", event, asJSON, request{
		"/generic/2010-04-15/create_event.json", asJSON,
		`{"service_key":"` + key + `","event_type":"trigger","incident_key":"k","description":"s","client":"c",` +
			`"details":{"a":1,"severity":"error","source":"h"}}`,
	})
	f("change", "", event, asJSON, request{
		"/v2/change/enqueue", asJSON,
		`{"routing_key":"` + key + `","payload":{"summary":"s","source":"h","custom_details":{"a":1}},"links":[{"href":"http://x/"}]}`,
	})

	// Posted events go where they were posted, whatever the route's type.
	f("v1", ingest.EventsV2, event, asJSON, request{"/v2/enqueue", asJSON, withKey})
	f("v2", ingest.EventsV1, `{}`, asJSON, request{"/generic/2010-04-15/create_event.json", asJSON, `{"service_key":"` + key + `"}`})
	f("v2", ingest.Integration, `{ "any": 1}`, asJSON, request{"/integration/" + key + "/enqueue", asJSON, `{ "any": 1}`})
	f("v2", ingest.Nagios, "a=b&c=%20", "application/x-www-form-urlencoded",
		request{"/nagios/2010-04-15/create_event", "application/x-www-form-urlencoded", "a=b&c=%20"})
}

// TestAnswersBecomeVerdicts is the table of what each answer means.
func TestAnswersBecomeVerdicts(t *testing.T) {
	f := func(status int, header string, api ingest.API, want error) {
		t.Helper()
		s := newSender(t, func(w http.ResponseWriter, _ *http.Request) {
			if header != "" {
				w.Header().Set("Retry-After", header)
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "why\x00") // the client may be gone
		})
		answer, err := s.Send(t.Context(), &delivery.Delivery{Route: "v2", API: api, Body: []byte("{}")})
		if want == nil {
			if err != nil || answer != (delivery.Answer{Status: status, Body: "why"}) {
				t.Errorf("%d: got %+v and %v, want acceptance", status, answer, err)
			}
			return
		}
		if diff := cmp.Diff(want, err); diff != "" {
			t.Errorf("%d %s (-want +got):\n%s", status, api, diff)
		}
	}
	f(202, "", ingest.EventsV2, nil)
	f(200, "", ingest.EventsV1, nil)
	f(400, "", ingest.EventsV2, &delivery.Rejected{Status: 400, Answer: "why"})
	f(404, "", ingest.EventsV2, &delivery.Rejected{Status: 404, Answer: "why"})
	f(413, "", ingest.EventsV2, &delivery.Rejected{Status: 413, Answer: "why"})
	f(429, "", ingest.EventsV2, &delivery.Busy{Status: 429, Answer: "why"})
	f(429, "7", ingest.EventsV2, &delivery.Busy{Status: 429, After: 7 * time.Second, Answer: "why"})
	f(429, "999999", ingest.EventsV2, &delivery.Busy{Status: 429, After: time.Hour, Answer: "why"})
	f(429, "-5", ingest.EventsV2, &delivery.Busy{Status: 429, Answer: "why"})
	f(403, "", ingest.EventsV1, &delivery.Busy{Status: 403, Answer: "why"})
	f(403, "", ingest.EventsV2, &delivery.Failed{Status: 403, Answer: "why"})
	f(408, "", ingest.EventsV2, &delivery.Failed{Status: 408, Answer: "why"})
	f(425, "", ingest.EventsV2, &delivery.Failed{Status: 425, Answer: "why"})
	f(407, "", ingest.EventsV2, &delivery.Failed{Status: 407, Answer: "why"})
	f(500, "", ingest.EventsV2, &delivery.Failed{Status: 500, Answer: "why"})
	f(503, "30", ingest.EventsV2, &delivery.Failed{Status: 503, Answer: "why"})
}

// TestNoErrorHoldsAKey looks for the key in the errors of a request that
// could not be made, with the key in its path.
func TestNoErrorHoldsAKey(t *testing.T) {
	s := newSender(t, func(_ http.ResponseWriter, r *http.Request) {
		panic(http.ErrAbortHandler)
	})
	_, err := s.Send(t.Context(), &delivery.Delivery{Route: "xere", Body: []byte("{}")})
	if err == nil || strings.Contains(err.Error(), rKey) || !strings.Contains(err.Error(), "[secret]") {
		t.Errorf("got %v, want an error with [secret] where the key was", err)
	}
	if s := newSender(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, "no such path: "+r.URL.Path) // the client may be gone
	}); s != nil {
		_, err := s.Send(t.Context(), &delivery.Delivery{Route: "xere", Body: []byte("{}")})
		var rejected *delivery.Rejected
		if !errors.As(err, &rejected) || rejected.Answer != "no such path: /x-ere/[secret]" {
			t.Errorf("got %v, want an answer without the key", err)
		}
	}
}

// TestHungAnswerEndsInTime holds the time-out of an attempt: an answer that
// begins and never ends is an attempt that failed.
func TestHungAnswerEndsInTime(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	s := newSender(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		_ = http.NewResponseController(w).Flush()
		<-release
	})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := s.Send(ctx, &delivery.Delivery{Route: "v2", Body: []byte("{}")}); err == nil {
		t.Error("an answer that never ended was taken for acceptance")
	}
}

// TestAnUnknownRouteIsADeadLetter names the mend.
func TestAnUnknownRouteIsADeadLetter(t *testing.T) {
	s := newSender(t, func(http.ResponseWriter, *http.Request) { t.Error("was sent") })
	_, err := s.Send(t.Context(), &delivery.Delivery{Route: "gone", Body: []byte("{}")})
	var rejected *delivery.Rejected
	if !errors.As(err, &rejected) || !strings.Contains(err.Error(), `"gone"`) || !strings.Contains(err.Error(), "under routes") {
		t.Errorf("got %v", err)
	}
}

// FuzzWithKey: whatever object a body holds, what is sent is that object with
// the key, or an error.
func FuzzWithKey(f *testing.F) {
	for _, seed := range []string{`{}`, event, ` { } `, `[]`, ``, `{`, `{"a":"}"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, object []byte) {
		body, err := withKey(object, "routing_key", key)
		if err != nil || !json.Valid(object) {
			return
		}
		var before, after map[string]any
		if err := json.Unmarshal(object, &before); err != nil {
			return
		}
		if err := json.Unmarshal(body, &after); err != nil {
			t.Fatalf("%q became %q: %v", object, body, err)
		}
		if _, had := before["routing_key"]; had {
			return
		}
		if after["routing_key"] != key {
			t.Fatalf("%q became %q", object, body)
		}
		delete(after, "routing_key")
		if diff := cmp.Diff(before, after); diff != "" {
			t.Fatal(diff)
		}
	})
}
