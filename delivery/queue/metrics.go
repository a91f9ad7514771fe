package queue

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pdaltagent/pdaltagent/delivery"
)

// metrics are what /metrics says about the queue.
type metrics struct {
	events        *prometheus.CounterVec
	commitSeconds prometheus.Histogram
	commitBatch   prometheus.Histogram
	attempts      *prometheus.CounterVec
	seconds       *prometheus.HistogramVec
}

func newMetrics(events *prometheus.CounterVec, r prometheus.Registerer, ledger Ledger, w *windows, spool Spool) *metrics {
	m := &metrics{
		events: events,
		commitSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "pdaltagent_commit_seconds",
			Help:    "How long the commit of a batch took.",
			Buckets: []float64{.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 5},
		}),
		commitBatch: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "pdaltagent_commit_batch_size",
			Help:    "How many events a commit held.",
			Buckets: []float64{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000},
		}),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pdaltagent_attempts_total",
			Help: "Attempts made, by kind of delivery and by outcome: delivered, dead, or retry.",
		}, []string{"kind", "outcome"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "pdaltagent_delivery_seconds",
			Help:    "From the receipt of a message until PagerDuty accepted its event.",
			Buckets: []float64{.01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 30, 60, 300, 1800, 7200},
		}, []string{"severity"}),
	}
	r.MustRegister(m.commitSeconds, m.commitBatch, m.attempts, m.seconds, newWaiting(ledger),
		&windowSizes{windows: w, desc: prometheus.NewDesc(
			"pdaltagent_route_window", "Deliveries of a route that may be outstanding at once.", []string{"route"}, nil)},
		&pauses{windows: w, desc: prometheus.NewDesc("pdaltagent_route_paused",
			"1 while a route pauses: busy (429), failing (nothing is accepted) or certificate (it cannot be trusted).", []string{"route", "reason"}, nil)})
	if spool != nil {
		registerSpool(r, spool)
	}
	return m
}

func registerSpool(r prometheus.Registerer, spool Spool) {
	r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "pdaltagent_spool_records", Help: "Events that wait on disk for Postgres.",
	}, func() float64 {
		n, _ := spool.Len()
		return float64(n)
	}), prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "pdaltagent_spool_bytes", Help: "Bytes on disk of the events that wait for Postgres.",
	}, func() float64 {
		_, bytes := spool.Len()
		return float64(bytes)
	}), prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "pdaltagent_spool_damaged", Help: "Damaged stretches of the spool that were set aside since the start.",
	}, func() float64 { return float64(spool.Damaged()) }))
}

// windowSizes tells the windows when it is scraped.
type windowSizes struct {
	windows *windows
	desc    *prometheus.Desc
}

// Describe is prometheus.Collector's.
func (w *windowSizes) Describe(ch chan<- *prometheus.Desc) { ch <- w.desc }

// Collect is prometheus.Collector's.
func (w *windowSizes) Collect(ch chan<- prometheus.Metric) {
	for route, size := range w.windows.sizes() {
		ch <- prometheus.MustNewConstMetric(w.desc, prometheus.GaugeValue, float64(size), route)
	}
}

// pauses tells which routes pause, and why, when it is scraped.
type pauses struct {
	windows *windows
	desc    *prometheus.Desc
}

// Describe is prometheus.Collector's.
func (p *pauses) Describe(ch chan<- *prometheus.Desc) { ch <- p.desc }

// Collect is prometheus.Collector's.
func (p *pauses) Collect(ch chan<- prometheus.Metric) {
	for route, why := range p.windows.paused() {
		ch <- prometheus.MustNewConstMetric(p.desc, prometheus.GaugeValue, 1, route, string(why))
	}
}

func (m *metrics) committed(c delivery.Committed, rows int, took time.Duration) {
	m.commitSeconds.Observe(took.Seconds())
	m.commitBatch.Observe(float64(rows))
	m.decided(c)
}

// decided counts events by what was decided about them.
func (m *metrics) decided(c delivery.Committed) {
	for i, e := range c.Events {
		m.events.WithLabelValues(e.Rule, string(c.Decisions[i])).Inc()
	}
}

func (m *metrics) attempted(a *delivery.Attempt) {
	outcome := string(a.State)
	if a.State == delivery.Queued {
		outcome = "retry"
	}
	m.attempts.WithLabelValues("event", outcome).Inc()
	if a.State == delivery.Delivered {
		m.seconds.WithLabelValues(string(a.Delivery.Severity)).Observe(a.Started.Add(a.Duration).Sub(a.Delivery.ReceivedAt).Seconds())
	}
}

// waiting asks the history when it is scraped, and not more often than that it
// costs Postgres a hundredth of its time: with a million deliveries that wait
// to be counted, that is every few seconds.
type waiting struct {
	ledger                   Ledger
	deliveries, backlog, age *prometheus.Desc

	mu    sync.Mutex
	found delivery.Waiting
	fresh time.Time // until when found is
}

func newWaiting(ledger Ledger) *waiting {
	return &waiting{
		ledger: ledger,
		deliveries: prometheus.NewDesc("pdaltagent_deliveries",
			"Deliveries that need something still: held, queued, or dead.", []string{"state"}, nil),
		backlog: prometheus.NewDesc("pdaltagent_backlog",
			"Deliveries that wait for their alert, their route or their attempt, and for no gate.", []string{"severity"}, nil),
		age: prometheus.NewDesc("pdaltagent_backlog_age_seconds",
			"Since when the oldest of the backlog is received; 0: there is none.", []string{"severity"}, nil),
	}
}

// Describe is prometheus.Collector's.
func (w *waiting) Describe(ch chan<- *prometheus.Desc) {
	ch <- w.deliveries
	ch <- w.backlog
	ch <- w.age
}

// Collect is prometheus.Collector's. Without an answer from the database in
// two seconds there are no figures.
func (w *waiting) Collect(ch chan<- prometheus.Metric) {
	found := w.ask()
	for state, n := range found.States {
		ch <- prometheus.MustNewConstMetric(w.deliveries, prometheus.GaugeValue, float64(n), string(state))
	}
	for severity, b := range found.Backlog {
		age := time.Duration(0)
		if b.Deliveries > 0 {
			age = max(0, time.Since(b.Oldest)) // other nodes' clocks may be ahead
		}
		ch <- prometheus.MustNewConstMetric(w.backlog, prometheus.GaugeValue, float64(b.Deliveries), string(severity))
		ch <- prometheus.MustNewConstMetric(w.age, prometheus.GaugeValue, age.Seconds(), string(severity))
	}
}

func (w *waiting) ask() delivery.Waiting {
	w.mu.Lock()
	defer w.mu.Unlock()
	began := time.Now()
	if began.Before(w.fresh) {
		return w.found
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	found, err := w.ledger.Waiting(ctx)
	if err != nil {
		return delivery.Waiting{}
	}
	now := time.Now()
	w.found, w.fresh = found, now.Add(100*now.Sub(began))
	return found
}
