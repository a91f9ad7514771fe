package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/delivery/history"
	"github.com/pdaltagent/pdaltagent/delivery/pagerduty"
	"github.com/pdaltagent/pdaltagent/delivery/queue"
	"github.com/pdaltagent/pdaltagent/delivery/sandbox"
	"github.com/pdaltagent/pdaltagent/delivery/selfwatch"
	"github.com/pdaltagent/pdaltagent/delivery/spool"
	"github.com/pdaltagent/pdaltagent/delivery/webhook"
	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/ingest/fetch"
	"github.com/pdaltagent/pdaltagent/ingest/httpevent"
	"github.com/pdaltagent/pdaltagent/ingest/snmptrap"
	"github.com/pdaltagent/pdaltagent/ingest/syslog"
	"github.com/pdaltagent/pdaltagent/mapping"
	"github.com/pdaltagent/pdaltagent/migrations"
)

func runCommand(ctx context.Context, file string, debug bool, stdout, stderr io.Writer) error {
	c, used, err := openConfig(file, os.LookupEnv)
	if err != nil {
		return err
	}
	logger := newLogger(stderr, debug || c.debug)
	for _, w := range variablesOf(os.Environ()).warnings(c.document) {
		logger.Warn("a variable of the environment "+w.Message, "variable", w.Place.File)
	}
	a, err := build(ctx, c, logger)
	if err != nil {
		return err
	}
	a.supervisor = newSupervisor(os.Getenv, logger)
	a.reloader.supervisor = a.supervisor
	a.hello(stdout, used)
	return a.run(ctx)
}

// appliance is everything that runs, in the order in which it was built: from
// sink to source.
type appliance struct {
	config   *config
	logger   *slog.Logger
	registry *prometheus.Registry
	own      *prometheus.Registry   // the part of it that selfwatch looks at
	events   *prometheus.CounterVec // by rule and decision

	supervisor supervisor
	refused    chan error // why the database can never be used

	database *database
	stand    *sandbox.Sandbox // nil: events go to PagerDuty
	sandbox  *server          // where stand listens
	sender   *pagerduty.Sender
	webhooks *webhook.Sender
	spool    *spool.Spool
	queue    *queue.Queue
	self     *selfwatch.Watch
	tally    *ingest.Tally
	fetch    *fetch.Fetcher
	mapper   *mapping.Mapper
	reloader *reloader
	tables   *queryTables
	drops    drops
	snmp     *snmptrap.Receiver
	syslog   *syslog.Receiver
	http     *httpevent.Receiver
	admin    *server
}

// build makes the appliance ready to run: the database is migrated, and every
// address is bound. After an error nothing is left running.
func build(ctx context.Context, c *config, logger *slog.Logger) (a *appliance, err error) {
	a = &appliance{config: c, logger: logger, registry: newRegistry(), own: prometheus.NewRegistry(), refused: make(chan error, 1)}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
		}
	}()
	a.events = mapping.NewEventCounter(a.registry)
	a.reloader = newReloader(c, a.registry, logger)
	rules, err := loadRules(ctx, c, logger)
	if err != nil {
		return a, err
	}
	a.reloader.follow(rules)
	if a.database, err = openDatabase(ctx, c, logger); err != nil {
		return a, err
	}
	a.tally = ingest.NewTally(a.watched())
	if a.fetch, err = fetch.New(c.Ingest.Fetch, ingest.HandlerFunc(a.handle), a.tally, logger); err != nil {
		return a, fmt.Errorf("ingest.%w", err)
	}
	if err := a.buildDelivery(ctx); err != nil {
		return a, err
	}
	a.tables = newQueryTables(a.database.pool, a.registry, logger)
	a.tables.Use(ctx, nil, rules)
	a.mapper = mapping.NewMapper(rules, a.queue, a.tally, a.events, a.watched(), logger)
	return a, a.buildReceivers(ctx)
}

// handle hands what was fetched to the mapper, which is made after the queue
// that runs the commands.
func (a *appliance) handle(ctx context.Context, ms []ingest.Message, done func(ingest.Receipt)) {
	a.mapper.Handle(ctx, ms, done)
}

// swap makes rules the ones in use once their tables have rows.
func (a *appliance) swap(ctx context.Context, rules *mapping.Rules) {
	a.tables.Use(ctx, a.mapper.Rules(), rules)
	a.mapper.Swap(rules)
	warnOfOrphans(ctx, a.database.pool, rules, a.logger)
}

// fetches are the commands of ingest.fetch as the queue runs them.
func (a *appliance) fetches() []queue.Periodic {
	var jobs []queue.Periodic
	for _, e := range a.fetch.Entries() {
		jobs = append(jobs, queue.Periodic{
			Name: "fetch-" + e.Name, Schedule: e.Schedule, Timeout: e.Timeout + time.Minute,
			Run: func(ctx context.Context) error { return a.fetch.Run(ctx, e.Name) },
		})
	}
	return jobs
}

func newRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// buildDelivery makes what comes after the rules.
func (a *appliance) buildDelivery(ctx context.Context) error {
	c := a.config
	known, standard := c.routes()
	routes, err := delivery.NewRoutes(known, standard)
	if err != nil {
		return err
	}
	sender, standIn, err := a.buildSenders(ctx, routes)
	if err != nil {
		return err
	}
	ledger := history.New(a.database.pool, routes, history.Config{
		Keep: c.History.Keep, Jobs: queue.Jobs(migrations.RiverSchema, c.Node), Announce: queue.Announce(migrations.RiverSchema, c.Node),
		Collapse: c.Delivery.Collapse, Recall: queue.Recall(migrations.RiverSchema), End: queue.End(migrations.RiverSchema),
	}, a.logger)
	if a.spool, err = spool.Open(spool.Config{Dir: filepath.Join(c.DataDir, "spool"), MaxBytes: c.Spool.MaxBytes}, a.logger); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	poller, err := a.newPoller(ledger, standIn)
	if err != nil {
		return err
	}
	a.queue, err = queue.New(ctx, queue.Config{
		Node: c.Node, Schema: migrations.RiverSchema, Workers: c.Delivery.Workers, GiveUpAfter: c.Delivery.GiveUpAfter,
		Backoff: queue.Backoff{Initial: c.Delivery.Backoff.Initial, Max: c.Delivery.Backoff.Max},
		Drain:   20 * time.Second, Version: version, Spool: a.spool, Periodic: append(a.fetches(), poller.periodic()...),
		Prepare: func(ctx context.Context) error {
			if err := a.prepareDatabase(ctx); err != nil {
				return err
			}
			return ledger.LoadKeys(ctx)
		},
	}, a.database.pool, ledger, sender, a.events, a.registry, a.logger)
	a.buildSelfwatch(ledger)
	return err
}

// buildSenders makes what deliveries are sent by, and starts the built-in
// stand-in for PagerDuty where that is used: at the URL that it returns.
func (a *appliance) buildSenders(ctx context.Context, routes *delivery.Routes) (to delivery.Sender, standIn string, err error) {
	c := a.config
	eventsURL := c.PagerDuty.EventsURL
	if eventsURL == sandboxURL {
		a.stand = sandbox.New(sandbox.Config{})
		if a.sandbox, err = listen(ctx, "sandbox.listen", c.Sandbox.Listen, nil, a.stand); err != nil {
			return nil, "", err
		}
		standIn = "http://" + a.sandbox.Addr().String()
		eventsURL = standIn
	}
	a.sender, err = pagerduty.New(pagerduty.Config{
		EventsURL: eventsURL, Timeout: c.Delivery.Timeout, Idle: queue.Places(c.Delivery.Workers), Proxy: c.Delivery.Proxy, CAFile: c.Delivery.CAFile, Version: version,
	}, routes, a.logger)
	if err != nil {
		return nil, "", err
	}
	a.webhooks, err = webhook.NewSender(webhook.SenderConfig{
		Timeout: c.Delivery.Timeout, Idle: queue.Places(c.Delivery.Workers), Proxy: c.Delivery.Proxy, CAFile: c.Delivery.CAFile, Version: version,
	}, c.Webhooks.Destinations(), a.logger)
	return senders{a.sender, a.webhooks}, standIn, err
}

// prepareDatabase brings the database to this version's schema. One that a
// newer version has migrated ends the appliance: to go on would be to take in
// what is never delivered.
func (a *appliance) prepareDatabase(ctx context.Context) error {
	err := a.database.prepare(ctx)
	if isNewer(err) {
		select {
		case a.refused <- err:
		default: // it was said before
		}
	}
	return err
}

// usable returns nil when ctx ends, and an error when the database turns out
// to be none that can be used.
func (a *appliance) usable(ctx context.Context) error {
	select {
	case err := <-a.refused:
		return err
	case <-ctx.Done():
		return nil
	}
}

// buildReceivers binds every address.
func (a *appliance) buildReceivers(ctx context.Context) (err error) {
	c := a.config
	certificate, err := c.certificate(a.logger)
	if err != nil {
		return err
	}
	if a.admin, err = newAdmin(ctx, c.Admin, certificate, a); err != nil {
		return err
	}
	traps := c.Ingest.SNMP
	traps.StateDir = filepath.Join(c.DataDir, "snmp")
	if traps.Quarantine, err = ingest.NewQuarantine(filepath.Join(c.DataDir, "quarantine"), a.logger); err != nil {
		return err
	}
	if a.snmp, err = snmptrap.New(ctx, traps, a.mapper, a.tally, a.logger); err != nil {
		return fmt.Errorf("ingest.snmp: %w", err)
	}
	lines := c.Ingest.Syslog
	lines.Certificate = certificate
	if a.syslog, err = syslog.New(ctx, lines, a.mapper, a.tally, a.logger); err != nil {
		return fmt.Errorf("ingest.syslog: %w", err)
	}
	durable := func() error { _, err := a.ready(); return err }
	if a.http, err = httpevent.New(ctx, c.Ingest.HTTP, certificate, a.mapper, a.tally, durable, a.logger); err != nil {
		return fmt.Errorf("ingest.http: %w", err)
	}
	a.drops = drops{a.snmp.Sockets(), a.syslog.Sockets()}
	a.watched().MustRegister(a.drops)
	a.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "pdaltagent_syslog_truncated_total",
		Help: "Syslog lines cut at ingest.syslog.max_message_bytes.",
	}, func() float64 { return float64(a.syslog.Truncated()) }), prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "pdaltagent_syslog_connections",
		Help: "Open connections of syslog senders.",
	}, func() float64 { return float64(a.syslog.Connections()) }), readiness(a.ready), spoolLimit(a.spool), certificates{
		ingest.HTTP: certificate, ingest.Syslog: a.syslog.Certificate(),
	})
	return nil
}

// certificate returns what https and tls listeners show: the configured certificate,
// else one that is made once and kept under data_dir.
func (c *config) certificate(logger *slog.Logger) (func(*tls.ClientHelloInfo) (*tls.Certificate, error), error) {
	if !c.Ingest.HTTP.HTTPS() && !isHTTPS(c.Admin.Listen) && !c.Ingest.Syslog.NeedsCertificate() {
		return nil, nil //nolint:nilnil // nobody asks for one
	}
	if files := c.Ingest.HTTP.TLS; files.CertFile != "" {
		certificate, err := ingest.LoadCertificate(files.CertFile, files.KeyFile, logger)
		if err != nil {
			return nil, fmt.Errorf("ingest.http.tls: %w", err)
		}
		return certificate.GetCertificate, nil
	}
	certificate, err := httpevent.SelfSigned(filepath.Join(c.DataDir, "tls"))
	if err != nil {
		return nil, fmt.Errorf("ingest.http.tls: %w", err)
	}
	return func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &certificate, nil }, nil
}

// ready says whether events can be made durable, and how.
func (a *appliance) ready() (how string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	return a.queue.Ready(ctx)
}

// run runs the appliance until ctx ends or a part of it fails. Receivers start
// last and stop first; then what they received is committed, requests in
// flight end, and the database stops.
func (a *appliance) run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	behind, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	sinks, failed := errgroup.WithContext(behind)
	context.AfterFunc(failed, stop)
	sinks.Go(func() error { return a.queue.Run(failed) })
	sinks.Go(func() error { return a.admin.Run(failed) })
	sinks.Go(func() error { return a.reloader.Run(failed, a.swap) })
	sinks.Go(func() error { return a.drops.Warn(failed, a.logger) })
	sinks.Go(func() error { return a.usable(failed) })
	sinks.Go(func() error { a.supervise(failed); return nil })
	if a.sandbox != nil {
		sinks.Go(func() error { return a.sandbox.Run(failed) })
	}
	sources, receiving := errgroup.WithContext(ctx)
	sources.Go(func() error { return a.snmp.Run(receiving) })
	sources.Go(func() error { return a.syslog.Run(receiving) })
	sources.Go(func() error { return a.http.Run(receiving) })
	sources.Go(func() error { return a.self.Run(receiving) })
	err := sources.Wait()
	a.supervisor.tell("STOPPING=1")
	a.logger.Info("stopping: nothing more is received; what was is committed, and requests in flight end")
	end()
	err = errors.Join(err, sinks.Wait())
	a.supervisor.tell("WATCHDOG=1") // the last: Postgres has that long to stop
	a.sender.Close()
	a.webhooks.Close()
	a.tables.Close()
	a.queue.Close()
	err = errors.Join(err, a.spool.Close(), a.database.close())
	a.logger.Info("stopped")
	return err
}

// close gives back what build has taken, when run is never called.
func (a *appliance) close() error {
	var errs []error
	if a.snmp != nil {
		errs = append(errs, a.snmp.Close())
	}
	if a.syslog != nil {
		errs = append(errs, a.syslog.Close())
	}
	if a.http != nil {
		errs = append(errs, a.http.Close())
	}
	if a.admin != nil {
		errs = append(errs, a.admin.Close())
	}
	if a.sandbox != nil {
		errs = append(errs, a.sandbox.Close())
	}
	if a.tables != nil {
		a.tables.Close()
	}
	if a.queue != nil {
		a.queue.Close()
	}
	if a.spool != nil {
		errs = append(errs, a.spool.Close())
	}
	if a.database != nil {
		errs = append(errs, a.database.close())
	}
	return errors.Join(errs...)
}
