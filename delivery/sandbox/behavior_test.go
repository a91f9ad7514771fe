package sandbox

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func put(t *testing.T, base, behavior string) {
	t.Helper()
	if status, answer := mustCall(t, http.MethodPut, base+"/behavior", asJSON, behavior); status != 200 {
		t.Fatalf("PUT /behavior %s: %d %s", behavior, status, answer)
	}
}

func TestStatusIsAnsweredForACountOfRequests(t *testing.T) {
	s, base := serve(t, Config{})
	put(t, base, `{"status":429,"retry_after":"1.5s","count":2}`)
	for i, want := range []int{429, 429, 202} {
		status, header, answer, err := call(t.Context(), http.MethodPost, base+"/v2/enqueue", asJSON, trigger(key, "d"))
		if err != nil || status != want {
			t.Fatalf("request %d: %d, %v, want %d", i, status, err, want)
		}
		if wantAfter := map[int]string{429: "2"}[want]; header.Get("Retry-After") != wantAfter {
			t.Errorf("request %d: Retry-After %q", i, header.Get("Retry-After"))
		}
		if want == 429 && !strings.Contains(answer, "throttle exceeded") {
			t.Errorf("request %d: %s", i, answer)
		}
	}
	if got := len(s.Events()); got != 1 {
		t.Errorf("accepted %d, want 1", got)
	}
}

func TestDelayHoldsTheAnswerBack(t *testing.T) {
	_, base := serve(t, Config{})
	put(t, base, `{"delay":"200ms"}`)
	begun := time.Now()
	if status := enqueue(t, base, "d"); status != 202 {
		t.Errorf("status %d", status)
	}
	if took := time.Since(begun); took < 200*time.Millisecond {
		t.Errorf("took %v", took)
	}
}

func TestHangingRequestsAreNotAnswered(t *testing.T) {
	s, base := serve(t, Config{})
	put(t, base, `{"hang":true}`)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, _, _, err := call(ctx, http.MethodPost, base+"/v2/enqueue", asJSON, trigger(key, "d"))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with a deadline: %v", err)
	}
	ended := make(chan error)
	go func() {
		_, _, _, err := call(context.Background(), http.MethodPost, base+"/v2/enqueue", asJSON, trigger(key, "d"))
		ended <- err
	}()
	select {
	case err := <-ended:
		t.Fatalf("answered: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	s.Behave(Behavior{})
	if err := <-ended; !errors.Is(err, io.EOF) {
		t.Errorf("after a change: %v", err)
	}
	if l, _ := list(t, base, ""); len(s.Events()) != 0 || l.Found != 2 || l.Events[0].Status != 0 {
		t.Errorf("recorded %+v", l)
	}
}

func TestConnectionsAreReset(t *testing.T) {
	s, base := serve(t, Config{})
	put(t, base, `{"reset":true}`)
	_, _, _, err := call(t.Context(), http.MethodPost, base+"/v2/enqueue", asJSON, trigger(key, "d"))
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v", err)
	}
	if len(s.Events()) != 0 {
		t.Error("accepted")
	}
	secure := httptest.NewTLSServer(s)
	defer secure.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, secure.URL+"/v2/enqueue", strings.NewReader(trigger(key, "d")))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := secure.Client().Do(req)
	if err == nil {
		_ = resp.Body.Close()
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("over TLS: %v", err)
	}
}

func TestShareOfRequestsIsSpreadEvenly(t *testing.T) {
	_, base := serve(t, Config{})
	put(t, base, `{"status":503,"share":0.3}`)
	got := map[int]int{}
	for range 100 {
		got[enqueue(t, base, "d")]++
	}
	if diff := cmp.Diff(map[int]int{503: 30, 202: 70}, got); diff != "" {
		t.Error(diff)
	}
}

func TestRateIsKeptForEachKey(t *testing.T) {
	b := behavior{}
	b.change(Behavior{Rate: 2})
	start := time.Now()
	f := func(key string, after time.Duration, want bool) {
		t.Helper()
		if got := b.admit(key, start.Add(after)); got != want {
			t.Errorf("%s after %v: %v, want %v", key, after, got, want)
		}
	}
	f("a", 0, true)
	f("a", 0, true)
	f("a", 0, false)
	f("b", 0, true)
	f("a", 400*time.Millisecond, false)
	f("a", 500*time.Millisecond, true)
	f("a", time.Hour, true)
	f("a", time.Hour, true)
	f("a", time.Hour, false)
	b.change(Behavior{Rate: 0.5})
	f("a", 0, true)
	f("a", time.Second, false)
	f("a", 2*time.Second, true)
}

func TestRequestsBeyondTheRateAreRefused(t *testing.T) {
	s, base := serve(t, Config{})
	put(t, base, `{"rate":0.001,"retry_after":"3s"}`)
	f := func(path, body string, want int, wantAfter string) {
		t.Helper()
		status, header, answer, err := call(t.Context(), http.MethodPost, base+path, asJSON, body)
		if err != nil || status != want || header.Get("Retry-After") != wantAfter {
			t.Errorf("%s: %d %q %s %v, want %d %q", path, status, header.Get("Retry-After"), answer, err, want, wantAfter)
		}
	}
	const v1 = "/generic/2010-04-15/create_event.json"
	f("/v2/enqueue", `{}`, 400, "") // takes nothing of the rate
	f("/v2/enqueue", trigger(key, "d"), 202, "")
	f("/v2/enqueue", trigger(key, "d"), 429, "3")
	f(v1, `{"service_key":"`+key+`","event_type":"trigger","description":"d"}`, 403, "3")
	f("/v2/enqueue", trigger(another, "d"), 202, "")
	if got := len(s.Events()); got != 2 {
		t.Errorf("accepted %d", got)
	}
}

func TestBehaviorIsShownChangedAndTakenBack(t *testing.T) {
	_, base := serve(t, Config{})
	f := func(method, body string, wantStatus int, want string) {
		t.Helper()
		status, answer := mustCall(t, method, base+"/behavior", asJSON, body)
		if answer = strings.TrimSpace(answer); status != wantStatus || !strings.Contains(answer, want) {
			t.Errorf("%s %s: %d %s, want %d %s", method, body, status, answer, wantStatus, want)
		}
	}
	f("GET", "", 200, `{}`)
	f("PUT", `{"status":500,"delay":"1500ms","count":3}`, 200, `{"status":500,"delay":"1.5s","count":3}`)
	f("GET", "", 200, `{"status":500,"delay":"1.5s","count":3}`)
	f("PUT", `{"status":42}`, 400, "status 42: must be 200 to 599")
	f("PUT", `{"share":2}`, 400, "share 2: must be 0 to 1")
	f("PUT", `{"rate":-1}`, 400, "rate -1: must not be negative")
	f("PUT", `{"count":-1}`, 400, "count -1: must not be negative")
	f("PUT", `{"delay":"-1s"}`, 400, "must not be negative")
	f("PUT", `{"delay":"soon"}`, 400, "invalid duration")
	f("PUT", `{"stauts":500}`, 400, "stauts")
	f("GET", "", 200, `"status":500`)
	f("DELETE", "", 204, "")
	f("GET", "", 200, `{}`)
}
