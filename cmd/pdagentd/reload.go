package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pdaltagent/pdaltagent/mapping"
)

// reloader reads rules and SMI modules anew while the appliance runs: on
// SIGHUP, and when their files have changed. All of it is read and compiled
// before anything is replaced; after any fault the old rules stay.
//
// Certificates look after themselves, see ingest.Certificate.
type reloader struct {
	config *config
	logger *slog.Logger
	poll   time.Duration
	files  contents

	supervisor supervisor // is told when SIGHUP begins a reload, and when that is over

	tables  []string          // files that the rules name
	tried   [sha256.Size]byte // what was last read, with or without faults
	results *prometheus.CounterVec

	mu    sync.Mutex
	stale string // why the rules in use are not those of the files; empty: they are
}

// newReloader is to be called before the rules are first read, so that no
// change after that is missed.
func newReloader(c *config, r prometheus.Registerer, logger *slog.Logger) *reloader {
	l := &reloader{
		config: c, logger: logger, poll: lookEvery,
		results: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pdaltagent_reloads_total",
			Help: "How often rules and modules were read anew, by the result: ok, or fault, after which the old ones stay.",
		}, []string{"result"}),
	}
	l.files.paths = l.paths
	l.tried = l.files.sum()
	r.MustRegister(l.results, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "pdaltagent_rules_stale",
		Help: "1 while the rules in use are not those of the files, because those have faults.",
	}, func() float64 {
		if l.Stale() != "" {
			return 1
		}
		return 0
	}))
	for _, result := range []string{"ok", "fault"} {
		l.results.WithLabelValues(result)
	}
	return l
}

// paths are the files and folders that rules and modules come from.
func (l *reloader) paths() []string { return slices.Concat(l.config.Rules, l.config.MIBs, l.tables) }

// Run gives new rules to swap until ctx ends.
func (l *reloader) Run(ctx context.Context, swap func(context.Context, *mapping.Rules)) error {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	w := watch{paths: l.paths, poll: l.poll, logger: l.logger}
	w.Run(ctx, hangups, func() {
		if sum := l.files.sum(); sum != l.tried {
			l.tried = sum
			l.reload(ctx, "the files have changed", swap)
		}
	}, func() {
		l.supervisor.tell("RELOADING=1")
		l.tried = l.files.sum()
		l.reload(ctx, "SIGHUP", swap)
		l.supervisor.tell("READY=1")
	})
	return nil
}

// reload reads rules and modules, and gives the rules to swap if there is no
// fault.
func (l *reloader) reload(ctx context.Context, why string, swap func(context.Context, *mapping.Rules)) {
	start := time.Now()
	r := readRules(ctx, l.config)
	if ctx.Err() != nil {
		return
	}
	if len(r.faults) == 0 && r.files == 0 && len(l.config.Rules) > 0 {
		r.faults = mapping.Faults{l.config.document.fault("rules: no file *.yaml is left in any of these folders (is a file system not mounted?); to run without rules, restart")}
	}
	if len(r.faults) == 0 {
		failed, err := l.config.rehearse(ctx, r.rules, r.modules)
		if err != nil {
			failed = append(failed, mapping.Fault{Message: "the tests of the rules could not be run: " + err.Error()})
		}
		if ctx.Err() != nil {
			return
		}
		r.faults = failed
	}
	if len(r.faults) > 0 {
		l.refuse(why, l.config.document.sort(r.faults))
		return
	}
	r.logWarnings(l.logger)
	l.follow(r.rules)
	l.set("")
	l.results.WithLabelValues("ok").Inc()
	swap(ctx, r.rules)
	l.logger.Info("rules read anew", "why", why, "rules", r.rules.Len(), "modules", len(r.modules.Names()), "took_ms", time.Since(start).Milliseconds())
}

// follow has those files looked at, too, that rules name outside of their own
// folders.
func (l *reloader) follow(rules *mapping.Rules) {
	var tables []string
	for _, file := range rules.Files() {
		if !within(l.config.Rules, file) {
			tables = append(tables, file)
		}
	}
	if !slices.Equal(tables, l.tables) {
		l.tables = tables
		l.tried = l.files.sum()
	}
}

// shownFaults bounds how many faults of one reload are logged.
const shownFaults = 10

func (l *reloader) refuse(why string, faults mapping.Faults) {
	for _, f := range faults[:min(len(faults), shownFaults)] {
		l.logger.Error("a fault in rules or modules: "+f.Message, "at", f.Place.String())
	}
	l.logger.Error("rules were not read anew: those from before stay in use until the faults are mended; 'pdagentd check' shows them all",
		"why", why, "faults", len(faults))
	l.results.WithLabelValues("fault").Inc()
	l.set(fmt.Sprintf("the files have had %s since %s, so that the rules from before are in use; first at %s; 'pdagentd check' shows them all",
		count(len(faults), "fault"), time.Now().Format(time.RFC3339), faults[0].Place))
}

func (l *reloader) set(stale string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stale = stale
}

// Stale says why the rules in use are not those of the files; empty: they are.
func (l *reloader) Stale() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stale
}
