package sandbox

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// happened lists what of the log shows, the oldest first.
func happened(s *Sandbox) (types []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log.catchUp(time.Now())
	for _, e := range s.log.listed(query{overview: true}) {
		types = append(types, strings.TrimSuffix(e.Type, "_log_entry"))
	}
	slices.Reverse(types)
	return types
}

// TestALifeHappensStepByStep: each at its time, whether somebody looks or not,
// with the incident in the state that it is in then.
func TestALifeHappensStepByStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{})
		began := time.Now()
		if err := s.PlayLife(Life{Incident: "k", Every: 10 * time.Second}); err != nil {
			t.Fatal(err)
		}
		f := func(after time.Duration, status string, want ...string) {
			t.Helper()
			time.Sleep(time.Until(began.Add(after)))
			if diff := cmp.Diff(want, happened(s)); diff != "" || s.log.incidents["k"].status != status {
				t.Errorf("after %s it is %s (-want +got):\n%s", after, s.log.incidents["k"].status, diff)
			}
		}
		f(0, "triggered", "trigger")
		f(9*time.Second, "triggered", "trigger")
		f(10*time.Second, "acknowledged", "trigger", "acknowledge")
		f(35*time.Second, "acknowledged", "trigger", "acknowledge", "annotate", "escalate")
		f(time.Hour, "resolved", "trigger", "acknowledge", "annotate", "escalate", "resolve")
		entries := s.log.listed(query{overview: true})
		if at := entries[0].CreatedAt; !at.Equal(began.Add(40*time.Second).UTC().Truncate(time.Second)) || entries[2].Note == "" {
			t.Errorf("it was resolved at %s; note %q", at, entries[2].Note)
		}
		if n := len(s.log.lives); n != 0 {
			t.Errorf("%d lives go on", n)
		}
	})
}

// TestALifeBeginsAgain, as another incident; what nobody has seen for long is
// not made up for.
func TestALifeBeginsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{})
		if err := s.PlayLife(Life{Incident: "k", Every: time.Second, Steps: []string{"trigger", "resolve_log_entry"}, Again: true}); err != nil {
			t.Fatal(err)
		}
		for range 6 {
			happened(s)
			time.Sleep(time.Second)
		}
		if diff := cmp.Diff([]string{"trigger", "resolve", "trigger", "resolve", "trigger", "resolve", "trigger"}, happened(s)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if s.log.number != 4 {
			t.Errorf("there were %d incidents, want 4", s.log.number)
		}
		time.Sleep(24 * time.Hour)
		happened(s)
		if n := len(happened(s)); n > 10 {
			t.Errorf("%d entries after a day without a reader", n)
		}
	})
}

// TestALifeIsPlayedOverHTTP, and what makes none says why.
func TestALifeIsPlayedOverHTTP(t *testing.T) {
	s, base := serve(t, Config{})
	f := func(body string, wantStatus int, want string) {
		t.Helper()
		status, answer := mustCall(t, http.MethodPost, base+"/incidents", asJSON, body)
		if status != wantStatus || !strings.Contains(answer, want) {
			t.Errorf("%s: %d %s, want %d with %q", body, status, answer, wantStatus, want)
		}
	}
	f(`{"incident":"k","every":"10ms","steps":["trigger","snooze","resolve"]}`, http.StatusCreated, `"k"`)
	f(`{}`, http.StatusBadRequest, "needs an incident")
	f(`{"incident":"k","every":"1ms"}`, http.StatusBadRequest, "at least 10ms")
	f(`{"incident":"k","each":"1s"}`, http.StatusBadRequest, "each")
	f(`{"incident":"k","every":"often"}`, http.StatusBadRequest, "often")
	f(`{"incident":"k","steps":[`+strings.Repeat(`"snooze",`, 1000)+`"resolve"]}`, http.StatusBadRequest, "too many")
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline) && len(happened(s)) < 3; {
		time.Sleep(10 * time.Millisecond)
	}
	types, _, _, _ := listEntries(t, base, "", "Token token=x")
	slices.Reverse(types)
	if diff := cmp.Diff([]string{"trigger", "assign", "notify", "snooze", "resolve"}, types); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
