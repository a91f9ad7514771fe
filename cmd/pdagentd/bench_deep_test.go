package main

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// BenchmarkDeep measures deliveries beside a deep history: a backlog and the
// pace, before and with PDALTAGENT_HISTORY events in it (10,000,000 take a
// quarter of an hour), a tenth of which are held by a route that PagerDuty takes
// nothing of. Then PagerDuty takes those, too: the last tenth must go as fast as
// the first.
func BenchmarkDeep(b *testing.B) {
	events := size(b, "PDALTAGENT_HISTORY", 0)
	if events == 0 {
		b.Skip("PDALTAGENT_HISTORY is not set")
	}
	for range b.N {
		t := newTarget(b)
		t.refusing.Store(true)
		t.backlog(b, "without a past", 40_000, 1)
		t.pace(b, 500, 15*time.Second)
		t.fill(b, events)
		t.backlog(b, "with one", 40_000, 1)
		t.pace(b, 500, 15*time.Second)
		t.row("with one", "RSS", fmt.Sprintf("%d MB", t.memory("VmRSS")))
		t.refusing.Store(false)
		t.release(b, events/10)
		t.row("deep", "RSS, at most", fmt.Sprintf("%d MB", t.memory("VmHWM")))
		t.print()
		t.end()
	}
}

// fill gives the history a past of ten days.
func (t *target) fill(b *testing.B, events int) {
	b.Helper()
	began := time.Now()
	for _, statement := range []string{fillDays, fillPast, fillHeld, fillDelivered, fillAttempts, `VACUUM (ANALYZE)`, `CHECKPOINT`} {
		statement = strings.NewReplacer("EVENTS", strconv.Itoa(events), "HELD", "r"+strconv.Itoa(refusedRoute)).Replace(statement)
		if _, err := t.pool.Exec(b.Context(), statement); err != nil {
			b.Fatal(err)
		}
	}
	var size string
	if err := t.pool.QueryRow(b.Context(), `SELECT pg_size_pretty(pg_database_size(current_database()))`).Scan(&size); err != nil {
		b.Fatal(err)
	}
	t.row("the past", "size", fmt.Sprintf("%d events, a tenth held: %s, filled in %s", events, size, time.Since(began).Round(time.Second)))
}

const fillDays = `DO $$ BEGIN
	FOR i IN 0..11 LOOP
		EXECUTE format('CREATE TABLE IF NOT EXISTS events_%s PARTITION OF events FOR VALUES FROM (%L) TO (%L)',
			to_char(now() - i * interval '1 day', 'YYYYMMDD'), date_trunc('day', now(), 'UTC') - i * interval '1 day', date_trunc('day', now(), 'UTC') - (i - 1) * interval '1 day');
		EXECUTE format('CREATE TABLE IF NOT EXISTS attempts_%s PARTITION OF attempts FOR VALUES FROM (%L) TO (%L)',
			to_char(now() - i * interval '1 day', 'YYYYMMDD'), date_trunc('day', now(), 'UTC') - i * interval '1 day', date_trunc('day', now(), 'UTC') - (i - 1) * interval '1 day');
	END LOOP;
END $$`

// fillPast: each tenth event is held, each third delivered, the others folded.
const fillPast = `INSERT INTO events (id, received_at, protocol, source, host, rule, decision, route, action, dedup_key, severity, summary, payload, message, alert_id, delivery_id)
	SELECT id, at, 'snmp', '192.0.2.7', host, 'link', CASE WHEN i % 10 = 0 OR i % 3 = 0 THEN 'queued' ELSE 'folded' END,
		CASE WHEN i % 10 = 0 THEN 'HELD' ELSE 'r01' END, 'trigger', 'past/' || i, 'info', 'interface Gi0/1 is down',
		jsonb_build_object('event_action', 'trigger', 'dedup_key', 'past/' || i, 'payload', jsonb_build_object('summary', 'interface Gi0/1 is down', 'source', host, 'severity', 'info')),
		jsonb_build_object('protocol', 'snmp', 'varbinds', jsonb_build_array('1.3.6.1.2.1.2.2.1.1.7', i, '1.3.6.1.2.1.2.2.1.8.7', 2, repeat('x', 60))),
		id, CASE WHEN i % 10 = 0 OR i % 3 = 0 THEN id END
	FROM (SELECT i, at, '198.51.100.' || i % 997 AS host, (left(id_since(at)::text, 14) || '7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid AS id
		FROM (SELECT i, now() - interval '10 days' + i * interval '10 days' / EVENTS AS at FROM generate_series(1, EVENTS) AS i) AS series) AS events`

const fillHeld = `WITH held AS MATERIALIZED (SELECT * FROM events WHERE route = 'HELD' AND rule = 'link' ORDER BY received_at),
		open AS (INSERT INTO alerts (id, route, dedup_key, status, severity, summary, source, rule, first_at, last_at, occurrences)
			SELECT id, route, dedup_key, 'open', severity, summary, host, rule, received_at, received_at, 1 FROM held)
	INSERT INTO deliveries (id, event_id, received_at, created_at, alert_id, kind, route, api, action, dedup_key, severity, priority, state, held_by)
	SELECT id, id, received_at, received_at, id, 'event', route, '', action, dedup_key, severity, 4, 'held', 'route' FROM held`

const fillDelivered = `INSERT INTO deliveries (id, event_id, received_at, created_at, alert_id, kind, route, api, action, dedup_key, severity, priority, state, delivered_at, attempts, last_status)
	SELECT id, id, received_at, received_at, id, 'event', route, '', action, dedup_key, severity, 4, 'delivered', received_at + interval '0.1 s', 1, 202
	FROM events WHERE route = 'r01' AND rule = 'link' AND delivery_id IS NOT NULL ORDER BY received_at`

const fillAttempts = `INSERT INTO attempts (delivery_id, number, node, started_at, duration_ms, status)
	SELECT id, 1, 'edge-1', received_at, 100, last_status FROM deliveries WHERE state = 'delivered' AND route = 'r01'`

// release measures how fast what is held goes, tenth by tenth.
func (t *target) release(b *testing.B, held int) {
	b.Helper()
	before, began, rates := t.delivered.Load(), time.Now(), make([]string, 0, 10)
	for i := range 10 {
		for t.delivered.Load() < before+int64(held*(i+1)/10) {
			if time.Since(began) > 10*time.Minute {
				b.Fatalf("%d of %d were accepted in ten minutes", t.delivered.Load()-before, held)
			}
			time.Sleep(5 * time.Millisecond)
		}
		rates = append(rates, fmt.Sprintf("%.0f", float64(held/10)/time.Since(began).Seconds()))
		began = time.Now()
	}
	t.row("what was held", "accepted a second, by tenths", strings.Join(rates, " "))
}
