package mapping_test

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/mapping"
	"github.com/pdaltagent/pdaltagent/mapping/rulefile"
	"github.com/pdaltagent/pdaltagent/mibs" // the test wires what cmd wires
)

// loaded is a rule set and what it cost to load.
type loaded struct {
	rules *mapping.Rules
	cpu   time.Duration
	heap  uint64 // bytes
}

// loadAll loads the rules that are shipped and n generated ones.
func loadAll(t *testing.T, modules *mibs.Modules, n int) loaded {
	t.Helper()
	generated := filepath.Join(t.TempDir(), "generated.yaml")
	if err := os.WriteFile(generated, []byte(strings.Replace(manyRules(n), "- id: link-down", "- id: generated-link", 1)[len(linkDefaults):]), 0o600); err != nil {
		t.Fatal(err)
	}
	var l loaded
	before, began := heap(), cpu(t)
	rules, _, err := rulefile.Loader{Namer: modules}.Load(filepath.Join("..", "deploy", "rules.d"), generated)
	if err != nil {
		t.Fatal(err)
	}
	l.rules, l.cpu = rules, cpu(t)-began
	l.heap = max(heap(), before) - before
	runtime.KeepAlive(rules)
	return l
}

// heap returns the bytes that are in use.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// cpu returns the time that the processors have worked for this process.
func cpu(t *testing.T) time.Duration {
	t.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		t.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// cost is what a message costs.
type cost struct {
	each   time.Duration
	allocs float64
	events int
}

func (c cost) least(other cost) cost {
	c.each = min(c.each, other.each)
	return c
}

// of returns the least of a few measurements, as other work on the machine only
// adds to them.
func of(rules *mapping.Rules, m ingest.Message) (c cost) {
	var r mapping.Result
	c.each = time.Hour
	for range 10 {
		began := time.Now()
		for range 500 {
			r.Events = r.Events[:0]
			rules.Apply(&m, &r)
		}
		c.each = min(c.each, time.Since(began)/500)
	}
	c.events = len(r.Events)
	c.allocs = testing.AllocsPerRun(100, func() {
		r.Events = r.Events[:0]
		rules.Apply(&m, &r)
	})
	return c
}

// TestRulesKeepTheirBudget: with all rules that are shipped and 10,000 others,
// loading takes less than a second of a processor and 200 MB; a message costs no
// more than twice what it does with 100 others: less than 3 µs where no rule
// takes it, less than 25 µs where one opens an alert.
func TestRulesKeepTheirBudget(t *testing.T) {
	modules, _, err := mibs.Load(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	few, many := loadAll(t, modules, 100), loadAll(t, modules, 10_000)
	for range 2 {
		if many.cpu > time.Second {
			many.cpu = min(many.cpu, loadAll(t, modules, 10_000).cpu)
		}
	}
	t.Logf("%d rules: %s of CPU, %d MB", many.rules.Len(), many.cpu.Round(time.Millisecond), many.heap>>20)
	if many.cpu > time.Second*slower || many.heap > 200<<20 {
		t.Errorf("%d rules take %s of CPU and %d MB", many.rules.Len(), many.cpu, many.heap>>20)
	}
	for _, c := range []struct {
		name   string
		m      ingest.Message
		events int
		most   time.Duration
	}{
		{"linkDown, of a rule that is shipped", linkDown(), 1, 25 * time.Microsecond},
		{"a trap of a generated rule", generatedTrap(), 1, 25 * time.Microsecond},
		{"a trap of a catch-all", unknownTrap(), 1, 25 * time.Microsecond},
		{"a line of a generated rule", generatedLine("%FAC4-3-NAME"), 1, 25 * time.Microsecond},
		{"a line by a generated glob", generatedLine("%FAC-7-100031"), 1, 25 * time.Microsecond},
		{"a line that no rule takes", generatedLine("%NONE-6-X"), 0, 3 * time.Microsecond},
		{"a line that fits no extract", unfitLine(), 0, 3 * time.Microsecond},
		{"a hook of a generated rule", hook("/hooks/h5", "firing 5"), 1, 25 * time.Microsecond},
		{"a hook whose when is false", hook("/hooks/h5", "resolved"), 0, 3 * time.Microsecond},
		{"a hook that no rule knows", hook("/hooks/none", "x"), 0, 3 * time.Microsecond},
		{"a posted event", event(), 1, 25 * time.Microsecond},
	} {
		a, b := of(few.rules, c.m), of(many.rules, c.m)
		for range 5 {
			if b.each > 2*a.each {
				a, b = a.least(of(few.rules, c.m)), b.least(of(many.rules, c.m))
			}
		}
		t.Logf("%-36s %8s %8s %4.0f allocations", c.name, a.each, b.each, b.allocs)
		if b.events != c.events {
			t.Errorf("%s makes %d events, want %d", c.name, b.events, c.events)
		}
		if b.each > 2*a.each+200*time.Nanosecond || b.each > c.most*slower {
			t.Errorf("%s costs %s, and %s with 100 rules; it may cost %s", c.name, b.each, a.each, c.most)
		}
	}
}

func generatedTrap() ingest.Message {
	m := linkDown()
	m.Trap.OID = "1.3.6.1.4.1.10003.0.1"
	return m
}

func unknownTrap() ingest.Message {
	m := linkDown()
	m.Trap.OID = "1.3.6.1.4.1.5.0.9"
	return m
}

func generatedLine(mnemonic string) ingest.Message {
	m := line()
	m.Line.Mnemonic, m.Line.Text = mnemonic, "Interface Gi5/17, changed state to down"
	return m
}

func unfitLine() ingest.Message {
	m := generatedLine("%FAC4-3-NAME")
	m.Line.Text = "Interface Gi5/17 went away without a word"
	return m
}

func hook(path, status string) ingest.Message {
	return ingest.Message{
		ID: ingest.NewID(received()), ReceivedAt: received(), Protocol: ingest.HTTP, Source: netip.MustParseAddr("192.0.2.1"),
		Request: &ingest.Request{
			Path: path, Raw: fmt.Appendf(nil, `{"status":%q,"id":"k","summary":"s"}`, status), ContentType: "application/json",
			Body: map[string]any{"status": status, "id": "k", "summary": "s"},
		},
	}
}
