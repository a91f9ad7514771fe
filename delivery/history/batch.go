package history

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/mapping"
)

// batch is one transaction's worth of rows.
type batch struct {
	admit      func(route string, id uuid.UUID) bool
	standard   string // the default route
	entries    []*entry
	alerts     map[alertKey]*alert
	order      []*alert              // those of alerts, in the order in which they were met
	parents    map[string][]alertKey // dedup_keys that rules name as parents, and their alerts that did inhibit
	candidates map[string][]*alert   // the alerts of the batch that are parents
	storms     map[string]*storm     // by source
	calm       *calm
	windows    []window
	deliveries []planned
	cancelled  []pgtype.UUID
	collapse   bool
	merged     []merged
	collapsed  []collapsed
	routes     []delivery.Route // senders' routes that are not on record
	crowded    []string         // routes without room for all of the batch
}

// alertKey is what makes an alert one problem.
type alertKey struct{ route, dedupKey string }

// alert is a row of alerts while a batch is decided. It is locked, or new.
type alert struct {
	delivery.Alert
	fresh   bool // not on record yet
	touched bool // decided about
	waiting bool // has a delivery that is not settled and that no gate holds
	tail    *tail
}

// planned is a delivery of the batch.
type planned struct {
	entry  *entry
	heldBy delivery.Hold // empty: it goes at once
	dueAt  *time.Time
	parent string
	opens  bool // see Ruling.Opens

	cancelled bool // by a later event of the batch, while a gate held it
}

// holds is what the delivery waits for, where it is held.
func (p *planned) holds() delivery.Hold {
	if p.cancelled {
		return ""
	}
	return p.heldBy
}

func (p *planned) state() delivery.State {
	switch {
	case p.cancelled:
		return delivery.Cancelled
	case p.heldBy == "":
		return delivery.Queued
	}
	return delivery.Held
}

func (h *History) newBatch(n int, admit func(string, uuid.UUID) bool) *batch {
	return &batch{
		admit: admit, standard: h.routes.Default(), calm: &h.calm, collapse: h.config.Collapse, entries: make([]*entry, 0, n), alerts: make(map[alertKey]*alert, n),
		deliveries: make([]planned, 0, n), parents: map[string][]alertKey{}, storms: map[string]*storm{},
	}
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
		a = &alert{Alert: delivery.Alert{Route: key.route, DedupKey: key.dedupKey}, fresh: true}
		b.alerts[key], b.order = a, append(b.order, a)
	}
	return a
}

// expect notes what e's gates will ask for.
func (b *batch) expect(e *entry) {
	if e.Gates == nil || e.alert == nil {
		return
	}
	if e.Gates.UnlessOpen != "" {
		b.parents[e.Gates.UnlessOpen] = nil
	}
	if e.Action == mapping.Trigger && e.Gates.Storm.Alerts > 0 {
		b.watch(e)
	}
}

// lock begins the transaction, reads and locks the batch's alerts, in the
// order of their ids as Settle does, and then asks for the last delivery of
// each that waits: in a statement of its own, whose snapshot is taken when the
// locks are held, and whose LIMIT keeps Postgres from reading everything that
// waits, of whatever alert.
func (b *batch) lock(ctx context.Context, conn *pgx.Conn) error {
	routes, keys := make([]string, len(b.order)), make([]string, len(b.order))
	for i, a := range b.order {
		routes[i], keys[i] = a.Route, a.DedupKey
	}
	var q pgx.Batch
	q.Queue("BEGIN")
	q.Queue(`SELECT a.id, a.route, a.dedup_key, a.status, a.severity, a.summary, a.source, a.rule, coalesce(a.protocol, ''),
			a.first_at, a.last_at, a.resolved_at, a.occurrences, a.sent_at, a.triggers, a.changes, a.resolve_at, a.resolving,
			a.gated_id, g.held_by, g.due_at
		FROM unnest($1::text[], $2::text[]) AS batch (route, dedup_key)
		JOIN alerts a USING (route, dedup_key) LEFT JOIN deliveries g ON g.id = a.gated_id ORDER BY a.id FOR NO KEY UPDATE OF a`, routes, keys).
		Query(func(rows pgx.Rows) error { return b.found(rows) })
	q.Queue(`SELECT a.route, a.dedup_key, waiting.id, waiting.opens, waiting.merges AND waiting.action = 'trigger' AND NOT waiting.unsure
			AND (waiting.state = 'held' OR waiting.attempts > 0)
		FROM unnest($1::text[], $2::text[]) AS batch (route, dedup_key)
		JOIN alerts a USING (route, dedup_key),
		LATERAL (SELECT * FROM deliveries d WHERE d.alert_id = a.id AND d.state IN ('held', 'queued')
			AND d.id IS DISTINCT FROM a.gated_id ORDER BY d.seq DESC LIMIT 1) AS waiting`, routes, keys).
		Query(b.foundWaiting)
	b.askParents(&q)
	b.askStorms(&q)
	b.askWindows(&q)
	return conn.SendBatch(ctx, &q).Close()
}

func (b *batch) found(rows pgx.Rows) error {
	defer rows.Close()
	for rows.Next() {
		var (
			f                    delivery.Alert
			id, gated            pgtype.UUID
			sent, resolve, until *time.Time
			by                   *string
		)
		if err := rows.Scan(&id, &f.Route, &f.DedupKey, &f.Status, &f.Severity, &f.Summary, &f.Source, &f.Rule, &f.Protocol,
			&f.FirstAt, &f.LastAt, &f.ResolvedAt, &f.Occurrences, &sent, &f.Triggers, &f.Changes, &resolve, &f.Resolving,
			&gated, &by, &until); err != nil {
			return err
		}
		f.ID, f.SentAt, f.ResolveAt = id.Bytes, orZero(sent), orZero(resolve)
		if gated.Valid && by != nil {
			f.Gated = &delivery.Gated{ID: gated.Bytes, By: delivery.Hold(*by), Until: orZero(until)}
		}
		a := b.alerts[alertKey{f.Route, f.DedupKey}]
		a.Alert, a.fresh = f, false
	}
	return rows.Err()
}

func (b *batch) foundWaiting(rows pgx.Rows) error {
	var (
		key           alertKey
		id            pgtype.UUID
		opens, merges bool
	)
	_, err := pgx.ForEachRow(rows, []any{&key.route, &key.dedupKey, &id, &opens, &merges}, func() error {
		a := b.alerts[key]
		a.waiting = true
		if merges {
			a.tail = &tail{id.Bytes, opens}
		}
		return nil
	})
	return err
}

func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// inhibits is delivery.Alert.Inhibits, in SQL, of an alert in parents.
const (
	parents  = `alerts a LEFT JOIN deliveries g ON g.id = a.gated_id`
	inhibits = `(a.status IN ('open', 'acknowledged') OR g.held_by IN ('hold', 'maintenance'))`
)

// askParents reads which alerts of the parents' dedup_keys inhibit.
func (b *batch) askParents(q *pgx.Batch) {
	if len(b.parents) == 0 {
		return
	}
	keys := make([]string, 0, len(b.parents))
	for key := range b.parents {
		keys = append(keys, key)
	}
	b.candidates = map[string][]*alert{}
	for _, a := range b.order {
		if _, ok := b.parents[a.DedupKey]; ok {
			b.candidates[a.DedupKey] = append(b.candidates[a.DedupKey], a)
		}
	}
	q.Queue(`SELECT a.route, a.dedup_key FROM `+parents+` WHERE a.dedup_key = ANY ($1::text[]) AND `+inhibits, keys).
		Query(func(rows pgx.Rows) error {
			var key alertKey
			_, err := pgx.ForEachRow(rows, []any{&key.route, &key.dedupKey}, func() error {
				b.parents[key.dedupKey] = append(b.parents[key.dedupKey], key)
				return nil
			})
			return err
		})
}

// parentOpen tells whether an alert of a parent's dedup_key inhibits, on
// whatever route: as it is now, where the batch has decided about it.
func (b *batch) parentOpen(dedupKey string) bool {
	for _, key := range b.parents[dedupKey] {
		if b.alerts[key] == nil {
			return true
		}
	}
	for _, a := range b.candidates[dedupKey] {
		if a.Inhibits() {
			return true
		}
	}
	return false
}

// add decides about e and plans its delivery.
func (b *batch) add(e *entry) {
	a := e.alert
	if a == nil {
		if e.decision == mapping.Queued {
			b.deliver(planned{entry: e})
		}
		return
	}
	if a.ID == uuid.Nil {
		a.ID = e.ID
	}
	b.maintain(e)
	if s := b.storms[e.Host]; s != nil && e.Gates != nil && e.Gates.Storm.Alerts > 0 && a.Opens(e.Event) && !s.permits(e.Event) {
		b.swallow(e, s)
		return
	}
	a.touched = true
	ruling := a.Decide(e.Event, b.parentOpen)
	e.decision = ruling.Decision
	if ruling.Cancel != uuid.Nil {
		b.cancel(ruling.Cancel)
	}
	switch {
	case ruling.By != "":
		b.gate(e, ruling)
	case ruling.Decision == mapping.Queued:
		b.deliver(planned{entry: e, opens: ruling.Opens})
		b.coalesce(e, ruling.Opens)
	case ruling.Decision == mapping.Folded:
		b.refresh(e)
	}
}

// gate makes a delivery that waits for a gate.
func (b *batch) gate(e *entry, r delivery.Ruling) {
	e.sent = true
	d := planned{entry: e, heldBy: r.By, parent: r.Parent, opens: r.Opens}
	if !r.Until.IsZero() {
		d.dueAt = &r.Until
	}
	b.deliveries = append(b.deliveries, d)
}

// cancel takes back a delivery that a gate holds: one on record, or one of
// this batch.
func (b *batch) cancel(id uuid.UUID) {
	for i := range b.deliveries {
		if d := &b.deliveries[i]; d.entry.ID == id {
			d.cancelled = true
			return
		}
	}
	b.cancelled = append(b.cancelled, uuidOrNull(id))
}

// deliver makes a delivery, which waits while its alert has one already, or
// its route no room.
func (b *batch) deliver(d planned) {
	e := d.entry
	e.sent = true
	switch {
	case e.alert != nil && e.alert.waiting:
		d.heldBy = delivery.ByAlert
	case !b.admit(e.route, e.ID):
		d.heldBy = delivery.ByRoute
		b.crowd(e.route)
	}
	if e.alert != nil {
		e.alert.waiting = true
	}
	b.deliveries = append(b.deliveries, d)
}

// crowd notes that deliveries wait for a route.
func (b *batch) crowd(route string) {
	if !slices.Contains(b.crowded, route) {
		b.crowded = append(b.crowded, route)
	}
}
