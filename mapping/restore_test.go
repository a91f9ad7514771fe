package mapping_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/mapping"
)

// TestWhatIsStoredMakesTheSameEvents, for every message of every archive of
// which no mask has covered a part.
func TestWhatIsStoredMakesTheSameEvents(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	restored := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		a, n := parseArchive(string(data)), newSMI()
		rules, _, err := parse(a, n)
		if err != nil || slices.Contains(a.names, "faults") || strings.Contains(a.files["rules.yaml"], "mask:") {
			continue
		}
		for _, m := range parseMessages(t, n, a.files["messages.yaml"]) {
			if m.Trap != nil && m.Trap.Community != "" || m.Request != nil && m.Request.Key != "" {
				continue // is not stored
			}
			sample := rules.Sample(&m, mapping.Unmatched)
			got, err := mapping.Restore(mapping.Stored{
				ID: m.ID, ReceivedAt: m.ReceivedAt, Protocol: m.Protocol, Source: m.Source, Host: sample.Host, Message: sample.Message,
			})
			if err != nil {
				t.Errorf("%s: %v: %s", file, err, sample.Message)
				continue
			}
			var want, have mapping.Result
			rules.Apply(&m, &want)
			rules.Apply(&got, &have)
			if diff := cmp.Diff(wordsOf(t, want), wordsOf(t, have)); diff != "" {
				t.Errorf("%s: %s (-message +restored):\n%s", file, sample.Message, diff)
			}
			restored++
		}
	}
	if restored < 100 {
		t.Errorf("only %d messages", restored)
	}
}

func TestAMessageThatIsNotKeptIsNotRestored(t *testing.T) {
	for _, message := range []string{"", "null", "{}", "[]", `{"varbinds":[{"hex":"xy"}]}`, `{"text":1}`, `{"path":"/x"}`} {
		if m, err := mapping.Restore(mapping.Stored{Protocol: ingest.SNMP, Message: json.RawMessage(message)}); err == nil {
			t.Errorf("%q: %+v", message, m)
		}
	}
}
