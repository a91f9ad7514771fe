package mapping_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/mapping"
)

func TestMain(m *testing.M) {
	flag.Bool("update", false, "rewrite the events of testdata")
	goleak.VerifyTestMain(m)
}

// queue is an Enqueuer that answers at once, or when it is told to.
type queue struct {
	mu     sync.Mutex
	events []mapping.Event
	calls  int
	err    error
	later  []func(error) // when hold is set
	hold   bool
}

func (q *queue) Enqueue(_ context.Context, events []mapping.Event, done func(error)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.calls++
	q.events = append(q.events, events...)
	if q.hold {
		q.later = append(q.later, done)
		return
	}
	done(q.err)
}

// plant is a Mapper with all that it counts in.
type plant struct {
	*mapping.Mapper
	queue    *queue
	registry *prometheus.Registry
	log      *strings.Builder
}

func newPlant(tb testing.TB, rules string) *plant {
	tb.Helper()
	p := &plant{queue: &queue{}, registry: prometheus.NewRegistry(), log: &strings.Builder{}}
	logger := slog.New(slog.NewTextHandler(p.log, nil))
	p.Mapper = mapping.NewMapper(load(tb, rules), p.queue, ingest.NewTally(p.registry), mapping.NewEventCounter(p.registry), p.registry, logger)
	return p
}

// handle hands ms over and returns the receipts that came at once.
func (p *plant) handle(ms ...ingest.Message) (receipts []ingest.Receipt) {
	p.Handle(context.Background(), ms, func(r ingest.Receipt) { receipts = append(receipts, r) })
	return receipts
}

// counts returns the counters that are not zero, as "name{label,label}".
func (p *plant) counts(t *testing.T) map[string]int {
	t.Helper()
	families, err := p.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			name := strings.TrimPrefix(f.GetName(), "pdaltagent_") + "{" + strings.Join(labels, ",") + "}"
			if n := int(m.GetCounter().GetValue()); n != 0 {
				counts[name] = n
			}
		}
	}
	return counts
}

const mixedRules = `
rules:
  - { id: link, match: { trap: linkDown }, event: { summary: down } }
  - { id: noise, match: { syslog: noise }, drop: true }
  - { id: half, match: { syslog: half, when: message == "drop" }, drop: true }
  - { id: broken, match: { syslog: broken }, event: { summary: '${int(message)}' } }
  - { id: twice, match: { syslog: twice }, continue: true, event: {} }
  - { id: again, match: { syslog: twice }, drop: true }
  - { id: v2, match: { http: /v2/enqueue, when: body.payload.severity == "error" }, drop: true }
`

func said(app string) ingest.Message {
	m := line()
	m.Line.AppName, m.Line.Mnemonic = app, ""
	return m
}

// TestEveryMessageHasOneOutcome: mapped, unmatched, dropped, or lost, by
// protocol, and each event is counted where it ends.
func TestEveryMessageHasOneOutcome(t *testing.T) {
	p := newPlant(t, mixedRules)
	receipts := p.handle(linkDown(), said("noise"), said("unknown"), said("broken"), said("twice"))
	if diff := cmp.Diff([]ingest.Receipt{{Events: 5, DedupKey: "link/192.0.2.1/517"}}, receipts); diff != "" {
		t.Error(diff)
	}
	want := map[string]int{
		"messages_total{mapped,snmp}":      1,
		"messages_total{mapped,syslog}":    2,
		"messages_total{dropped,syslog}":   1,
		"messages_total{unmatched,syslog}": 1,
		"rule_errors_total{broken}":        1,
	}
	if diff := cmp.Diff(want, p.counts(t)); diff != "" {
		t.Error(diff)
	}
	var got []string
	for _, e := range p.queue.events {
		got = append(got, string(e.Decision)+" "+e.Rule+" "+e.Summary)
		if len(e.Message) == 0 {
			t.Errorf("%s has no message", e.Rule)
		}
	}
	if diff := cmp.Diff([]string{
		"queued link down",
		"dropped noise core-1: Configured from console",
		"unmatched  core-1: Configured from console",
		"queued broken core-1: Configured from console",
		"queued twice core-1: Configured from console",
		"dropped again core-1: Configured from console",
	}, got); diff != "" {
		t.Error(diff)
	}
	if p.queue.calls != 1 {
		t.Errorf("a batch made %d calls", p.queue.calls)
	}
	if !strings.Contains(p.log.String(), "rule=broken") || !strings.Contains(p.log.String(), "rules.yaml:6:") {
		t.Errorf("the rule's error is not logged with its place: %s", p.log)
	}
}

// TestReceiptsAreOfTheirOwnBatch: nothing of one is left in the next.
func TestReceiptsAreOfTheirOwnBatch(t *testing.T) {
	p := newPlant(t, mixedRules)
	got := append(p.handle(linkDown(), said("noise")), p.handle(said("unknown"))...)
	got = append(got, p.handle(said("half"), linkDown())...)
	want := []ingest.Receipt{{Events: 2, DedupKey: "link/192.0.2.1/517"}, {}, {Events: 1, DedupKey: "link/192.0.2.1/517"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	counts := map[string]int{"messages_total{mapped,snmp}": 2, "messages_total{dropped,syslog}": 1, "messages_total{unmatched,syslog}": 2}
	if diff := cmp.Diff(counts, p.counts(t)); diff != "" {
		t.Error(diff)
	}
}

// TestReceiptWaitsForTheCommit: done is called once, after Enqueue's done, and
// carries its error.
func TestReceiptWaitsForTheCommit(t *testing.T) {
	p := newPlant(t, mixedRules)
	p.queue.hold = true
	var receipts []ingest.Receipt
	done := func(r ingest.Receipt) { receipts = append(receipts, r) }
	p.Handle(context.Background(), []ingest.Message{linkDown()}, done)
	p.Handle(context.Background(), []ingest.Message{linkDown()}, done)
	if len(receipts) != 0 || len(p.counts(t)) != 0 {
		t.Fatalf("answered before the commit: %v", receipts)
	}
	p.queue.later[0](nil)
	lost := errors.New("postgres is away")
	p.queue.later[1](lost)
	if len(receipts) != 2 || receipts[0].Err != nil || !errors.Is(receipts[1].Err, lost) {
		t.Errorf("got %v", receipts)
	}
	want := map[string]int{"messages_total{mapped,snmp}": 1, "messages_total{lost,snmp}": 1}
	if diff := cmp.Diff(want, p.counts(t)); diff != "" {
		t.Error(diff)
	}
}

// TestNothingToCommitIsAnsweredAtOnce, also without a done.
func TestNothingToCommitIsAnsweredAtOnce(t *testing.T) {
	p := newPlant(t, mixedRules)
	for range 10 {
		p.handle(said("unknown"))
	}
	p.queue.hold = true
	if r := p.handle(said("unknown"), said("unknown")); len(r) != 1 || r[0] != (ingest.Receipt{}) {
		t.Errorf("got %v", r)
	}
	p.Handle(context.Background(), []ingest.Message{said("unknown")}, nil)
	p.Handle(context.Background(), nil, nil)
	if got := p.counts(t)["messages_total{unmatched,syslog}"]; got != 13 {
		t.Errorf("%d unmatched", got)
	}
	if got := p.counts(t)["events_total{unmatched,}"]; got != 3 {
		t.Errorf("%d unmatched events that ended here", got)
	}
}

// TestALostSampleIsNoLostMessage: what no rule took is answered as ignored.
func TestALostSampleIsNoLostMessage(t *testing.T) {
	p := newPlant(t, mixedRules)
	p.queue.err = errors.New("postgres is away")
	if r := p.handle(said("unknown"), said("noise")); len(r) != 1 || r[0].Err != nil || r[0].Events != 1 {
		t.Errorf("got %v", r)
	}
}

// TestSamplesAreLimited: ten a minute of receipt for each protocol, source and
// kind, of unmatched and of dropped messages apart.
func TestSamplesAreLimited(t *testing.T) {
	p := newPlant(t, mixedRules)
	f := func(what string, want int, change func(*ingest.Message)) {
		t.Helper()
		before := len(p.queue.events)
		for range 25 {
			m := said("unknown")
			change(&m)
			p.handle(m)
		}
		if got := len(p.queue.events) - before; got != want {
			t.Errorf("%s: %d samples, want %d", what, got, want)
		}
	}
	f("the first minute", 10, func(*ingest.Message) {})
	f("the same minute", 0, func(m *ingest.Message) { m.ReceivedAt = m.ReceivedAt.Add(20 * time.Second) })
	f("another source", 10, func(m *ingest.Message) { m.Source = netip.MustParseAddr("192.0.2.2") })
	f("another app name", 10, func(m *ingest.Message) { m.Line.AppName = "other" })
	f("a mnemonic", 10, func(m *ingest.Message) { m.Line.Mnemonic = "%A-1-B" })
	f("a drop", 10, func(m *ingest.Message) { m.Line.AppName = "noise" })
	f("what is dropped or not", 10, func(m *ingest.Message) { m.Line.AppName, m.Line.Text = "half", "keep" })
	f("the same, dropped", 10, func(m *ingest.Message) { m.Line.AppName, m.Line.Text = "half", "drop" })
	f("a trap", 10, func(m *ingest.Message) { *m = linkDown(); m.Trap.OID = "1.3.6.1.4.1.9.0.1" })
	f("another trap", 10, func(m *ingest.Message) { *m = linkDown(); m.Trap.OID = "1.3.6.1.4.1.9.0.2" })
	f("the next minute", 10, func(m *ingest.Message) { m.ReceivedAt = m.ReceivedAt.Add(time.Minute) })
	f("a late one", 0, func(*ingest.Message) {})
	f("a clock set back", 10, func(m *ingest.Message) { m.ReceivedAt = m.ReceivedAt.Add(-time.Hour) })
}

// TestManyKindsAreBounded: a flood of forged sources writes no more samples in
// a minute than the table has room for.
func TestManyKindsAreBounded(t *testing.T) {
	p := newPlant(t, mixedRules)
	for i := range 50_000 {
		m := said("unknown")
		m.Source = netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		p.handle(m)
	}
	if got := len(p.queue.events); got > 4096 || got < 3500 {
		t.Errorf("%d samples of 50,000 sources", got)
	}
}

// TestDroppedPostedEventsAreAnswered: their senders expect a dedup_key.
func TestDroppedPostedEventsAreAnswered(t *testing.T) {
	p := newPlant(t, mixedRules)
	for range 12 { // more than are sampled
		m := event()
		if r := p.handle(m); len(r) != 1 || r[0].DedupKey != m.ID.String() || r[0].Events != 1 {
			t.Errorf("got %v", r)
		}
	}
	counts := p.counts(t)
	if len(p.queue.events) != 10 || counts["events_total{dropped,v2}"] != 2 || counts["messages_total{dropped,http}"] != 12 {
		t.Errorf("%d samples, counts %v", len(p.queue.events), counts)
	}
}

// TestSwapTakesTheNextBatch: and batches may be under way.
func TestSwapTakesTheNextBatch(t *testing.T) {
	p := newPlant(t, mixedRules)
	other := load(t, strings.ReplaceAll(mixedRules, "id: link", "id: swapped"))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				p.Handle(context.Background(), []ingest.Message{linkDown(), said("broken"), said("unknown")}, nil)
			}
		})
	}
	p.Swap(other)
	wg.Wait()
	p.handle(linkDown())
	if last := p.queue.events[len(p.queue.events)-1]; last.Rule != "swapped" || p.Rules() != other {
		t.Errorf("rule %q", last.Rule)
	}
}

// TestErrorsAreLoggedOnceAMinute: a broken rule does not flood the log.
func TestErrorsAreLoggedOnceAMinute(t *testing.T) {
	p := newPlant(t, mixedRules)
	for range 5 {
		p.handle(said("broken"), said("broken"))
	}
	if got := strings.Count(p.log.String(), "rule=broken"); got != 1 {
		t.Errorf("%d lines: %s", got, p.log)
	}
	if got := p.counts(t)["rule_errors_total{broken}"]; got != 10 {
		t.Errorf("%d errors counted", got)
	}
}

// unmatched returns messages of 100 sources, each of a kind that no rule
// takes.
func unmatched(one func() ingest.Message) []ingest.Message {
	batch := make([]ingest.Message, 100)
	for i := range batch {
		batch[i] = one()
		batch[i].Source = netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})
		if batch[i].Trap != nil {
			batch[i].Trap.OID = fmt.Sprintf("1.3.6.1.4.1.5.0.%d", i)
		}
	}
	return batch
}

// BenchmarkHandleUnmatched is the whole way of messages that no rule takes:
// index, sampler, tally.
func BenchmarkHandleUnmatched(b *testing.B) {
	for name, one := range map[string]func() ingest.Message{"trap": linkDown, "syslog": line} {
		b.Run(name, func(b *testing.B) {
			p := newPlant(b, manyRules(1000))
			batch := unmatched(one)
			for range 20 {
				p.Handle(context.Background(), batch, nil) // the samples are kept
			}
			b.ReportAllocs()
			for b.Loop() {
				p.Handle(context.Background(), batch, nil)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/message")
		})
	}
}

// TestUnmatchedMessagesCostNoMemory, once their samples are kept.
func TestUnmatchedMessagesCostNoMemory(t *testing.T) {
	for name, one := range map[string]func() ingest.Message{"trap": linkDown, "syslog": line} {
		p := newPlant(t, manyRules(100))
		batch := unmatched(one)
		handle := func() { p.Handle(context.Background(), batch, func(ingest.Receipt) {}) }
		for range 20 {
			handle()
		}
		if n := testing.AllocsPerRun(200, handle); n >= 1 {
			t.Errorf("%s: a batch of 100 allocates %v times", name, n)
		}
	}
}
