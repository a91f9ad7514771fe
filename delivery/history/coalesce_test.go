package history

import (
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/mapping"
)

// full admits nothing.
func full(string, uuid.UUID) bool { return false }

// crowd commits events, of which none finds room on its route.
func crowd(t *testing.T, h *History, events ...*mapping.Event) (ready []uuid.UUID) {
	t.Helper()
	if err := h.Prepare(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	return readied(t, h, func(conn *pgx.Conn) error {
		_, err := h.Commit(t.Context(), conn, events, false, full)
		return err
	})
}

// admitAll gives jobs to what waits for its route.
func admitAll(t *testing.T, h *History) []uuid.UUID {
	t.Helper()
	return readied(t, h, func(conn *pgx.Conn) error {
		_, err := h.Admit(t.Context(), conn, map[string]int{"noc": 100})
		return err
	})
}

func says(e *mapping.Event, severity mapping.Severity, summary string) *mapping.Event {
	e.Severity, e.Summary = severity, summary
	e.Payload = []byte(`{"payload": {"summary": "` + summary + `", "custom_details": {"port": 7}}}`)
	return e
}

// TestTriggersThatWaitBecomeOne, with the latest content, the count, and the
// most severe one's turn: in one batch and over several.
func TestTriggersThatWaitBecomeOne(t *testing.T) {
	f := func(name string, commits func(h *History, events []*mapping.Event)) {
		t.Helper()
		h, pool := newHistory(t)
		other := event(mapping.Trigger, "other")
		other.Severity = mapping.Warning
		events := []*mapping.Event{
			other,
			says(event(mapping.Trigger, "k"), mapping.Info, "first"), says(event(mapping.Trigger, "k"), mapping.Info, "again"),
			says(event(mapping.Trigger, "k"), mapping.Critical, "worse"), says(event(mapping.Trigger, "k"), mapping.Info, "less"),
			says(event(mapping.Trigger, "k"), mapping.Critical, "latest"),
		}
		commits(h, events)
		same(t, name+": deliveries", table(t, pool, deliveriesByKey), []string{
			"other trigger held route", "k trigger held route", "k trigger cancelled",
		})
		same(t, name+": who goes first", admitAll(t, h), []uuid.UUID{events[1].ID, other.ID})
		found, err := h.Load(t.Context(), []uuid.UUID{events[1].ID})
		if err != nil {
			t.Fatal(err)
		}
		same(t, name+": what is sent", string(found[0].Body), `{"payload": {"summary": "latest", "custom_details": {"port": 7, "occurrences": 5}}}`)
		settle(t, h, delivery.Delivered, events[1])
		_, ready := commit(t, h, false, event(mapping.Resolve, "k"))
		same(t, name+": its end goes", len(ready), 1)
	}
	f("one batch", func(h *History, events []*mapping.Event) { crowd(t, h, events...) })
	f("a batch each", func(h *History, events []*mapping.Event) {
		for _, e := range events {
			crowd(t, h, e)
		}
	})
}

// TestWhatCameAndWentIsNotSent, while it waited for its route; what comes after
// it goes.
func TestWhatCameAndWentIsNotSent(t *testing.T) {
	const said = `SELECT dedup_key, ' ', action, ' ', state, coalesce(' ' || held_by, ''), coalesce(' ' || substr(last_error, 1, 8), '') FROM deliveries ORDER BY seq`
	f := func(name string, collapse bool, commits func(h *History, events []*mapping.Event), want ...string) {
		t.Helper()
		h, pool := newHistory(t)
		h.config.Collapse = collapse
		events := []*mapping.Event{
			event(mapping.Trigger, "k"), event(mapping.Resolve, "k"), event(mapping.Trigger, "k"), event(mapping.Resolve, "k"), event(mapping.Trigger, "k"),
		}
		commits(h, events)
		same(t, name, table(t, pool, said), want)
		if collapse {
			same(t, name+": what goes", admitAll(t, h), []uuid.UUID{events[4].ID})
		} else {
			same(t, name+": what goes", admitAll(t, h), []uuid.UUID{events[0].ID})
		}
	}
	together := func(h *History, events []*mapping.Event) { crowd(t, h, events...) }
	apart := func(h *History, events []*mapping.Event) {
		for _, e := range events {
			crowd(t, h, e)
		}
	}
	all := []string{"k trigger cancelled not sent", "k resolve cancelled not sent", "k trigger cancelled not sent", "k resolve cancelled not sent", "k trigger held route"}
	f("together", true, together, all...)
	f("apart", true, apart, all...)
	none := []string{"k trigger held route", "k resolve held alert", "k trigger held alert", "k resolve held alert", "k trigger held alert"}
	f("together, not collapsed", false, together, none...)
	f("apart, not collapsed", false, apart, none...)
}

// TestWhatMayHaveBeenHeardIsResolved: what is on its way, what had no answer,
// what is open at PagerDuty already, and what was posted is never taken back.
func TestWhatMayHaveBeenHeardIsResolved(t *testing.T) {
	f := func(name string, prepare func(h *History), resolve *mapping.Event, want ...string) {
		t.Helper()
		h, pool := newHistory(t)
		h.config.Collapse = true
		prepare(h)
		crowd(t, h, resolve)
		same(t, name, table(t, pool, deliveriesByKey), want)
	}
	f("on its way", func(h *History) { commit(t, h, false, event(mapping.Trigger, "k")) }, event(mapping.Resolve, "k"),
		"k trigger queued", "k resolve held alert")
	f("a severer one of an open alert", func(h *History) {
		e := event(mapping.Trigger, "k")
		commit(t, h, false, e)
		settle(t, h, delivery.Delivered, e)
		crowd(t, h, says(event(mapping.Trigger, "k"), mapping.Critical, "worse"))
	}, event(mapping.Resolve, "k"), "k trigger delivered", "k trigger held route", "k resolve held alert")
	f("it had no answer", func(h *History) {
		e := event(mapping.Trigger, "k")
		commit(t, h, false, e)
		found, err := h.Load(t.Context(), []uuid.UUID{e.ID})
		if err != nil {
			t.Fatal(err)
		}
		a := []*delivery.Attempt{{Delivery: found[0], Number: 1, Node: "n", Started: e.ReceivedAt, State: delivery.Held, Error: "EOF", Unsure: true}}
		if err := h.PrepareAttempts(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		readied(t, h, func(conn *pgx.Conn) error {
			_, err := h.Settle(t.Context(), conn, a)
			return err
		})
	}, event(mapping.Resolve, "k"), "k trigger held route", "k resolve held alert")
	posted := func(action mapping.Action) *mapping.Event {
		e := event(action, "k")
		e.Posted = true
		return e
	}
	f("posted", func(h *History) { crowd(t, h, posted(mapping.Trigger), posted(mapping.Trigger)) }, posted(mapping.Resolve),
		"k trigger held route", "k trigger held alert", "k resolve held alert")
	f("posted resolve", func(h *History) { crowd(t, h, event(mapping.Trigger, "k")) }, posted(mapping.Resolve),
		"k trigger held route", "k resolve held alert")
	f("acknowledged", func(h *History) { crowd(t, h, event(mapping.Trigger, "k"), event(mapping.Acknowledge, "k")) }, event(mapping.Resolve, "k"),
		"k trigger held route", "k acknowledge held alert", "k resolve held alert")
}
