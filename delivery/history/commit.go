package history

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/mapping"
)

// Commit commits events, what they do to their alerts, their deliveries, and
// the jobs of those that nothing stands in the way of. It changes nothing in
// events. again says that the batch may have been committed before: what is on
// record is then left out.
//
// After an error nothing of the batch is on record, unless the connection was
// lost at the very end; it may be committed again. After success the caller
// calls Committed.
func (h *History) Commit(ctx context.Context, conn *pgx.Conn, events []*mapping.Event, again bool) (c delivery.Committed, err error) {
	if again {
		if events, err = h.unrecorded(ctx, conn, events); err != nil {
			return c, err
		}
	}
	defer func() { rollback(ctx, conn, err) }()
	b := newBatch(len(events))
	for _, e := range events {
		b.entries = append(b.entries, h.address(e, b))
	}
	if err := b.lock(ctx, conn); err != nil {
		return c, fmt.Errorf("lock alerts: %w", err)
	}
	c.Events, c.Decisions = events, make([]mapping.Decision, len(events))
	for i := range b.entries {
		b.add(&b.entries[i])
		c.Decisions[i] = b.entries[i].decision
	}
	c.Routes = b.routes
	if err := b.write(ctx, conn, h.config); err != nil {
		return c, fmt.Errorf("write %d events: %w", len(events), err)
	}
	return c, nil
}

// rollback ends a transaction that has failed, so that its connection can be
// used again; one that was lost needs no end.
func rollback(ctx context.Context, conn *pgx.Conn, err error) {
	if err != nil && !conn.IsClosed() {
		_, _ = conn.Exec(context.WithoutCancel(ctx), "ROLLBACK")
	}
}

// Committed makes what a committed batch put on record known to later ones.
func (h *History) Committed(c delivery.Committed) {
	for _, route := range c.Routes {
		h.routes.Learn(route)
	}
}

// unrecorded returns the events that are not in the table.
func (h *History) unrecorded(ctx context.Context, conn *pgx.Conn, events []*mapping.Event) ([]*mapping.Event, error) {
	ids, times := make([]uuid.UUID, len(events)), make([]time.Time, len(events))
	for i, e := range events {
		ids[i], times[i] = e.ID, e.ReceivedAt
	}
	rows, err := conn.Query(ctx, `SELECT id FROM unnest($1::uuid[], $2::timestamptz[]) AS batch (id, received_at)
		JOIN events USING (id, received_at)`, ids, times)
	if err != nil {
		return nil, err
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, err
	}
	recorded := make(map[uuid.UUID]bool, len(found))
	for _, id := range found {
		recorded[id] = true
	}
	var left []*mapping.Event
	for _, e := range events {
		if !recorded[e.ID] {
			left = append(left, e)
		}
	}
	return left, nil
}

// entry is an event on its way into the tables.
type entry struct {
	*mapping.Event

	route    string
	api      ingest.API // deliveries.api: see delivery.Delivery.API
	decision mapping.Decision
	alert    *alert // nil: it is about none
}

// address gives a queued event its route: the one it names, that of the
// sender's key, or the default.
func (h *History) address(e *mapping.Event, b *batch) entry {
	en := entry{Event: e, route: e.Route, api: e.API, decision: e.Decision}
	if e.Decision != mapping.Queued {
		return en
	}
	if e.Route == "" && e.Key != "" {
		en.route = b.sender(h.routes.ForKey(e.Key))
	} else {
		en.route = h.named(e)
		if e.API == ingest.EventsV2 {
			en.api = ""
		}
	}
	switch {
	case e.Action == mapping.ChangeEvent:
	case en.api == "" && h.takesChanges(en.route):
		if e.Action != mapping.Trigger {
			en.decision = mapping.Suppressed // a change is over when it is told
		}
	default:
		en.alert = b.meet(alertKey{en.route, e.DedupKey})
	}
	return en
}

// takesChanges tells whether events of a route become change events, which
// belong to no alert.
func (h *History) takesChanges(name string) bool {
	route, ok := h.routes.Lookup(name)
	return ok && route.Type == ingest.Change
}

// named returns the route that e names, or the default.
func (h *History) named(e *mapping.Event) string {
	if e.Route == "" {
		return h.routes.Default()
	}
	if _, ok := h.routes.Lookup(e.Route); !ok {
		h.logger.Error("a rule names a route that is not configured; its event goes to the default route: add it under routes",
			"rule", e.Rule, "route", e.Route, "default_route", h.routes.Default(), "event_id", e.ID)
		return h.routes.Default()
	}
	return e.Route
}

// batch is one transaction's worth of rows.
type batch struct {
	entries    []entry
	alerts     map[alertKey]*alert
	order      []*alert // those of alerts, in the order in which they were met
	events     eventRows
	deliveries deliveryRows
	routes     []delivery.Route // senders' routes that are not on record
}

func newBatch(n int) *batch {
	b := &batch{entries: make([]entry, 0, n), alerts: make(map[alertKey]*alert, n)}
	b.events.grow(n)
	b.deliveries.grow(n)
	return b
}

// sender returns the name of a sender's route, and puts it on record if it is new.
func (b *batch) sender(route delivery.Route, known bool) string {
	if !known && !slices.Contains(b.routes, route) {
		b.routes = append(b.routes, route)
	}
	return route.Name
}

func (b *batch) meet(key alertKey) *alert {
	a := b.alerts[key]
	if a == nil {
		a = &alert{key: key}
		b.alerts[key], b.order = a, append(b.order, a)
	}
	return a
}

// lock begins the transaction, reads and locks the batch's alerts, in the
// order of their ids as Settle does, and then asks which of them have
// deliveries waiting: in a statement of its own, whose snapshot is taken when
// the locks are held, and whose LIMIT keeps Postgres from reading everything
// that waits, of whatever alert.
func (b *batch) lock(ctx context.Context, conn *pgx.Conn) error {
	routes, keys := make([]string, len(b.order)), make([]string, len(b.order))
	for i, a := range b.order {
		routes[i], keys[i] = a.key.route, a.key.dedupKey
	}
	var q pgx.Batch
	q.Queue("BEGIN")
	q.Queue(`SELECT a.id, a.route, a.dedup_key, a.status, a.severity, a.summary, a.source, a.rule,
			a.first_at, a.last_at, a.resolved_at, a.occurrences
		FROM unnest($1::text[], $2::text[]) AS batch (route, dedup_key)
		JOIN alerts a USING (route, dedup_key) ORDER BY a.id FOR NO KEY UPDATE OF a`, routes, keys).
		Query(func(rows pgx.Rows) error { return b.found(rows) })
	q.Queue(`SELECT a.route, a.dedup_key
		FROM unnest($1::text[], $2::text[]) AS batch (route, dedup_key)
		JOIN alerts a USING (route, dedup_key),
		LATERAL (SELECT FROM deliveries d WHERE d.alert_id = a.id AND d.state IN ('held', 'queued') LIMIT 1) AS waiting`, routes, keys).
		Query(func(rows pgx.Rows) error {
			var key alertKey
			_, err := pgx.ForEachRow(rows, []any{&key.route, &key.dedupKey}, func() error {
				b.alerts[key].waiting = true
				return nil
			})
			return err
		})
	return conn.SendBatch(ctx, &q).Close()
}

func (b *batch) found(rows pgx.Rows) error {
	defer rows.Close()
	for rows.Next() {
		var f alert
		if err := rows.Scan(&f.id, &f.key.route, &f.key.dedupKey, &f.status, &f.severity, &f.summary, &f.source, &f.rule,
			&f.firstAt, &f.lastAt, &f.resolvedAt, &f.occurrences); err != nil {
			return err
		}
		*b.alerts[f.key] = f
	}
	return rows.Err()
}

// add decides about e and makes its rows.
func (b *batch) add(e *entry) {
	if a := e.alert; a != nil {
		if a.id == uuid.Nil {
			a.id = e.ID
		}
		e.decision = a.decide(e.Event)
	}
	if e.decision == mapping.Queued {
		b.deliver(e)
	}
	b.events.add(e)
}

// deliver makes e's delivery: queued, or held when its alert has one already.
func (b *batch) deliver(e *entry) {
	state := delivery.Queued
	if e.alert != nil && e.alert.waiting {
		state = delivery.Held
	}
	if e.alert != nil {
		e.alert.waiting = true
	}
	b.deliveries.add(e, state)
}

// keyMark stands in a stored body where the sender's key stood.
const keyMark = "\x00integration key\x00"

// hideKey returns body with the key cut out, as it is stored; showKey undoes it.
func hideKey(body []byte, key ingest.Secret) []byte {
	if key == "" || body == nil {
		return body
	}
	return bytes.ReplaceAll(body, []byte(key.Reveal()), []byte(keyMark))
}

// showKey puts a route's key back where a stored body had one.
func showKey(body []byte, key ingest.Secret) []byte {
	if key == "" {
		return body
	}
	return bytes.ReplaceAll(body, []byte(keyMark), []byte(key.Reveal()))
}
