package queue

import (
	"context"
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

func newMetrics(events *prometheus.CounterVec, r prometheus.Registerer, ledger Ledger) *metrics {
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
	r.MustRegister(m.commitSeconds, m.commitBatch, m.attempts, m.seconds, &waiting{ledger: ledger, desc: prometheus.NewDesc(
		"pdaltagent_deliveries", "Deliveries that need something still: held, queued, or dead.", []string{"state"}, nil)})
	return m
}

func (m *metrics) committed(c delivery.Committed, rows int, took time.Duration) {
	m.commitSeconds.Observe(took.Seconds())
	m.commitBatch.Observe(float64(rows))
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

// waiting asks the history when it is scraped.
type waiting struct {
	ledger Ledger
	desc   *prometheus.Desc
}

// Describe is prometheus.Collector's.
func (w *waiting) Describe(ch chan<- *prometheus.Desc) { ch <- w.desc }

// Collect is prometheus.Collector's. Without an answer from the database in
// two seconds there is no figure.
func (w *waiting) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	counts, err := w.ledger.Waiting(ctx)
	if err != nil {
		return
	}
	for state, n := range counts {
		ch <- prometheus.MustNewConstMetric(w.desc, prometheus.GaugeValue, float64(n), string(state))
	}
}
