package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pdaltagent/pdaltagent/cmd/internal/site"
	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/delivery/history"
	"github.com/pdaltagent/pdaltagent/ingest"
)

// ledger is the delivery history, and whose routes are which.
type ledger struct {
	pool       *pgxpool.Pool
	desk       *history.Desk
	configured map[string]*route
	keys       map[string]ingest.Secret // by route; those of senders are read when they are shown
	faults     []error                  // about keys that could not be read
}

func open(ctx context.Context, config string, env func(string) (string, bool)) (*ledger, error) {
	s, err := load(config, env)
	if err != nil {
		return nil, err
	}
	pool, err := site.OpenDatabase(ctx, s.Database.URL, s.DataDir)
	if err != nil {
		return nil, err
	}
	l := &ledger{pool: pool, desk: history.NewDesk(pool, ""), configured: s.Routes}
	l.keys, l.faults = s.keys(env)
	return l, nil
}

func (l *ledger) close() { l.pool.Close() }

// status prints a row for each key, or for the one that is asked for. A route
// whose key is not known has its name there.
func (l *ledger) status(ctx context.Context, key ingest.Secret, stdout, stderr io.Writer) error {
	routes, err := l.desk.Routes(ctx)
	if err != nil {
		return err
	}
	wanted := func(string) bool { return true }
	if key != "" {
		names, err := l.routesOf(key, routes)
		if err != nil {
			return err
		}
		wanted = func(route string) bool { return slices.Contains(names, route) }
	} else {
		l.warn(stderr)
	}
	if err := l.learnSenders(ctx); err != nil {
		return err
	}
	for name := range l.configured {
		routes = append(routes, history.RouteCounts{Route: name})
	}
	routes = slices.DeleteFunc(routes, func(r history.RouteCounts) bool { return !wanted(r.Route) })
	show(stdout, l.rows(routes))
	return nil
}

// row is the events of one key.
type row struct {
	label                     string
	pending, success, inError int64
}

// rows adds up the routes that have one key.
func (l *ledger) rows(routes []history.RouteCounts) []row {
	byKey := map[string]row{}
	for _, r := range routes {
		label, identity := "("+r.Route+")", "("+r.Route+")"
		if key := l.keys[r.Route]; key != "" {
			label, identity = masked(key), key.Reveal()
		}
		sum := byKey[identity]
		byKey[identity] = row{label, sum.pending + r.Waiting, sum.success + r.Delivered, sum.inError + r.Dead}
	}
	return slices.SortedFunc(maps.Values(byKey), func(a, b row) int { return strings.Compare(a.label, b.label) })
}

// show prints the table as PagerDuty Agent lays it out.
func show(stdout io.Writer, rows []row) {
	if len(rows) == 0 {
		fmt.Fprintln(stdout, "There are no events yet.")
		return
	}
	fmt.Fprintf(stdout, "%-35s%10s%10s%10s\n%s\n", "Service Key", "Pending", "Success", "In Error", strings.Repeat("=", 65))
	for _, r := range rows {
		fmt.Fprintf(stdout, "%-35s%10d%10d%10d\n", r.label, r.pending, r.success, r.inError)
	}
}

// retry has dead events sent again, of all keys where none is named.
func (l *ledger) retry(ctx context.Context, key ingest.Secret, stdout, stderr io.Writer) error {
	choice, why := history.Choice{Kind: "event"}, history.Intervention{Who: site.Operator(), Chosen: "pd-queue retry -a"}
	if key != "" {
		routes, err := l.desk.Routes(ctx)
		if err != nil {
			return err
		}
		if choice.Routes, err = l.routesOf(key, routes); err != nil {
			return err
		}
		why.Chosen = "pd-queue retry -k " + masked(key)
	}
	done, err := l.desk.Retry(ctx, choice, why)
	if err != nil {
		return err
	}
	if done.Deliveries == 1 {
		fmt.Fprintln(stdout, "1 event set up for retry.")
	} else {
		fmt.Fprintf(stdout, "%d events set up for retry.\n", done.Deliveries)
	}
	for reason, n := range done.Reasons() {
		fmt.Fprintf(stderr, "pd-queue: %d left dead: %s\n", n, reason)
	}
	return nil
}

// routesOf returns the routes that a key is known by: the configured ones that
// have it, and the one of senders who bring it.
func (l *ledger) routesOf(key ingest.Secret, known []history.RouteCounts) ([]string, error) {
	var names []string
	for name, k := range l.keys {
		if k == key {
			names = append(names, name)
		}
	}
	nobodys, err := delivery.NewRoutes(nil, "")
	if err != nil {
		return nil, err
	}
	sender, _ := nobodys.ForKey(key)
	if slices.ContainsFunc(known, func(r history.RouteCounts) bool { return r.Route == sender.Name }) {
		names = append(names, sender.Name)
	}
	if len(names) == 0 {
		unknown := fmt.Errorf("no route has the key %s, and no event came with it: look for a slip in it", masked(key))
		return nil, errors.Join(append([]error{unknown}, l.faults...)...)
	}
	return names, nil
}

// learnSenders reads the keys that senders brought themselves. Who may not read
// them sees the names of their routes.
func (l *ledger) learnSenders(ctx context.Context) error {
	keys, err := l.desk.SenderKeys(ctx)
	if fault, ok := errors.AsType[*pgconn.PgError](err); ok && fault.Code == "42501" { // insufficient_privilege
		return nil
	}
	for route, key := range keys {
		l.keys[route] = ingest.Secret(key)
	}
	return err
}

// warn says which keys could not be read.
func (l *ledger) warn(stderr io.Writer) {
	for _, fault := range l.faults {
		complain(stderr, fmt.Errorf("%w; the row has the route's name instead", fault))
	}
}

// masked shows as much of a key as tells it from others.
func masked(key ingest.Secret) string {
	text := key.Reveal()
	shown := min(4, len(text)/8)
	return strings.Repeat("*", len(text)-shown) + text[len(text)-shown:]
}
