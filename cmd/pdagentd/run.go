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
	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/ingest/httpevent"
	"github.com/pdaltagent/pdaltagent/ingest/snmptrap"
	"github.com/pdaltagent/pdaltagent/ingest/syslog"
	"github.com/pdaltagent/pdaltagent/mapping"
	"github.com/pdaltagent/pdaltagent/migrations"
)

func runCommand(ctx context.Context, file string, debug bool, stdout, stderr io.Writer) error {
	c, used, err := loadConfig(file, os.LookupEnv)
	if err != nil {
		return err
	}
	logger := newLogger(stderr, debug || c.debug)
	a, err := build(ctx, c, logger)
	if err != nil {
		return err
	}
	a.hello(stdout, used)
	return a.run(ctx)
}

// appliance is everything that runs, in the order in which it was built: from
// sink to source.
type appliance struct {
	config   *config
	logger   *slog.Logger
	registry *prometheus.Registry
	events   *prometheus.CounterVec // by rule and decision

	database *database
	stand    *sandbox.Sandbox // nil: events go to PagerDuty
	sandbox  *server          // where stand listens
	sender   *pagerduty.Sender
	queue    *queue.Queue
	snmp     *snmptrap.Receiver
	syslog   *syslog.Receiver
	http     *httpevent.Receiver
	admin    *server
}

// build makes the appliance ready to run: the database is migrated, and every
// address is bound. After an error nothing is left running.
func build(ctx context.Context, c *config, logger *slog.Logger) (a *appliance, err error) {
	a = &appliance{config: c, logger: logger, registry: newRegistry()}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
		}
	}()
	a.events = mapping.NewEventCounter(a.registry)
	rules, err := loadRules(ctx, c, logger)
	if err != nil {
		return a, err
	}
	if a.database, err = openDatabase(ctx, c, logger); err != nil {
		return a, err
	}
	if err := a.buildDelivery(ctx); err != nil {
		return a, err
	}
	tally := ingest.NewTally(a.registry)
	handler := mapping.NewMapper(rules, a.queue, tally, a.events, a.registry, logger)
	return a, a.buildReceivers(ctx, handler, tally)
}

func newRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// buildDelivery makes what comes after the rules.
func (a *appliance) buildDelivery(ctx context.Context) error {
	c := a.config
	known, standard, err := c.routes()
	if err != nil {
		return err
	}
	routes, err := delivery.NewRoutes(known, standard)
	if err != nil {
		return err
	}
	eventsURL := c.PagerDuty.EventsURL
	if eventsURL == sandboxURL {
		a.stand = sandbox.New(sandbox.Config{})
		if a.sandbox, err = listen(ctx, "sandbox.listen", c.Sandbox.Listen, nil, a.stand); err != nil {
			return err
		}
		eventsURL = "http://" + a.sandbox.Addr().String()
	}
	a.sender, err = pagerduty.New(pagerduty.Config{
		EventsURL: eventsURL, Timeout: c.Delivery.Timeout, Workers: c.Delivery.Workers, Proxy: c.Delivery.Proxy, Version: version,
	}, routes)
	if err != nil {
		return err
	}
	ledger := history.New(a.database.pool, routes, history.Config{
		Keep: c.History.Keep, Jobs: queue.Jobs(migrations.RiverSchema), Announce: queue.Announce(migrations.RiverSchema),
	}, a.logger)
	if err := ledger.LoadKeys(ctx); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	a.queue, err = queue.New(ctx, queue.Config{
		Node: c.Node, Schema: migrations.RiverSchema, Workers: c.Delivery.Workers, GiveUpAfter: c.Delivery.GiveUpAfter,
		Backoff: queue.Backoff{Initial: c.Delivery.Backoff.Initial, Max: c.Delivery.Backoff.Max},
		Drain:   20 * time.Second,
	}, a.database.pool, ledger, a.sender, a.events, a.registry, a.logger)
	return err
}

// buildReceivers binds every address.
func (a *appliance) buildReceivers(ctx context.Context, handler ingest.Handler, tally *ingest.Tally) (err error) {
	c := a.config
	certificate, err := c.certificate()
	if err != nil {
		return err
	}
	if a.admin, err = newAdmin(ctx, c.Admin, certificate, a); err != nil {
		return err
	}
	if a.snmp, err = snmptrap.New(ctx, c.Ingest.SNMP, handler, tally, a.logger); err != nil {
		return fmt.Errorf("ingest.snmp: %w", err)
	}
	if a.syslog, err = syslog.New(ctx, c.Ingest.Syslog, handler, tally, a.logger); err != nil {
		return fmt.Errorf("ingest.syslog: %w", err)
	}
	conf := c.Ingest.HTTP
	if conf.Token, err = resolve("ingest.http.token", conf.Token, conf.TokenFile, conf.TokenEnv); err != nil {
		return err
	}
	if a.http, err = httpevent.New(ctx, conf, certificate, handler, tally, a.ready, a.logger); err != nil {
		return fmt.Errorf("ingest.http: %w", err)
	}
	a.registry.MustRegister(drops{a.snmp.Sockets(), a.syslog.Sockets()}, prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "pdaltagent_syslog_truncated_total",
		Help: "Syslog lines cut at ingest.syslog.max_message_bytes.",
	}, func() float64 { return float64(a.syslog.Truncated()) }))
	return nil
}

// certificate returns what https listeners show: the configured certificate,
// else one that is made once and kept under data_dir.
func (c *config) certificate() (func(*tls.ClientHelloInfo) (*tls.Certificate, error), error) {
	if !c.Ingest.HTTP.HTTPS() && !isHTTPS(c.Admin.Listen) {
		return nil, nil //nolint:nilnil // nobody asks for one
	}
	var (
		certificate tls.Certificate
		err         error
	)
	if files := c.Ingest.HTTP.TLS; files.CertFile != "" {
		certificate, err = tls.LoadX509KeyPair(files.CertFile, files.KeyFile)
	} else {
		certificate, err = httpevent.SelfSigned(filepath.Join(c.DataDir, "tls"))
	}
	if err != nil {
		return nil, fmt.Errorf("ingest.http.tls: %w", err)
	}
	return func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &certificate, nil }, nil
}

// ready says whether events can be committed.
func (a *appliance) ready() error {
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
	if a.sandbox != nil {
		sinks.Go(func() error { return a.sandbox.Run(failed) })
	}
	sources, receiving := errgroup.WithContext(ctx)
	sources.Go(func() error { return a.snmp.Run(receiving) })
	sources.Go(func() error { return a.syslog.Run(receiving) })
	sources.Go(func() error { return a.http.Run(receiving) })
	err := sources.Wait()
	a.logger.Info("stopping: nothing more is received; what was is committed, and requests in flight end")
	end()
	err = errors.Join(err, sinks.Wait())
	a.sender.Close()
	a.queue.Close()
	return errors.Join(err, a.database.close())
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
	if a.queue != nil {
		a.queue.Close()
	}
	if a.database != nil {
		errs = append(errs, a.database.close())
	}
	return errors.Join(errs...)
}
