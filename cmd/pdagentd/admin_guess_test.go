package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// TestGuessingIsEndedForAMinute, for the address that guesses alone, by header
// and by form, even with the right token; whoever has signed in stays so.
func TestGuessingIsEndedForAMinute(t *testing.T) {
	var log strings.Builder
	d := newDoor(adminToken, false, slog.New(slog.NewTextHandler(&log, nil)))
	start := time.Now()
	d.now = func() time.Time { return start }
	cookie, _ := signedIn(t, d, "")
	form := func(token, remote string) *httptest.ResponseRecorder {
		return visit(t, d, http.MethodPost, "/signin", "token="+token, "Content-Type", formType, "Remote", remote)
	}
	header := func(token, remote string) *httptest.ResponseRecorder {
		return visit(t, d, http.MethodGet, "/queue/", "", "Authorization", "Bearer "+token, "Remote", remote)
	}
	f := func(got *httptest.ResponseRecorder, want int) {
		t.Helper()
		if got.Code != want {
			t.Errorf("%d %s, want %d", got.Code, got.Body, want)
		}
	}
	for range 2 * maxGuesses {
		f(form("", "192.0.2.9:1"), http.StatusBadRequest)
		f(visit(t, d, http.MethodGet, "/queue/", "", "Remote", "192.0.2.9:1"), http.StatusUnauthorized)
	}
	for i := range maxGuesses / 2 {
		f(form("guess", fmt.Sprintf("192.0.2.9:%d", i+1)), http.StatusUnauthorized)
		f(header("guess", fmt.Sprintf("[::ffff:192.0.2.9]:%d", i+1)), http.StatusUnauthorized)
	}
	d.now = func() time.Time { return start.Add(guessWindow - 1500*time.Millisecond) }
	refused := form(adminToken, "192.0.2.9:7")
	f(refused, http.StatusTooManyRequests)
	if after := refused.Header().Get("Retry-After"); after != "2" || !strings.Contains(refused.Body.String(), "try again in 2s") || refused.Header().Get("Set-Cookie") != "" {
		t.Errorf("Retry-After: %s\n%s", after, refused.Body)
	}
	f(header(adminToken, "192.0.2.9:7"), http.StatusTooManyRequests)
	f(visit(t, d, http.MethodGet, "/queue/", "", "Cookie", cookie.String(), "Remote", "192.0.2.9:7"), http.StatusOK)
	f(header(adminToken, "192.0.2.10:7"), http.StatusOK)
	f(form(adminToken, "192.0.2.10:7"), http.StatusSeeOther)
	if logged := strings.Count(log.String(), "wrong token"); logged != maxGuesses {
		t.Errorf("logged %d times, want %d: %s", logged, maxGuesses, log.String())
	}
	if wrong, many := testutil.ToFloat64(d.refused.WithLabelValues("wrong_token")), testutil.ToFloat64(d.refused.WithLabelValues("too_many")); wrong != maxGuesses || many != 2 {
		t.Errorf("counted %v wrong, %v too many", wrong, many)
	}
	d.now = func() time.Time { return start.Add(guessWindow) }
	f(form(adminToken, "192.0.2.9:7"), http.StatusSeeOther)
}

// TestGuessesAtTheSameTimeAreNoMore than those one after the other.
func TestGuessesAtTheSameTimeAreNoMore(t *testing.T) {
	d := newDoor(adminToken, false, slog.New(slog.DiscardHandler))
	var wg sync.WaitGroup
	for range 20 * maxGuesses {
		wg.Go(func() { visit(t, d, http.MethodGet, "/queue/", "", "Authorization", "Bearer guess") })
	}
	wg.Wait()
	if wrong := testutil.ToFloat64(d.refused.WithLabelValues("wrong_token")); wrong != maxGuesses {
		t.Errorf("%v tokens were looked at, want %d", wrong, maxGuesses)
	}
}

// TestGuessersAreCountedInBoundedMemory: beyond it they share a count, and an
// IPv6 network is one guesser.
func TestGuessersAreCountedInBoundedMemory(t *testing.T) {
	g := &guesses{now: time.Now}
	for i := range 2 * maxGuessers {
		g.judge(fmt.Sprintf("10.0.%d.%d:1", i/256, i%256), false)
	}
	if len(g.wrong) > maxGuessers+1 {
		t.Errorf("%d addresses are kept", len(g.wrong))
	}
	if g.judge("10.0.0.1:1", true) != 0 || g.judge("198.51.100.1:1", true) == 0 {
		t.Error("those beyond do not share a count, or those before do")
	}
	g = &guesses{now: time.Now}
	for i := range maxGuesses {
		g.judge(fmt.Sprintf("[2001:db8::%x]:1", i+1), false)
	}
	if g.judge("[2001:db8::ffff]:1", true) == 0 || g.judge("[2001:db8:0:1::1]:1", true) != 0 {
		t.Error("a /64 is not one guesser")
	}
}

// TestOtherSitesPagesChangeNothing: a browser that says where a form comes from
// is believed.
func TestOtherSitesPagesChangeNothing(t *testing.T) {
	d := newDoor(adminToken, false, slog.New(slog.DiscardHandler))
	cookie, _ := signedIn(t, d, "")
	f := func(want int, headers ...string) {
		t.Helper()
		if resp := visit(t, d, http.MethodPost, "/signout", "", append(headers, "Cookie", cookie.String())...); resp.Code != want {
			t.Errorf("%q: %d, want %d", headers, resp.Code, want)
		}
	}
	f(http.StatusForbidden, "Sec-Fetch-Site", "cross-site")
	f(http.StatusForbidden, "Origin", "https://evil.example")
	f(http.StatusSeeOther, "Sec-Fetch-Site", "same-origin")
	f(http.StatusSeeOther, "Origin", "http://127.0.0.1:8081")
	f(http.StatusSeeOther)
	if foreign := testutil.ToFloat64(d.refused.WithLabelValues("foreign")); foreign != 2 {
		t.Errorf("counted %v", foreign)
	}
}
