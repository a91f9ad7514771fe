package logentry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/pdaltagent/pdaltagent/delivery"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const token = "u+AbCdEfGhIjKlMnOpQr"

// list stands in for PagerDuty: a list of entries, the newest first.
type list struct {
	entries  []string // JSON
	requests []url.Values
	now      time.Time
	before   func(l *list, request int) // called before each is answered
	at       map[string]time.Time       // of entries
}

// within reports whether an entry is of a window; what is none is of each.
func (l *list) within(raw string, since, until time.Time) bool {
	at, known := l.at[raw]
	if !known {
		e, err := Parse([]byte(raw))
		if err == nil {
			at = e.CreatedAt
		}
		if l.at == nil {
			l.at = map[string]time.Time{}
		}
		l.at[raw] = at
	}
	return at.IsZero() || !at.Before(since) && !at.After(until)
}

func entryAt(id string, at time.Time) string {
	return fmt.Sprintf(`{"id":%q,"type":"trigger_log_entry","created_at":%q,"incident":{"id":"PINC","service":{"id":"PSVC"}}}`, id, at.Format(time.RFC3339))
}

func (l *list) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	l.requests = append(l.requests, q)
	if l.before != nil {
		l.before(l, len(l.requests))
	}
	since, _ := time.Parse(time.RFC3339, q.Get("since"))
	until, _ := time.Parse(time.RFC3339, q.Get("until"))
	limit, _ := strconv.Atoi(q.Get("limit"))
	offset, _ := strconv.Atoi(q.Get("offset"))
	if !l.now.IsZero() {
		w.Header().Set("Date", l.now.Format(http.TimeFormat))
	}
	if offset+limit > 10_000 {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	var found []json.RawMessage
	for _, raw := range l.entries {
		if l.within(raw, since, until) {
			found = append(found, json.RawMessage(raw))
		}
	}
	p := found[min(offset, len(found)):min(offset+limit, len(found))]
	answer := map[string]any{"log_entries": append([]json.RawMessage{}, p...), "more": offset+limit < len(found), "total": nil}
	if q.Get("total") == "true" {
		answer["total"] = len(found)
	}
	_ = json.NewEncoder(w).Encode(answer) // the client may be gone
}

// newClient returns a client of handler that notes how long it would wait.
func newClient(t *testing.T, handler http.Handler) (*Client, *[]time.Duration) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	c, err := New(Config{APIURL: server.URL + "/", Token: token, Timeout: 5 * time.Second, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	var waits []time.Duration
	c.pause = func(_ context.Context, d time.Duration) error {
		waits = append(waits, d)
		return nil
	}
	return c, &waits
}

// fetchAll returns the parts of a window as one.
func fetchAll(ctx context.Context, c *Client, w Window) (all Batch, err error) {
	err = c.Fetch(ctx, w, func(b Batch) error {
		all = Batch{Entries: append(all.Entries, b.Entries...), Malformed: append(all.Malformed, b.Malformed...), Cursor: b.Cursor}
		return nil
	})
	return all, err
}

func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

func hour() Window { return Window{noon().Add(-time.Hour), noon()} }

func ids(entries []delivery.LogEntry) (s []string) {
	for _, e := range entries {
		s = append(s, e.ID)
	}
	return s
}

// many returns n entries of the hour, the newest first, and their ids as they
// are to come out.
func many(n int) (entries, want []string) {
	for i := range n {
		id := fmt.Sprintf("R%06d", i)
		want = append(want, id)
		entries = append(entries, entryAt(id, noon().Add(-time.Hour+time.Duration(i)*time.Hour/time.Duration(n+1)).Truncate(time.Second)))
	}
	slices.Reverse(entries)
	return entries, want
}

// TestPagerDutyIsAskedAsItsDocumentsSay.
func TestPagerDutyIsAskedAsItsDocumentsSay(t *testing.T) {
	f := func(token, want string, all bool) {
		t.Helper()
		var got *http.Request
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			got = r
			_, _ = io.WriteString(w, `{"log_entries":[]}`) // the client may be gone
		}))
		defer server.Close()
		c, err := New(Config{APIURL: server.URL, Token: "x", AllEntries: all, Version: "1.2"})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.authorization = authorization(token)
		if _, err := fetchAll(t.Context(), c, hour()); err != nil {
			t.Fatal(err)
		}
		wantQuery := url.Values{
			"since": {"2026-03-01T11:00:00Z"}, "until": {"2026-03-01T12:00:00Z"}, "time_zone": {"UTC"}, "is_overview": {strconv.FormatBool(!all)},
			"include[]": {"incidents", "services", "teams", "channels"}, "limit": {"100"}, "offset": {"0"}, "total": {"true"},
		}
		if diff := cmp.Diff(wantQuery, got.URL.Query()); diff != "" || got.URL.Path != "/log_entries" {
			t.Errorf("%s (-want +got):\n%s", got.URL.Path, diff)
		}
		header := []string{got.Header.Get("Authorization"), got.Header.Get("Accept"), got.Header.Get("User-Agent")}
		if diff := cmp.Diff([]string{want, "application/vnd.pagerduty+json;version=2", "PDaltagent/1.2"}, header); diff != "" {
			t.Errorf("header (-want +got):\n%s", diff)
		}
	}
	f(token, "Token token="+token, false)
	f("y_NbAkKc66ryYTWUXYEu", "Token token=y_NbAkKc66ryYTWUXYEu", true)
	f(strings.Repeat("0a", 32), "Bearer "+strings.Repeat("0a", 32), false)
	f("pdus+_0XBPWQQ_dfd", "Bearer pdus+_0XBPWQQ_dfd", false)
	f("eyJ0.eyJh.c2ln", "Bearer eyJ0.eyJh.c2ln", false)
}

// TestEntriesComeOutOldestFirst, over pages, each once, and the malformed
// beside them.
func TestEntriesComeOutOldestFirst(t *testing.T) {
	f := func(n int) {
		t.Helper()
		entries, want := many(n)
		l := &list{entries: append([]string{`{"id":""}`}, entries...)}
		c, _ := newClient(t, l)
		b, err := fetchAll(t.Context(), c, hour())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, ids(b.Entries)); diff != "" {
			t.Errorf("%d entries (-want +got):\n%s", n, diff)
		}
		if len(b.Malformed) != 1 || b.Malformed[0].Err == nil || !b.Cursor.Equal(noon()) {
			t.Errorf("malformed %v, cursor %s", b.Malformed, b.Cursor)
		}
	}
	f(0)
	f(1)
	f(99)
	f(100)
	f(1234)
}

// TestAWindowThatIsTooFullIsSplit: PagerDuty lists no more than 10,000.
func TestAWindowThatIsTooFullIsSplit(t *testing.T) {
	entries, want := many(10_500)
	l := &list{entries: entries}
	c, _ := newClient(t, l)
	b, err := fetchAll(t.Context(), c, hour())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, ids(b.Entries)); diff != "" {
		t.Errorf("lost or twice (-want +got):\n%s", diff)
	}
	if n := len(l.requests); n > 140 {
		t.Errorf("it took %d requests", n)
	}

	same := make([]string, 10_001)
	for i := range same {
		same[i] = entryAt(fmt.Sprintf("R%06d", i), noon())
	}
	c, _ = newClient(t, &list{entries: same})
	_, err = fetchAll(t.Context(), c, Window{noon(), noon().Add(time.Second)})
	var tooMany *TooMany
	if !errors.As(err, &tooMany) || !strings.Contains(err.Error(), "all_log_entries") {
		t.Errorf("more than can be listed in a second: %v", err)
	}
}

// TestWithoutATotalAWindowIsSplitAtTheEnd of what PagerDuty lists.
func TestWithoutATotalAWindowIsSplitAtTheEnd(t *testing.T) {
	entries, want := many(10_500)
	l := &list{entries: entries, before: func(l *list, n int) { l.requests[n-1].Del("total") }}
	c, _ := newClient(t, l)
	b, err := fetchAll(t.Context(), c, hour())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, ids(b.Entries)); diff != "" {
		t.Errorf("lost or twice (-want +got):\n%s", diff)
	}
}

// TestAListingThatChangesLosesNothing: entries appear at its beginning, and
// vanish from it, between pages.
func TestAListingThatChangesLosesNothing(t *testing.T) {
	f := func(name string, change func(l *list, request int), wantRequests int) {
		t.Helper()
		entries, want := many(250)
		l := &list{entries: entries, before: change}
		c, _ := newClient(t, l)
		b, err := fetchAll(t.Context(), c, hour())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got := slices.DeleteFunc(ids(b.Entries), func(id string) bool { return strings.HasPrefix(id, "N") })
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: lost or twice (-want +got):\n%s", name, diff)
		}
		if n := len(l.requests); n != wantRequests {
			t.Errorf("%s: %d requests, want %d", name, n, wantRequests)
		}
	}
	insert := func(l *list, n int) {
		for i := range 5 {
			l.entries = append([]string{entryAt(fmt.Sprintf("N%d-%d", n, i), noon())}, l.entries...)
		}
	}
	remove := func(k, at int) func(*list, int) {
		return func(l *list, n int) {
			if n == at {
				l.entries = l.entries[k:]
			}
		}
	}
	f("nothing changes", nil, 4)
	f("entries appear", insert, 4)
	f("a few vanish", remove(5, 3), 4)
	f("many vanish", remove(50, 3), 6) // the third request's page shows it: all over, with one page less
	entries, _ := many(1000)
	c, _ := newClient(t, &list{entries: entries, before: func(l *list, _ int) { l.entries = l.entries[min(20, len(l.entries)):] }})
	_, err := fetchAll(t.Context(), c, hour())
	var unstable *Unstable
	if !errors.As(err, &unstable) {
		t.Errorf("a listing that never holds still: %v", err)
	}
}

// TestTimeIsPagerDutys: the cursor is never after its clock.
func TestTimeIsPagerDutys(t *testing.T) {
	l := &list{now: noon().Add(-10 * time.Minute)}
	c, _ := newClient(t, l)
	now, err := c.Now(t.Context())
	if err != nil || now.Sub(l.now).Abs() > 2*time.Second {
		t.Errorf("now is %s, %v, want %s", now, err, l.now)
	}
	if n := len(l.requests); n != 1 {
		t.Errorf("the clock took %d requests", n)
	}
	b, err := fetchAll(t.Context(), c, hour())
	if err != nil || b.Cursor.Sub(l.now).Abs() > 2*time.Second {
		t.Errorf("cursor %s, %v, want PagerDuty's %s, not the window's end", b.Cursor, err, l.now)
	}
	l.now = noon().Add(time.Hour)
	if _, err := fetchAll(t.Context(), c, hour()); err != nil {
		t.Fatal(err)
	}
	if b, err = fetchAll(t.Context(), c, hour()); err != nil || !b.Cursor.Equal(noon()) {
		t.Errorf("cursor %s, %v, want the window's end", b.Cursor, err)
	}
	if b, err = fetchAll(t.Context(), c, Window{noon(), noon()}); err != nil || !b.Cursor.Equal(noon()) || len(l.requests) != 4 {
		t.Errorf("an empty window: cursor %s, %v after %d requests", b.Cursor, err, len(l.requests))
	}
}
