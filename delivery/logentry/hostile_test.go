package logentry

import (
	"errors"
	"fmt"
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
	if _, err := fetchAll(t.Context(), c, hour()); err != nil {
		t.Fatal(err)
	}
	refuse = true
	_, err := fetchAll(t.Context(), c, hour())
	if now, known := c.clock(); err == nil || !known || now.Sub(noon()).Abs() > time.Minute {
		t.Errorf("after a refusal (%v) PagerDuty's time is %s", err, now)
	}
}

// TestAnEmptyPageIsNoEndWhereMoreIsSaidToCome: the cursor stays.
func TestAnEmptyPageIsNoEndWhereMoreIsSaidToCome(t *testing.T) {
	c, _ := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"log_entries":[],"more":true}`) // the client may be gone
	}))
	_, err := fetchAll(t.Context(), c, hour())
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
	batch, err := fetchAll(t.Context(), c, hour())
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

// TestAWindowComesInPartsThatMemoryHolds: the oldest first, each with a cursor of
// its own, and what was taken stays taken when a later part fails.
func TestAWindowComesInPartsThatMemoryHolds(t *testing.T) {
	const entries = 120
	l := &list{}
	want := make([]string, 0, entries)
	for i := range entries {
		want = append(want, fmt.Sprintf("R%03d", i))
		raw := entryAt(want[i], noon().Add(time.Duration(i-entries)*30*time.Second))
		l.entries = append([]string{strings.TrimSuffix(raw, "}") + `,"note":"` + strings.Repeat("n", 1000) + `"}`}, l.entries...)
	}
	c, _ := newClient(t, l)
	c.maxPart = 40_000
	var got []string
	cursor, parts := time.Time{}, 0
	err := c.Fetch(t.Context(), hour(), func(b Batch) error {
		size := 0
		for _, e := range b.Entries {
			size += len(e.Raw)
		}
		if size > c.maxPart || !b.Cursor.After(cursor) {
			t.Errorf("part %d has %d bytes; cursor %s, before %s", parts, size, b.Cursor, cursor)
		}
		got, cursor, parts = append(got, ids(b.Entries)...), b.Cursor, parts+1
		return nil
	})
	if err != nil || !cursor.Equal(noon()) || parts < 3 || parts > 8 {
		t.Errorf("%d parts until %s, %v", parts, cursor, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lost, twice or not the oldest first (-want +got):\n%s", diff)
	}
	full, taken := errors.New("disk full"), 0
	err = c.Fetch(t.Context(), hour(), func(b Batch) error {
		if taken > 0 {
			return full
		}
		taken = len(b.Entries)
		return nil
	})
	if !errors.Is(err, full) || taken == 0 {
		t.Errorf("%d were taken, then %v", taken, err)
	}
}

// TestAnEntryThatIsTooLongIsLeftOutAlone.
func TestAnEntryThatIsTooLongIsLeftOutAlone(t *testing.T) {
	entries, want := many(30)
	long := strings.TrimSuffix(entryAt("RLONG", noon().Add(-time.Minute)), "}") + `,"note":"` + strings.Repeat("n", 1<<20) + `"}`
	c, _ := newClient(t, &list{entries: append(append(append([]string{}, entries[:20]...), long), entries[20:]...)})
	c.maxPage = 1 << 20
	b, err := fetchAll(t.Context(), c, hour())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, ids(b.Entries)); diff != "" {
		t.Errorf("lost or twice (-want +got):\n%s", diff)
	}
	if len(b.Malformed) != 1 || !strings.Contains(b.Malformed[0].Err.Error(), "a log entry of over") {
		t.Errorf("left out: %v", b.Malformed)
	}
}

// TestAListingWithoutEndIsUnstable, and soon given up: whoever answers knows no
// offset.
func TestAListingWithoutEndIsUnstable(t *testing.T) {
	n := 0
	c, _ := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n++
		_, _ = io.WriteString(w, `{"log_entries":[`+entryAt("R1", noon())+`],"more":true}`) // the client may be gone
	}))
	_, err := fetchAll(t.Context(), c, hour())
	if unstable := (*Unstable)(nil); !errors.As(err, &unstable) || n > 2*maxListings+1 {
		t.Errorf("%d requests, %v", n, err)
	}
}
