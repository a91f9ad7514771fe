package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pdaltagent/pdaltagent/delivery/history"
	"github.com/pdaltagent/pdaltagent/delivery/selfwatch"
	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/mapping"
)

// both registers a collector twice: for /metrics, and for what selfwatch asks,
// which must not cost what a scrape does.
type both [2]prometheus.Registerer

// Register is prometheus.Registerer's.
func (b both) Register(c prometheus.Collector) error {
	return errors.Join(b[0].Register(c), b[1].Register(c))
}

// MustRegister is prometheus.Registerer's.
func (b both) MustRegister(list ...prometheus.Collector) {
	b[0].MustRegister(list...)
	b[1].MustRegister(list...)
}

// Unregister is prometheus.Registerer's.
func (b both) Unregister(c prometheus.Collector) bool {
	first, second := b[0].Unregister(c), b[1].Unregister(c)
	return first && second
}

// watched is where metrics are registered that selfwatch looks at.
func (a *appliance) watched() prometheus.Registerer { return both{a.registry, a.own} }

// buildSelfwatch makes what looks after the appliance itself.
func (a *appliance) buildSelfwatch(ledger *history.History) {
	c := a.config
	a.self = selfwatch.New(c.Self, c.Node, selfwatch.Sources{
		Node: a.figures,
		Record: func(ctx context.Context, keys []string) (r selfwatch.Record, err error) {
			if r.Oldest, err = a.queue.Oldest(ctx, c.Self.Route); err != nil {
				return r, fmt.Errorf("oldest deliveries: %w", err)
			}
			if r.Dead, err = ledger.Died(ctx, time.Now().Add(-selfwatch.Recent), c.Self.Route); err != nil {
				return r, fmt.Errorf("dead letters: %w", err)
			}
			if r.Open, err = ledger.Open(ctx, keys); err != nil {
				return r, fmt.Errorf("open alerts: %w", err)
			}
			return r, nil
		},
	}, a.queue, a.logger)
}

// spoolRoom is what spool.max_bytes is when it is not given.
const spoolRoom = 1 << 30

// figures are what this node knows of itself.
func (a *appliance) figures() selfwatch.Node {
	n := selfwatch.Node{
		SpoolMax: cmp.Or(a.config.Spool.MaxBytes, spoolRoom), Damaged: a.spool.Damaged(), StaleRules: a.reloader.Stale(),
		Lost:       counts(a.own, "pdaltagent_messages_total", "outcome")[string(ingest.Lost)],
		Drops:      counts(a.own, "pdaltagent_kernel_drops_total", "listener"),
		RuleErrors: counts(a.own, "pdaltagent_rule_errors_total", "rule"),
	}
	events, bytes := a.spool.Len()
	n.Spooled, n.SpoolBytes = int64(events), bytes
	return n
}

// counts are the values of a counter, by one of its labels.
func counts(from prometheus.Gatherer, name, label string) map[string]int {
	found := map[string]int{}
	families, _ := from.Gather() // what there is of them
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			for _, pair := range m.GetLabel() {
				if pair.GetName() == label {
					found[pair.GetValue()] += int(m.GetCounter().GetValue())
				}
			}
		}
	}
	return found
}

// validateSelf returns what is wrong with the section self.
func (c *config) validateSelf() error {
	faults := []error{c.Self.Validate()}
	if c.Self.Route == "" {
		return errors.Join(faults...)
	}
	routes, _ := c.routes()
	known := make([]string, len(routes))
	for i, r := range routes {
		known[i] = r.Name
		if r.Name == c.Self.Route && r.Type == ingest.Change {
			faults = append(faults, fmt.Errorf("route: %s is of type change, and change events open no alert: name another route, or add one", r.Name))
		}
	}
	if !slices.Contains(known, c.Self.Route) {
		faults = append(faults, fmt.Errorf("route: no route under routes is named %q%s", c.Self.Route, mapping.DidYouMean(c.Self.Route, known)))
	}
	return errors.Join(faults...)
}
