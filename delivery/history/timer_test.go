package history

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/mapping"
)

// gated is an event with gates.
func gated(action mapping.Action, dedupKey string, gates mapping.Gates) *mapping.Event {
	e := event(action, dedupKey)
	e.Gates = &gates
	return e
}

// tick does what is due at a time, and returns which deliveries get a job by it.
func tick(t *testing.T, h *History, at time.Time) []uuid.UUID {
	t.Helper()
	return readied(t, h, func(conn *pgx.Conn) error {
		if _, _, err := h.Release(t.Context(), conn, at); err != nil {
			return err
		}
		if _, _, err := h.Expire(t.Context(), conn, at, roomy); err != nil {
			return err
		}
		_, err := h.Admit(t.Context(), conn, map[string]int{"noc": 100})
		return err
	})
}

const deliveriesByKey = `SELECT dedup_key, ' ', action, ' ', state, coalesce(' ' || held_by, '') FROM deliveries ORDER BY seq`

// TestWhatIsHeldGoesWhenItsTimeHasCome, once, and not before; what was resolved
// meanwhile never does.
func TestWhatIsHeldGoesWhenItsTimeHasCome(t *testing.T) {
	h, pool := newHistory(t)
	hold := mapping.Gates{Hold: time.Minute}
	lasting, blip := gated(mapping.Trigger, "lasting", hold), gated(mapping.Trigger, "blip", hold)
	c, ready := commit(t, h, false, lasting, blip, gated(mapping.Trigger, "lasting", hold))
	same(t, "decisions", c.Decisions, []mapping.Decision{mapping.Held, mapping.Held, mapping.Folded})
	same(t, "what may go", ready, []uuid.UUID(nil))
	same(t, "alerts", table(t, pool, `SELECT dedup_key, ' ', status FROM alerts ORDER BY 1`), []string{"blip pending", "lasting pending"})
	c, _ = commit(t, h, false, event(mapping.Resolve, "blip"))
	same(t, "the blip's end", c.Decisions, []mapping.Decision{mapping.Suppressed})
	same(t, "too early", tick(t, h, lasting.ReceivedAt.Add(59*time.Second)), []uuid.UUID(nil))
	same(t, "in time", tick(t, h, lasting.ReceivedAt.Add(time.Minute)), []uuid.UUID{lasting.ID})
	same(t, "again", tick(t, h, lasting.ReceivedAt.Add(time.Hour)), []uuid.UUID(nil))
	same(t, "deliveries", table(t, pool, deliveriesByKey), []string{"lasting trigger queued", "blip trigger cancelled"})
	same(t, "alerts", table(t, pool, `SELECT dedup_key, ' ', status FROM alerts ORDER BY 1`), []string{"blip resolved", "lasting open"})
	c, _ = commit(t, h, false, event(mapping.Resolve, "lasting"))
	same(t, "its end", c.Decisions, []mapping.Decision{mapping.Queued})
}

// TestAChildWaitsForAParentThatIsHeld, and then for it to be resolved.
func TestAChildWaitsForAParentThatIsHeld(t *testing.T) {
	h, pool := newHistory(t)
	parent := gated(mapping.Trigger, "uplink", mapping.Gates{Hold: time.Minute})
	child := gated(mapping.Trigger, "port", mapping.Gates{UnlessOpen: "uplink"})
	commit(t, h, false, parent)
	c, _ := commit(t, h, false, child)
	same(t, "the child", c.Decisions, []mapping.Decision{mapping.Inhibited})
	same(t, "before the parent goes", tick(t, h, parent.ReceivedAt.Add(30*time.Second)), []uuid.UUID(nil))
	same(t, "when it goes", tick(t, h, parent.ReceivedAt.Add(time.Minute)), []uuid.UUID{parent.ID})
	same(t, "while it is open", tick(t, h, parent.ReceivedAt.Add(time.Hour)), []uuid.UUID(nil))
	same(t, "deliveries", table(t, pool, deliveriesByKey), []string{"uplink trigger queued", "port trigger held parent"})
	commit(t, h, false, event(mapping.Resolve, "uplink"))
	same(t, "when it is resolved", tick(t, h, parent.ReceivedAt.Add(time.Hour))[0], child.ID)
}

// TestABlipWithinOneBatchIsCancelled.
func TestABlipWithinOneBatchIsCancelled(t *testing.T) {
	h, pool := newHistory(t)
	c, ready := commit(t, h, false, gated(mapping.Trigger, "k", mapping.Gates{Hold: time.Minute}), event(mapping.Resolve, "k"))
	same(t, "decisions", c.Decisions, []mapping.Decision{mapping.Held, mapping.Suppressed})
	same(t, "what may go", ready, []uuid.UUID(nil))
	same(t, "deliveries", table(t, pool, deliveriesByKey), []string{"k trigger cancelled"})
	same(t, "later", tick(t, h, time.Now().Add(time.Hour)), []uuid.UUID(nil))
}

// TestAChildWaitsForItsParent: in the parent's own batch, in a later one, and
// until the parent is resolved; what is resolved first is never sent.
func TestAChildWaitsForItsParent(t *testing.T) {
	h, pool := newHistory(t)
	child := mapping.Gates{UnlessOpen: "uplink"}
	parent, one := event(mapping.Trigger, "uplink"), gated(mapping.Trigger, "one", child)
	early := gated(mapping.Trigger, "early", child)
	c, _ := commit(t, h, false, early, parent, one)
	same(t, "decisions", c.Decisions, []mapping.Decision{mapping.Queued, mapping.Queued, mapping.Inhibited})
	two, three := gated(mapping.Trigger, "two", mapping.Gates{UnlessOpen: "uplink", Hold: time.Minute}), gated(mapping.Trigger, "three", child)
	c, _ = commit(t, h, false, two, three)
	same(t, "decisions", c.Decisions, []mapping.Decision{mapping.Inhibited, mapping.Inhibited})
	same(t, "while the parent is open", tick(t, h, time.Now().Add(time.Hour)), []uuid.UUID(nil))
	commit(t, h, false, event(mapping.Resolve, "three"), event(mapping.Resolve, "uplink"))
	same(t, "when it is resolved", tick(t, h, time.Now().Add(time.Second)), []uuid.UUID{one.ID})
	same(t, "and its hold time is over", tick(t, h, time.Now().Add(time.Hour)), []uuid.UUID{two.ID})
	same(t, "deliveries", table(t, pool, deliveriesByKey), []string{
		"early trigger queued", "uplink trigger queued", "one trigger queued", "two trigger queued", "three trigger cancelled", "uplink resolve held alert",
	})
}

// TestMaintenanceHoldsUntilItEnds: a window of the rules, and one that somebody
// opened in the table; what is still open then is sent, unless its parent is.
func TestMaintenanceHoldsUntilItEnds(t *testing.T) {
	h, pool := newHistory(t)
	now := time.Now()
	if _, err := pool.Exec(t.Context(), `INSERT INTO maintenance_windows (name, source, until_at) VALUES ('sw1 is moved', 'sw?', $1), ('not this', 'core*', $1)`, now.Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	rule := gated(mapping.Trigger, "rule", mapping.Gates{Maintenance: &mapping.Window{Name: "patching", Until: now.Add(time.Hour)}, UnlessOpen: "uplink"})
	rule.Host = "other"
	stored, posted := event(mapping.Trigger, "stored"), event(mapping.Trigger, "posted")
	posted.Posted, posted.Host = true, "other"
	uplink := event(mapping.Trigger, "uplink")
	uplink.Host = "other"
	c, _ := commit(t, h, false, rule, stored, posted, uplink)
	same(t, "decisions", c.Decisions, []mapping.Decision{mapping.Maintenance, mapping.Maintenance, mapping.Queued, mapping.Queued})
	same(t, "before any ends", tick(t, h, now.Add(time.Hour-time.Second)), []uuid.UUID(nil))
	same(t, "the rule's ends", tick(t, h, now.Add(time.Hour+time.Second)), []uuid.UUID(nil))
	same(t, "held by its parent now", table(t, pool, `SELECT held_by FROM deliveries WHERE dedup_key = 'rule'`), []string{"parent"})
	end := event(mapping.Resolve, "uplink")
	end.Host = "other"
	commit(t, h, false, end)
	same(t, "the parent is over", tick(t, h, now.Add(time.Hour+2*time.Second)), []uuid.UUID{rule.ID})
	same(t, "the table's ends", tick(t, h, now.Add(2*time.Hour+time.Second)), []uuid.UUID{stored.ID})
}

// TestAnAlertResolvesItselfAfterSilence, once.
func TestAnAlertResolvesItselfAfterSilence(t *testing.T) {
	h, pool := newHistory(t)
	flood := gated(mapping.Trigger, "flood", mapping.Gates{ResolveAfter: 10 * time.Minute})
	commit(t, h, false, flood)
	same(t, "too early", tick(t, h, flood.ReceivedAt.Add(9*time.Minute)), []uuid.UUID(nil))
	tick(t, h, flood.ReceivedAt.Add(10*time.Minute))
	tick(t, h, flood.ReceivedAt.Add(time.Hour))
	same(t, "deliveries", table(t, pool, deliveriesByKey), []string{"flood trigger queued", "flood resolve held alert"})
	same(t, "events", table(t, pool, `SELECT action, ' ', decision, ' ', summary, ' ', protocol, ' ', payload ->> 'dedup_key' FROM events ORDER BY id`),
		[]string{"trigger queued down snmp <nil>", "resolve queued resolved, since nothing was heard of it: down snmp flood"})
	same(t, "alert", table(t, pool, `SELECT status, ' ', resolve_at IS NULL FROM alerts`), []string{"resolved true"})
}

// TestThresholdsAndFlapsAreRemembered from one batch to the next.
func TestThresholdsAndFlapsAreRemembered(t *testing.T) {
	h, _ := newHistory(t)
	third := mapping.Gates{Threshold: mapping.Threshold{Count: 3, Within: time.Minute}}
	var decisions []mapping.Decision
	for range 4 {
		c, _ := commit(t, h, false, gated(mapping.Trigger, "k", third))
		decisions = append(decisions, c.Decisions...)
	}
	same(t, "threshold", decisions, []mapping.Decision{mapping.Suppressed, mapping.Suppressed, mapping.Queued, mapping.Folded})
	flaps, decisions := mapping.Gates{Flapping: mapping.Flapping{Changes: 4, Within: time.Minute, Quiet: time.Hour}}, nil
	for _, action := range []mapping.Action{mapping.Trigger, mapping.Resolve, mapping.Trigger, mapping.Resolve, mapping.Trigger, mapping.Resolve} {
		c, _ := commit(t, h, false, gated(action, "flap", flaps))
		decisions = append(decisions, c.Decisions...)
	}
	same(t, "flapping", decisions, []mapping.Decision{mapping.Queued, mapping.Queued, mapping.Queued, mapping.Held, mapping.Folded, mapping.Held})
	same(t, "before it is quiet", table(t, h.pool, `SELECT status, ' ', resolving FROM alerts WHERE dedup_key = 'flap'`), []string{"open true"})
	tick(t, h, time.Now().Add(time.Hour+time.Second))
	same(t, "when it is quiet", table(t, h.pool, `SELECT status, ' ', resolving FROM alerts WHERE dedup_key = 'flap'`), []string{"resolved false"})
}

// TestAStormFoldsIntoOneAlert that says what it is made of; the next window
// begins anew, and other sources are not concerned.
func TestAStormFoldsIntoOneAlert(t *testing.T) {
	h, pool := newHistory(t)
	storm := mapping.Gates{Storm: mapping.Storm{Alerts: 5, Within: time.Minute}}
	var batch []*mapping.Event
	for i := range 8 {
		e := gated(mapping.Trigger, fmt.Sprint("port-", i), storm)
		if i == 3 {
			e.Rule = "fan"
		}
		batch = append(batch, e)
	}
	other := gated(mapping.Trigger, "other", storm)
	other.Host = "sw2"
	c, _ := commit(t, h, false, batch[:4]...)
	decisions := c.Decisions
	c, _ = commit(t, h, false, append(batch[4:], other)...)
	q, f := mapping.Queued, mapping.Folded
	same(t, "decisions", append(decisions, c.Decisions...), []mapping.Decision{q, q, q, q, q, f, f, f, q})
	same(t, "the storm's alert", table(t, pool, `SELECT dedup_key, ' ', status, ' ', occurrences, ' ', summary FROM alerts WHERE dedup_key LIKE 'storm/%'`),
		[]string{"storm/sw1 open 3 sw1: storm of alerts, more than 5 in 1m0s (link-down 5, fan 1); further ones fold into this one"})
	same(t, "what is sent", table(t, pool, `SELECT count(*), ' ', count(*) FILTER (WHERE dedup_key = 'storm/sw1') FROM deliveries`), []string{"7 1"})
	same(t, "what was folded is known by its alert", table(t, pool,
		`SELECT e.dedup_key FROM events e JOIN alerts a ON a.id = e.alert_id WHERE a.dedup_key = 'storm/sw1' ORDER BY 1`),
		[]string{"port-5", "port-6", "port-7", "storm/sw1"})
	late := gated(mapping.Trigger, "late", storm)
	late.ReceivedAt = late.ReceivedAt.Add(time.Minute)
	c, _ = commit(t, h, false, late)
	same(t, "in the next window", c.Decisions, []mapping.Decision{q})
	tick(t, h, time.Now().Add(6*time.Minute))
	same(t, "when it is over", table(t, pool, `SELECT status FROM alerts WHERE dedup_key = 'storm/sw1'`), []string{"resolved"})
}

// TestReleaseStandsInLine: what a gate lets go waits for the earlier deliveries
// of its alert.
func TestReleaseStandsInLine(t *testing.T) {
	h, pool := newHistory(t)
	first, end := event(mapping.Trigger, "k"), event(mapping.Resolve, "k")
	commit(t, h, false, first, end)
	again := gated(mapping.Trigger, "k", mapping.Gates{Hold: time.Minute})
	commit(t, h, false, again)
	same(t, "while the first is under way", tick(t, h, time.Now().Add(time.Hour)), []uuid.UUID(nil))
	same(t, "in line", table(t, pool, deliveriesByKey), []string{"k trigger queued", "k resolve held alert", "k trigger held alert"})
	same(t, "after the first", settle(t, h, delivery.Delivered, first), []uuid.UUID{end.ID})
	same(t, "after the second", settle(t, h, delivery.Delivered, end), []uuid.UUID{again.ID})
}
