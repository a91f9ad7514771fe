package history

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/mapping"
)

// Commit commits events, what they do to their alerts, their deliveries, and
// the jobs of those that may go at once: nothing else of their alert waits, and
// admit says that their route has room. It changes nothing in events. again says
// that the batch may have been committed before: what is on record is then left
// out.
//
// After an error nothing of the batch is on record, unless the connection was
// lost at the very end; it may be committed again. After success the caller
// calls Committed.
func (h *History) Commit(ctx context.Context, conn *pgx.Conn, events []*mapping.Event, again bool, admit func(route string, id uuid.UUID) bool) (c delivery.Committed, err error) {
	if again {
		if events, err = h.unrecorded(ctx, conn, events); err != nil {
			return c, err
		}
	}
	defer func() { rollback(ctx, conn, err) }()
	b := h.newBatch(len(events), admit)
	entries := make([]entry, len(events))
	for i, e := range events {
		entries[i] = h.address(e, b)
		b.entries = append(b.entries, &entries[i])
		b.expect(&entries[i])
	}
	if err := b.lock(ctx, conn); err != nil {
		return c, fmt.Errorf("lock alerts: %w", err)
	}
	c.Events, c.Decisions = events, make([]mapping.Decision, len(events))
	for i := range entries {
		b.add(&entries[i])
		c.Decisions[i] = entries[i].decision
	}
	if err := h.write(ctx, conn, b); err != nil {
		return c, fmt.Errorf("write %d events: %w", len(events), err)
	}
	c.Routes, c.Crowded = b.routes, b.crowded
	b.calm.learn(b.storms)
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
	sent     bool   // it has a delivery
}

// address gives a queued event its route: the one it names, that of the
// sender's key, or the default.
func (h *History) address(e *mapping.Event, b *batch) entry {
	e = withoutKey(e)
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
