package history

import (
	"context"
	"net/netip"
	"time"
	"unsafe"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/mapping"
)

// eventRows are rows of events, a slice a column, as unnest takes them.
type eventRows struct {
	id, delivery, alert            []pgtype.UUID
	receivedAt                     []time.Time
	protocol, host, rule, decision []string
	route, action, dedupKey        []pgtype.Text
	severity, summary              []pgtype.Text
	payload, message               []pgtype.Text
	source                         []*netip.Addr
}

func (r *eventRows) grow(n int) {
	for _, column := range []*[]pgtype.UUID{&r.id, &r.delivery, &r.alert} {
		*column = make([]pgtype.UUID, 0, n)
	}
	for _, column := range []*[]string{&r.protocol, &r.host, &r.rule, &r.decision} {
		*column = make([]string, 0, n)
	}
	for _, column := range []*[]pgtype.Text{&r.route, &r.action, &r.dedupKey, &r.severity, &r.summary, &r.payload, &r.message} {
		*column = make([]pgtype.Text, 0, n)
	}
	r.receivedAt = make([]time.Time, 0, n)
	r.source = make([]*netip.Addr, 0, n)
}

func (r *eventRows) add(e *entry) {
	r.id = append(r.id, uuidOrNull(e.ID))
	r.receivedAt = append(r.receivedAt, e.ReceivedAt)
	r.protocol = append(r.protocol, string(e.Protocol))
	r.host = append(r.host, e.Host)
	r.rule = append(r.rule, e.Rule)
	r.decision = append(r.decision, string(e.decision))
	r.route = append(r.route, orNull(e.route))
	r.action = append(r.action, orNull(string(e.Action)))
	r.dedupKey = append(r.dedupKey, orNull(e.DedupKey))
	r.severity = append(r.severity, orNull(string(e.Severity)))
	r.summary = append(r.summary, orNull(e.Summary))
	r.payload = append(r.payload, orNull(text(e.Payload)))
	r.message = append(r.message, orNull(text(e.Message)))
	r.source = append(r.source, addrOrNull(e.Source))
	r.alert = append(r.alert, e.alert.idOrNull())
	if e.decision == mapping.Queued {
		r.delivery = append(r.delivery, uuidOrNull(e.ID))
	} else {
		r.delivery = append(r.delivery, pgtype.UUID{})
	}
}

func (r *eventRows) queue(q *pgx.Batch) {
	if len(r.id) == 0 {
		return
	}
	q.Queue(`INSERT INTO events (id, received_at, protocol, source, host, rule, decision, route, action, dedup_key,
			severity, summary, payload, message, alert_id, delivery_id)
		SELECT id, received_at, protocol, source, nullif(host, ''), nullif(rule, ''), decision, route, action, dedup_key,
			severity, summary, payload::jsonb, message::jsonb, alert_id, delivery_id
		FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::inet[], $5::text[], $6::text[], $7::text[], $8::text[],
			$9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::uuid[], $16::uuid[])
			AS batch (id, received_at, protocol, source, host, rule, decision, route, action, dedup_key,
			severity, summary, payload, message, alert_id, delivery_id)`,
		flat(r.id), r.receivedAt, r.protocol, r.source, r.host, r.rule, r.decision, flat(r.route),
		flat(r.action), flat(r.dedupKey), flat(r.severity), flat(r.summary), flat(r.payload), flat(r.message), flat(r.alert), flat(r.delivery))
}

// deliveryRows are rows of deliveries.
type deliveryRows struct {
	id, alert                    []pgtype.UUID
	receivedAt                   []time.Time
	route, api, action, dedupKey []string
	severity, state              []string
	priority                     []int16
	body                         [][]byte
	contentType                  []pgtype.Text
}

func (r *deliveryRows) grow(n int) {
	r.id = make([]pgtype.UUID, 0, n)
	r.receivedAt = make([]time.Time, 0, n)
}

func (r *deliveryRows) add(e *entry, state delivery.State) {
	r.id = append(r.id, uuidOrNull(e.ID))
	r.alert = append(r.alert, e.alert.idOrNull())
	r.receivedAt = append(r.receivedAt, e.ReceivedAt)
	r.route = append(r.route, e.route)
	r.api = append(r.api, string(e.api))
	r.action = append(r.action, string(e.Action))
	r.dedupKey = append(r.dedupKey, e.DedupKey)
	r.severity = append(r.severity, string(e.Severity))
	r.priority = append(r.priority, int16(delivery.Priority(e.Severity)))
	r.state = append(r.state, string(state))
	r.body = append(r.body, hideKey(e.Body, e.Key))
	r.contentType = append(r.contentType, orNull(e.ContentType))
}

// queue writes the deliveries, whose seq follows the order of the rows, and
// gives a job to those that are queued.
func (r *deliveryRows) queue(q *pgx.Batch, jobs string) {
	if len(r.id) == 0 {
		return
	}
	q.Queue(withJobs(`INSERT INTO deliveries (id, event_id, alert_id, received_at, kind, route, api, action, dedup_key,
			severity, priority, state, body, content_type)
		SELECT id, id, alert_id, received_at, 'event', route, api, action, dedup_key,
			severity, priority, state, body, content_type
		FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::text[],
			$8::text[], $9::smallint[], $10::text[], $11::bytea[], $12::text[]) WITH ORDINALITY
			AS batch (id, alert_id, received_at, route, api, action, dedup_key, severity, priority, state, body, content_type, n)
		ORDER BY n`, jobs),
		flat(r.id), flat(r.alert), r.receivedAt, r.route, r.api, r.action, r.dedupKey, r.severity, r.priority, r.state, r.body, flat(r.contentType))
}

// withJobs returns a statement that does what change does to deliveries and
// gives a job to those that are queued after it.
func withJobs(change, jobs string) string {
	if jobs == "" {
		return change
	}
	return "WITH changed AS (" + change + ` RETURNING deliveries.id, deliveries.priority, deliveries.state, deliveries.seq),
		ready AS (SELECT id, priority FROM changed WHERE state = 'queued' ORDER BY seq) ` + jobs
}

// queueAlerts writes the alerts that a batch has decided about.
func queueAlerts(q *pgx.Batch, alerts []*alert) {
	var (
		ids                                []pgtype.UUID
		routes, keys, statuses, severities []string
		summaries, sources, rules          []string
		first, last                        []time.Time
		resolvedAt                         []*time.Time
		occurrences                        []int64
	)
	for _, a := range alerts {
		if a.status == "" {
			continue // met by what was only recorded
		}
		ids = append(ids, uuidOrNull(a.id))
		routes, keys = append(routes, a.key.route), append(keys, a.key.dedupKey)
		statuses, severities = append(statuses, a.status), append(severities, string(a.severity))
		summaries, sources, rules = append(summaries, a.summary), append(sources, a.source), append(rules, a.rule)
		first, last, resolvedAt = append(first, a.firstAt), append(last, a.lastAt), append(resolvedAt, a.resolvedAt)
		occurrences = append(occurrences, a.occurrences)
	}
	if len(ids) == 0 {
		return
	}
	q.Queue(`INSERT INTO alerts (id, route, dedup_key, status, severity, summary, source, rule, first_at, last_at, resolved_at, occurrences)
		SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
			$9::timestamptz[], $10::timestamptz[], $11::timestamptz[], $12::bigint[])
		ON CONFLICT (id) DO UPDATE SET status = excluded.status, severity = excluded.severity, summary = excluded.summary,
			source = excluded.source, rule = excluded.rule, first_at = excluded.first_at, last_at = excluded.last_at,
			resolved_at = excluded.resolved_at, occurrences = excluded.occurrences`,
		flat(ids), routes, keys, statuses, severities, summaries, sources, rules, first, last, resolvedAt, occurrences)
}

func queueKeys(q *pgx.Batch, routes []delivery.Route) {
	for _, route := range routes {
		q.Queue(`INSERT INTO sender_keys (route, key) VALUES ($1, $2) ON CONFLICT (route) DO NOTHING`,
			route.Name, []byte(route.Key.Reveal()))
	}
}

// write sends all rows of the batch and commits, in one round trip.
func (b *batch) write(ctx context.Context, conn *pgx.Conn, config Config) error {
	var q pgx.Batch
	queueAlerts(&q, b.order)
	b.events.queue(&q)
	b.deliveries.queue(&q, config.Jobs)
	queueKeys(&q, b.routes)
	queueCommit(&q, config)
	return conn.SendBatch(ctx, &q).Close()
}

func queueCommit(q *pgx.Batch, config Config) {
	if config.Announce != "" {
		q.Queue(config.Announce)
	}
	q.Queue("COMMIT")
}

func (a *alert) idOrNull() pgtype.UUID {
	if a == nil || a.status == "" {
		return pgtype.UUID{}
	}
	return uuidOrNull(a.id)
}

func uuidOrNull(id uuid.UUID) pgtype.UUID { return pgtype.UUID{Bytes: id, Valid: id != uuid.Nil} }

// text returns b as a string without a copy: events never change.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// flat has pgx encode a slice without reflection.
func flat[T any](s []T) pgtype.FlatArray[T] { return s }

func orNull(s string) pgtype.Text { return pgtype.Text{String: s, Valid: s != ""} }

func addrOrNull(a netip.Addr) *netip.Addr {
	if !a.IsValid() {
		return nil
	}
	a = a.WithZone("")
	return &a
}
