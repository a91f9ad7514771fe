package logentry

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pdaltagent/pdaltagent/delivery"
)

// TestARefusalIsATypedErrorWithoutTheToken.
func TestARefusalIsATypedErrorWithoutTheToken(t *testing.T) {
	f := func(status int, want error) {
		t.Helper()
		c, _ := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "no, "+r.Header.Get("Authorization")+"\x00") // the client may be gone
		}))
		_, err := fetchAll(t.Context(), c, hour())
		if diff := cmp.Diff(want, err); diff != "" {
			t.Errorf("%d (-want +got):\n%s", status, diff)
		}
	}
	const answer = "no, Token token=[secret]\uFFFD"
	f(401, &TokenRefused{401, answer})
	f(403, &TokenRefused{403, answer})
	f(400, &delivery.Rejected{Status: 400, Answer: answer})
	f(404, &delivery.Rejected{Status: 404, Answer: answer})
	f(429, &delivery.Busy{Status: 429, Answer: answer})
	f(500, &delivery.Failed{Status: 500, Answer: answer})
	f(302, &delivery.Failed{Status: 302, Answer: answer})
	if text := (&TokenRefused{401, ""}).Error(); !strings.Contains(text, "pagerduty.api_token") || !strings.Contains(text, "incidents.read") {
		t.Errorf("%s names no mend", text)
	}
}

// TestPagerDutysPaceIsKept: it waits as long as it is told to, and not longer
// than a minute.
func TestPagerDutysPaceIsKept(t *testing.T) {
	f := func(header map[string]string, busy int, want []time.Duration) {
		t.Helper()
		n := 0
		c, waits := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			n++
			for name, value := range header {
				w.Header().Set(name, value)
			}
			if n <= busy {
				w.WriteHeader(http.StatusTooManyRequests)
				return
			}
			_, _ = io.WriteString(w, `{"log_entries":[],"more":false}`) // the client may be gone
		}))
		c.known = true // not to ask for the time
		if _, err := fetchAll(t.Context(), c, hour()); err != nil {
			t.Errorf("%v: %v", header, err)
		}
		if diff := cmp.Diff(want, *waits); diff != "" {
			t.Errorf("%v waits (-want +got):\n%s", header, diff)
		}
	}
	f(nil, 0, nil)
	f(nil, 2, []time.Duration{time.Second, 2 * time.Second})
	f(map[string]string{"Retry-After": "7"}, 3, []time.Duration{7 * time.Second, 7 * time.Second, 7 * time.Second})
	f(map[string]string{"ratelimit-reset": "9", "ratelimit-remaining": "3"}, 1, []time.Duration{9 * time.Second})
	f(map[string]string{"Retry-After": "99999"}, 1, []time.Duration{time.Minute})
	f(map[string]string{"ratelimit-reset": "12", "ratelimit-remaining": "0"}, 0, []time.Duration{12 * time.Second})
}

// TestAPageThatFailsIsAskedForAgain, and the listing does not begin anew; what
// no pause mends is not.
func TestAPageThatFailsIsAskedForAgain(t *testing.T) {
	f := func(name string, fail http.HandlerFunc, failures, want int) {
		t.Helper()
		var (
			l list
			n atomic.Int64 // a handler whose connection is broken off ends when it likes
		)
		c, waits := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if int(n.Add(1)) <= failures {
				fail(w, r)
				return
			}
			l.ServeHTTP(w, r)
		}))
		c.known = true // not to ask for the time
		if _, err := fetchAll(t.Context(), c, hour()); (err == nil) != (int(n.Load()) > failures) {
			t.Errorf("%s: %v after %d requests", name, err, n.Load())
		}
		if int(n.Load()) != want || len(*waits) != want-1 {
			t.Errorf("%s: %d requests and the pauses %s, want %d", name, n.Load(), *waits, want)
		}
	}
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	f("500", status(500), 3, 4)
	f("503, again and again", status(503), 9, 4)
	f("401", status(401), 9, 1)
	f("400", status(400), 9, 1)
	f("302", status(302), 9, 1)
	f("reset", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 2, 3)
	f("broken off", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "{") // the rest never comes
	}, 2, 3)
}

// TestALongPageIsAskedForInParts.
func TestALongPageIsAskedForInParts(t *testing.T) {
	entries, want := many(30)
	l := &list{entries: entries}
	c, _ := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if limit := r.URL.Query().Get("limit"); limit == "100" || limit == "25" {
			_, _ = w.Write(bytes.Repeat([]byte{' '}, 4097)) // the client leaves
			return
		}
		l.ServeHTTP(w, r)
	}))
	c.maxPage = 4096
	b, err := fetchAll(t.Context(), c, hour())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, ids(b.Entries)); diff != "" {
		t.Errorf("lost or twice (-want +got):\n%s", diff)
	}
}

// TestAnAnswerThatIsNoListingSaysSo.
func TestAnAnswerThatIsNoListingSaysSo(t *testing.T) {
	for _, answer := range []string{"", "<html>", "{}", `{"log_entries":{}}`, `{"log_entries":[`} {
		c, _ := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, answer) // the client may be gone
		}))
		if _, err := fetchAll(t.Context(), c, hour()); err == nil || !strings.Contains(err.Error(), "the answer") {
			t.Errorf("%q: %v", answer, err)
		}
	}
}

// TestWaitingEndsWithTheContext.
func TestWaitingEndsWithTheContext(t *testing.T) {
	c, _ := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	c.pause = pause
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := fetchAll(ctx, c, hour()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// TestNewNamesTheMend.
func TestNewNamesTheMend(t *testing.T) {
	f := func(c Config, want string) {
		t.Helper()
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("got %v, want an error about %q", err, want)
		}
	}
	f(Config{APIURL: "api.pagerduty.com", Token: "x"}, "pagerduty.api_url")
	f(Config{APIURL: "https://api.pagerduty.com"}, "pagerduty.api_token")
	f(Config{APIURL: "https://api.pagerduty.com", Token: "s3cret\nx"}, "pagerduty.api_token")
	f(Config{APIURL: "https://api.pagerduty.com", Token: "x", Proxy: "user:s3cret@proxy"}, "delivery.proxy")
}
