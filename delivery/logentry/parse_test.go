package logentry

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pdaltagent/pdaltagent/delivery"
)

const triggered = `{"id":"R2X","type":"trigger_log_entry","created_at":"2026-03-01T13:00:01+01:00","service":{"id":"PSVC"},"incident":{"id":"PINC","service":{"id":"PSVC"}}}`

// TestEntriesAreReadForWhatTheyAreKnownBy.
func TestEntriesAreReadForWhatTheyAreKnownBy(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 1, 0, time.UTC)
	f := func(raw string, want delivery.LogEntry) {
		t.Helper()
		want.Raw = []byte(raw)
		got, err := Parse([]byte(raw))
		if err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", raw, diff)
		}
	}
	f(triggered, delivery.LogEntry{ID: "R2X", Type: "trigger_log_entry", CreatedAt: at, IncidentID: "PINC", ServiceID: "PSVC"})
	f(`{"id":"R2X","type":"t","created_at":"2026-03-01T12:00:01Z","incident":null,"service":{"id":"PSVC"}}`,
		delivery.LogEntry{ID: "R2X", Type: "t", CreatedAt: at, ServiceID: "PSVC"})
	f(`{"id":"R2X","type":"t","created_at":"2026-03-01T12:00:01Z"}`, delivery.LogEntry{ID: "R2X", Type: "t", CreatedAt: at})
}

// TestWhatIsNoEntrySaysSo.
func TestWhatIsNoEntrySaysSo(t *testing.T) {
	f := func(raw, want string) {
		t.Helper()
		if _, err := Parse([]byte(raw)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error about %q", raw, err, want)
		}
	}
	f(`null`, "id and type")
	f(`[]`, "log entry")
	f(`{"id":1}`, "log entry")
	f(strings.Replace(triggered, `"R2X"`, `""`, 1), "id and type")
	f(strings.Replace(triggered, `R2X`, `R 2\u0000X`, 1), "id and type")
	f(strings.Replace(triggered, `R2X`, strings.Repeat("R", 65), 1), "id and type")
	f(strings.Replace(triggered, `trigger_log_entry`, ``, 1), "id and type")
	f(strings.Replace(triggered, `2026-03-01T13:00:01+01:00`, `yesterday`, 1), "created_at")
	f(strings.Replace(triggered, `2026-03-01T13`, `0001-03-01T13`, 1), "created_at")
	f(strings.Replace(triggered, `PINC`, `P'; --`, 1), "no id of an incident")
}

// TestPagerDutysOwnExamplesAreRead.
func TestPagerDutysOwnExamplesAreRead(t *testing.T) {
	text, err := os.ReadFile("../../../shared/pagerduty/webhook-v2.examples.json")
	if err != nil {
		t.Skip("PagerDuty's examples are not here")
	}
	var examples []struct {
		Messages []struct {
			LogEntries []json.RawMessage `json:"log_entries"`
		}
	}
	if err := json.Unmarshal(text, &examples); err != nil {
		t.Fatal(err)
	}
	read := 0
	for _, example := range examples {
		for _, m := range example.Messages {
			for _, raw := range m.LogEntries {
				e, err := Parse(raw)
				if err != nil || e.IncidentID == "" || e.ServiceID == "" {
					t.Errorf("%+v, %v of %s", e, err, raw)
				}
				read++
			}
		}
	}
	if read < 4 {
		t.Errorf("read %d entries", read)
	}
}

// FuzzParse: whatever comes, what is read has what it is known by, and a page
// has no more entries than elements.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{triggered, `null`, `{"log_entries":[` + triggered + `,{}],"more":true,"total":2}`, `{"id":"R","type":"t","created_at":"2026-03-01T12:00:01Z","incident":{"id":null,"service":[]}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if e, err := Parse(raw); err == nil {
			if !isName(e.ID) || !isName(e.Type) || e.CreatedAt.IsZero() || e.CreatedAt.Location() != time.UTC {
				t.Fatalf("%q was read as %+v", raw, e)
			}
			if again, err := Parse(e.Raw); err != nil || again.ID != e.ID {
				t.Fatalf("%q is read as %+v, then as %+v, %v", raw, e, again, err)
			}
		}
		if p, err := parsePage(raw); err == nil {
			fetch := fetching{part: part{seen: map[string]bool{}}}
			fetch.add(p)
			if n := len(fetch.part.batch.Entries) + len(fetch.part.batch.Malformed); n > len(p.LogEntries) || n == 0 && len(p.LogEntries) > 0 {
				t.Fatalf("%d of %d elements", n, len(p.LogEntries))
			}
		}
	})
}
