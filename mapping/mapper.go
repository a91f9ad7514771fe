package mapping

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// Limits of what a storm of messages may write, by the minute of their
// receipt.
const (
	maxSamples = 10 // of messages that no rule took, or that one dropped: a kind of a source
	maxReports = 1  // of errors in the log: a rule
)

// Mapper is the ingest.Handler that applies rules to messages and queues the
// events that they make.
type Mapper struct {
	rules   atomic.Pointer[Rules]
	queue   Enqueuer
	tally   *ingest.Tally
	events  *prometheus.CounterVec
	ended   prometheus.Counter // unmatched messages of which no sample is kept
	errors  *prometheus.CounterVec
	samples *sampler
	reports *sampler
	batches sync.Pool
	log     *slog.Logger
}

// NewMapper returns a Mapper that applies rules, gives the events to queue
// and counts in tally, events (see NewEventCounter) and r what became of
// messages, events and rules.
func NewMapper(rules *Rules, queue Enqueuer, tally *ingest.Tally, events *prometheus.CounterVec, r prometheus.Registerer, log *slog.Logger) *Mapper {
	m := &Mapper{
		queue: queue, tally: tally, events: events, log: log,
		ended: events.WithLabelValues("", string(Unmatched)),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pdaltagent_rule_errors_total",
			Help: "Errors in expressions of rules; defaults took their place.",
		}, []string{"rule"}),
		samples: newSampler(maxSamples),
		reports: newSampler(maxReports),
	}
	r.MustRegister(m.errors)
	m.rules.Store(rules)
	return m
}

// NewEventCounter returns the counter of events by rule and decision. It is
// shared with the queue: that one counts what it commits, with its final
// decision, and the mapper what ends here: drops and unmatched messages of
// which no sample is kept.
func NewEventCounter(r prometheus.Registerer) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "pdaltagent_events_total",
		Help: "Events, by rule and by what was decided about them.",
	}, []string{"rule", "decision"})
	r.MustRegister(c)
	return c
}

// Swap makes rules the ones that the next messages are mapped by.
func (m *Mapper) Swap(rules *Rules) { m.rules.Store(rules) }

// Rules returns the rules that messages are mapped by.
func (m *Mapper) Rules() *Rules { return m.rules.Load() }

// Handle maps ms by one set of rules and queues what they make in one call.
// It may be called from any goroutine. Messages that no rule takes cost it no
// memory.
func (m *Mapper) Handle(ctx context.Context, ms []ingest.Message, done func(ingest.Receipt)) {
	b := m.begin()
	for i := range ms {
		b.take(&ms[i])
	}
	b.count(&b.unmatched, ingest.Unmatched)
	b.count(&b.dropped, ingest.Dropped)
	if b.ended > 0 {
		m.ended.Add(float64(b.ended))
	}
	if len(b.result.Events) == 0 {
		b.settle(nil, done)
		return
	}
	events := b.result.Events
	b.result.Events = nil // they are the queue's now
	m.queue.Enqueue(ctx, events, func(err error) { b.settle(err, done) })
}

func (m *Mapper) begin() *batch {
	b, _ := m.batches.Get().(*batch)
	if b == nil {
		b = &batch{mapper: m}
	}
	b.rules = m.rules.Load()
	return b
}

// batch is the work of one call of Handle. It is used again once it is
// settled.
type batch struct {
	mapper  *Mapper
	rules   *Rules
	result  Result
	receipt ingest.Receipt

	mapped, unmatched, dropped perProtocol
	ended                      int // unmatched messages of which no sample is kept
}

// take maps one message.
func (b *batch) take(msg *ingest.Message) {
	r := &b.result
	from := len(r.Events)
	b.rules.Apply(msg, r)
	if len(r.Errors) > 0 {
		b.report(msg)
	}
	made := r.Events[from:]
	if len(made) == 0 {
		b.unmatched[protocolIndex(msg.Protocol)]++
		if b.mapper.samples.allow(msg, Unmatched) {
			r.Events = append(r.Events, b.rules.Sample(msg, Unmatched))
		} else {
			b.ended++
		}
		return
	}
	if b.receipt.Events == 0 {
		b.receipt.DedupKey = made[0].DedupKey
	}
	b.receipt.Events += len(made)
	last := &made[len(made)-1]
	if last.Decision != Dropped {
		b.mapped[protocolIndex(msg.Protocol)]++
		return
	}
	b.drop(msg, last, len(made) > 1)
}

// drop counts a message whose last event is a drop, and keeps that event only
// as a sample.
func (b *batch) drop(msg *ingest.Message, e *Event, mapped bool) {
	if mapped {
		b.mapped[protocolIndex(msg.Protocol)]++
	} else {
		b.dropped[protocolIndex(msg.Protocol)]++
	}
	r := &b.result
	if !b.mapper.samples.allow(msg, Dropped) {
		b.mapper.events.WithLabelValues(e.Rule, string(Dropped)).Inc()
		r.Events = r.Events[:len(r.Events)-1]
		return
	}
	sample := b.rules.Sample(msg, Dropped)
	e.Summary, e.Severity, e.Message = sample.Summary, sample.Severity, sample.Message
}

// report counts and logs the errors of rules.
func (b *batch) report(msg *ingest.Message) {
	for _, e := range b.result.Errors {
		b.mapper.errors.WithLabelValues(e.Rule).Inc()
		if b.mapper.reports.allowName(e.Rule, msg.ReceivedAt) {
			b.mapper.log.Warn("a rule has an error; its default was used",
				"rule", e.Rule, "error", e.Err, "message_id", msg.ID, "source", msg.Source)
		}
	}
	b.result.Errors = b.result.Errors[:0]
}

// Webhook returns the payload that is to be sent, and to whom: see
// Rules.ApplyWebhook. Errors of rules are counted and logged.
func (m *Mapper) Webhook(w Webhook) (payload []byte, to string) {
	var out Result
	payload, to = m.rules.Load().ApplyWebhook(w, &out)
	for _, e := range out.Errors {
		m.errors.WithLabelValues(e.Rule).Inc()
		if m.reports.allowName(e.Rule, w.At) {
			m.log.Warn("a rule about webhooks has an error; its default was used", "rule", e.Rule, "error", e.Err, "type", w.Type)
		}
	}
	return payload, to
}

// settle counts what became of the mapped messages, tells the receiver, and
// gives b back.
func (b *batch) settle(err error, done func(ingest.Receipt)) {
	if err != nil {
		b.count(&b.mapped, ingest.Lost)
		if b.mapped != (perProtocol{}) {
			b.receipt.Err = err
		}
	} else {
		b.count(&b.mapped, ingest.Mapped)
	}
	receipt := b.receipt
	*b = batch{mapper: b.mapper, result: Result{Errors: b.result.Errors[:0]}}
	b.mapper.batches.Put(b)
	if done != nil {
		done(receipt)
	}
}

// perProtocol counts messages by protocol.
type perProtocol [4]int

func protocols() [4]ingest.Protocol {
	return [4]ingest.Protocol{ingest.SNMP, ingest.Syslog, ingest.HTTP, ingest.Fetch}
}

func protocolIndex(p ingest.Protocol) int {
	for i, known := range protocols() {
		if p == known {
			return i
		}
	}
	return len(perProtocol{}) - 1
}

func (b *batch) count(n *perProtocol, o ingest.Outcome) {
	for i, p := range protocols() {
		b.mapper.tally.Add(p, o, n[i])
	}
}
