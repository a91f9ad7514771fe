package logentry

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestTheClockOfARefusalIsNotPagerDutys: what stands between may refuse, and its
// time is its own.
func TestTheClockOfARefusalIsNotPagerDutys(t *testing.T) {
	l, refuse := &list{now: noon()}, false
	c, _ := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !refuse {
			l.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Date", noon().Add(9*time.Hour).Format(http.TimeFormat))
		w.WriteHeader(http.StatusNotFound)
	}))
	if _, err := c.Fetch(t.Context(), hour()); err != nil {
		t.Fatal(err)
	}
	refuse = true
	_, err := c.Fetch(t.Context(), hour())
	if now, known := c.clock(); err == nil || !known || now.Sub(noon()).Abs() > time.Minute {
		t.Errorf("after a refusal (%v) PagerDuty's time is %s", err, now)
	}
}

// TestAnEmptyPageIsNoEndWhereMoreIsSaidToCome: the cursor stays.
func TestAnEmptyPageIsNoEndWhereMoreIsSaidToCome(t *testing.T) {
	c, _ := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"log_entries":[],"more":true}`) // the client may be gone
	}))
	_, err := c.Fetch(t.Context(), hour())
	if unstable := (*Unstable)(nil); !errors.As(err, &unstable) {
		t.Errorf("got %v", err)
	}
}

// TestAnEntryThatIsNestedTooDeeplyIsLeftOutAlone, by its beginning.
func TestAnEntryThatIsNestedTooDeeplyIsLeftOutAlone(t *testing.T) {
	entry := func(id string) string { return entryAt(id, noon().Add(-time.Minute)) }
	deep := strings.TrimSuffix(entry("RDEEP"), "}") + `,"note":"\"]}[","x":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + "}"
	c, _ := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"log_entries": [`+entry("R1")+", "+deep+" ,"+entry("R2")+`], "more":false}`) // the client may be gone
	}))
	batch, err := c.Fetch(t.Context(), hour())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"R1", "R2"}, ids(batch.Entries)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if len(batch.Malformed) != 1 || string(batch.Malformed[0].Raw) != deep || !strings.Contains(batch.Malformed[0].Err.Error(), "RDEEP") {
		t.Errorf("%d are left out: %.300s", len(batch.Malformed), batch.Malformed)
	}
	if _, err := parsePage([]byte(`{"log_entries":[` + strings.Repeat("[", 20_000))); err == nil {
		t.Error("what is broken off is a page")
	}
}
