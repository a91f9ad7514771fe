package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/riverqueue/river"

	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/delivery/history"
	"github.com/pdaltagent/pdaltagent/delivery/logentry"
	"github.com/pdaltagent/pdaltagent/delivery/queue"
	"github.com/pdaltagent/pdaltagent/delivery/webhook"
	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/mapping"
)

// pollTimeout is how long one look at PagerDuty's log entries may take: that
// of a day that was missed has hundreds of pages.
const pollTimeout = 10 * time.Minute

// senders send each delivery to where its route leads.
type senders struct{ events, webhooks delivery.Sender }

// Send makes one attempt. See delivery.Sender.
func (s senders) Send(ctx context.Context, d *delivery.Delivery) (delivery.Answer, error) {
	if delivery.IsWebhook(d.Route) {
		return s.webhooks.Send(ctx, d)
	}
	return s.events.Send(ctx, d)
}

// poller turns PagerDuty's log entries into webhooks.
type poller struct {
	client       *logentry.Client
	plan         logentry.Plan
	every, keep  time.Duration
	destinations []webhook.Destination
	ledger       *history.History
	change       func(mapping.Webhook) (payload []byte, to string) // by the rules; nil: it is dropped
	tell         func(context.Context, delivery.Poll) error
	logger       *slog.Logger

	took    prometheus.Histogram
	lag     prometheus.Gauge
	entries *prometheus.CounterVec // by outcome

	mu        sync.Mutex
	fault     string            // what was wrong the last time, which is said once
	malformed map[[32]byte]bool // SHA-256 of what the last poll found that is no entry
}

// apiURL returns the address of PagerDuty's REST API: that of the region that
// events go to, unless the file says otherwise.
func (c *pagerdutyConfig) apiURL(sandbox string) string {
	switch {
	case c.APIURL != "":
		return c.APIURL
	case sandbox != "":
		return sandbox
	case strings.Contains(c.EventsURL, "//events.eu.pagerduty.com"):
		return "https://api.eu.pagerduty.com"
	}
	return "https://api.pagerduty.com"
}

// authorities returns those that are trusted besides the system's; nil where
// none are.
func (d *deliveryConfig) authorities(logger *slog.Logger) (*ingest.Authorities, error) {
	if d.CAFile == "" {
		return nil, nil //nolint:nilnil // as it says
	}
	authorities, err := ingest.LoadMoreAuthorities(d.CAFile, logger)
	if err != nil {
		return nil, fmt.Errorf("delivery.ca_file: %w", err)
	}
	return authorities, nil
}

// newPoller returns nil where no webhooks are asked for. sandbox is the URL of
// the built-in stand-in; empty: events go to PagerDuty.
func (a *appliance) newPoller(ledger *history.History, sandbox string) (*poller, error) {
	c, destinations := a.config, a.config.Webhooks.Destinations()
	token := c.PagerDuty.APIToken
	if token == "" && sandbox != "" {
		token = "sandbox" // which takes any
	}
	if len(destinations) == 0 || token == "" {
		if len(destinations) > 0 {
			a.logger.Warn("no webhooks are sent, since PagerDuty's log entries cannot be read without pagerduty.api_token: set pagerduty.api_token_file to a file with a read-only API key")
		}
		return nil, nil
	}
	authorities, err := c.Delivery.authorities(a.logger)
	if err != nil {
		return nil, err
	}
	client, err := logentry.New(logentry.Config{
		Authorities: authorities,
		APIURL:      c.PagerDuty.apiURL(sandbox), Token: token, AllEntries: c.Webhooks.AllLogEntries, Proxy: c.Delivery.Proxy, Version: version,
	})
	if err != nil {
		return nil, err
	}
	p := &poller{
		client: client, plan: logentry.Default(c.Webhooks.Start()), every: c.Webhooks.Interval(), keep: c.Webhooks.Memory(),
		destinations: destinations, ledger: ledger, logger: a.logger,
		change: func(w mapping.Webhook) ([]byte, string) { return a.mapper.Webhook(w) },
		tell:   func(ctx context.Context, poll delivery.Poll) error { return a.queue.Tell(ctx, poll) },
	}
	p.measure(a.registry)
	return p, nil
}

func (p *poller) measure(r prometheus.Registerer) {
	p.took = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "pdaltagent_poll_seconds", Help: "Looks at PagerDuty's log entries that succeeded.", Buckets: prometheus.ExponentialBuckets(0.05, 2, 12),
	})
	p.lag = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "pdaltagent_poll_lag_seconds", Help: "How far PagerDuty's log entries had been read when this node last looked, behind PagerDuty's time.",
	})
	p.entries = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "pdaltagent_log_entries_total", Help: "PagerDuty's log entries, by what became of each for each destination: sent, dropped or redirected by a rule, malformed, or why it makes no webhook.",
	}, []string{"outcome"})
	r.MustRegister(p.took, p.lag, p.entries)
}

// periodic are the poller's jobs, which one node of a cluster does at a time.
func (p *poller) periodic() []queue.Periodic {
	if p == nil {
		return nil
	}
	return []queue.Periodic{
		{Name: "poll-log-entries", Schedule: river.PeriodicInterval(p.every), Timeout: pollTimeout, AtStart: true, Run: p.run},
		{Name: "forget-log-entries", Schedule: river.PeriodicInterval(time.Hour), Timeout: time.Minute, Run: func(ctx context.Context) error {
			return p.ledger.ForgetEntries(ctx, time.Now().Add(-p.keep))
		}},
	}
}

// run looks until it has caught up. What goes wrong is said once, and tried
// again with the next poll.
func (p *poller) run(ctx context.Context) error {
	for behind := true; behind && ctx.Err() == nil; {
		var err error
		if behind, err = p.poll(ctx); err != nil {
			if ctx.Err() == nil {
				p.complain(err)
			}
			return nil
		}
	}
	return nil
}

func (p *poller) relieve() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fault != "" {
		p.fault = ""
		p.logger.Info("PagerDuty's log entries are read again; nothing of them was lost")
	}
}

func (p *poller) complain(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err.Error() == p.fault {
		return
	}
	p.fault = err.Error()
	if refused := (*logentry.TokenRefused)(nil); errors.As(err, &refused) {
		p.logger.Error("no webhooks are made: the API token is refused; it is tried again", "error", err, "every", p.every)
		return
	}
	p.logger.Error("PagerDuty's log entries cannot be read, or not be recorded; it is tried again, and nothing is lost", "error", err, "every", p.every)
}

// poll reads and records one window of time. behind reports that another
// follows at once.
func (p *poller) poll(ctx context.Context) (behind bool, err error) {
	began := time.Now()
	now, err := p.client.Now(ctx)
	if err != nil {
		return false, err
	}
	cursor, err := p.cursor(ctx, now)
	if err != nil {
		return false, err
	}
	window, behind := p.plan.Next(cursor, now)
	malformed := map[[32]byte]bool{}
	err = p.client.Fetch(ctx, window, func(b logentry.Batch) error {
		p.leaveOut(b.Malformed, malformed)
		if b.Cursor.After(cursor) { // else it is of the overlap
			cursor = b.Cursor
		}
		return p.record(ctx, b.Entries, cursor)
	})
	p.mu.Lock()
	if err != nil {
		maps.Copy(malformed, p.malformed) // not all was looked at
	}
	p.malformed = malformed
	p.mu.Unlock()
	if err != nil {
		return false, err
	}
	p.took.Observe(time.Since(began).Seconds())
	p.lag.Set(max(0, now.Sub(cursor).Seconds()))
	if !window.Empty() { // PagerDuty was asked
		p.relieve()
	}
	return behind, nil
}

// astray is how far the cursor may be ahead of PagerDuty's time. A clock that was
// wrong by less has passed over nothing: windows overlap by more.
const astray = time.Minute

// cursor returns up to when log entries were read. One that is ahead of PagerDuty's
// time comes of a clock that was wrong: what was created meanwhile has been passed
// over, so that it goes on behind the newest entry that was read.
func (p *poller) cursor(ctx context.Context, now time.Time) (time.Time, error) {
	at, err := p.ledger.Cursor(ctx)
	if err != nil || !at.After(now.Add(astray)) {
		return at, err
	}
	newest, err := p.ledger.NewestEntry(ctx)
	if err != nil || newest.IsZero() || newest.After(now) {
		newest = now
	}
	p.logger.Warn("PagerDuty's time, of the Date header of its answers, has gone back: log entries are read again from the newest one that is known",
		"read_until", at, "now", now, "from", newest)
	return newest, err
}

// record makes webhooks of those entries that are not on record, and commits
// both with the cursor.
func (p *poller) record(ctx context.Context, entries []delivery.LogEntry, cursor time.Time) error {
	unseen, err := p.ledger.Unseen(ctx, entries)
	if err != nil {
		return err
	}
	poll := delivery.Poll{At: time.Now(), Entries: unseen, Cursor: cursor}
	outcomes := map[string]int{}
	for i := range unseen {
		p.compose(&unseen[i], &poll, outcomes)
	}
	if err := p.tell(ctx, poll); err != nil {
		return err
	}
	for outcome, n := range outcomes {
		p.entries.WithLabelValues(outcome).Add(float64(n))
	}
	return nil
}

// leaveOut counts and names what is no log entry, once: as windows overlap the
// same comes again, for as long as each poll finds it. It adds it to found, which
// is of this poll.
func (p *poller) leaveOut(malformed []logentry.Malformed, found map[[32]byte]bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range malformed {
		sum := sha256.Sum256(m.Raw)
		if !p.malformed[sum] && !found[sum] {
			p.entries.WithLabelValues("malformed").Inc()
			p.logger.Warn("something that PagerDuty lists is no log entry, and is left out", "error", m.Err)
		}
		found[sum] = true
	}
}

// compose adds the webhooks about an entry to poll, one for each destination
// that is told.
func (p *poller) compose(e *delivery.LogEntry, poll *delivery.Poll, outcomes map[string]int) {
	told := map[string]bool{}
	for _, d := range p.destinations {
		if !d.Redirected {
			p.composeFor(d, e, poll, outcomes, told)
		}
	}
}

// composeFor adds the webhook to d, or to whom the rules send it instead: there
// it is made anew, in that one's form, and goes no further.
func (p *poller) composeFor(d webhook.Destination, e *delivery.LogEntry, poll *delivery.Poll, outcomes map[string]int, told map[string]bool) {
	payload, body, to, ok := p.changed(d, e, outcomes)
	if !ok {
		return
	}
	if other := p.named(to); other != nil && to != d.Name {
		outcomes["redirected"]++
		d = other.Unfiltered()
		if payload, body, _, ok = p.changed(d, e, outcomes); !ok {
			return
		}
	}
	if told[d.Name] {
		return
	}
	told[d.Name] = true
	outcomes["sent"]++
	poll.Webhooks = append(poll.Webhooks, delivery.Webhook{
		ID: payload.ID, Entry: e.ID, Incident: e.IncidentID, Route: d.Route(), Type: payload.Type, Body: body,
	})
}

// named returns the destination of that name, or nil.
func (p *poller) named(name string) *webhook.Destination {
	for i := range p.destinations {
		if p.destinations[i].Name == name {
			return &p.destinations[i]
		}
	}
	return nil
}

// changed makes the payload that d is sent about an entry as the rules will have
// it; ok is false where there is none.
func (p *poller) changed(d webhook.Destination, e *delivery.LogEntry, outcomes map[string]int) (payload webhook.Payload, body []byte, to string, ok bool) {
	payload, err := d.Compose(e)
	if skipped := (*webhook.Skipped)(nil); errors.As(err, &skipped) {
		outcomes[string(skipped.Reason)]++
		if skipped.Unexpected() {
			p.logger.Warn("a log entry makes no webhook", "destination", d.Name, "error", err)
		}
		return payload, nil, "", false
	}
	w, err := payload.Webhook()
	if err != nil {
		p.logger.Warn("rules cannot look at a webhook, which is sent as it is", "destination", d.Name, "error", err)
		return payload, payload.Body, "", true
	}
	if !bytes.Equal(w.Payload, payload.Body) {
		p.logger.Warn("a webhook is sent without what is nested too deeply in it, where rules and masks do not look", "destination", d.Name, "entry", e.ID)
	}
	if body, to = p.change(w); body == nil {
		outcomes["dropped"]++
		return payload, nil, "", false
	}
	return payload, body, to, true
}
