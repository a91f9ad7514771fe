package history

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/mapping"
)

// Listed is a delivery as people see it. Names are those of the columns.
type Listed struct {
	ID          uuid.UUID        `json:"id"`
	Kind        string           `json:"kind"`
	State       delivery.State   `json:"state"`
	HeldBy      delivery.Hold    `json:"held_by,omitempty"`
	DueAt       *time.Time       `json:"due_at,omitempty"`
	Parent      string           `json:"parent,omitempty"`
	Behind      *uuid.UUID       `json:"behind,omitempty"` // held by its alert: the delivery that it waits for
	Route       string           `json:"route"`
	Severity    mapping.Severity `json:"severity"`
	Action      mapping.Action   `json:"action"`
	DedupKey    string           `json:"dedup_key"`
	Summary     string           `json:"summary"`
	ReceivedAt  time.Time        `json:"received_at"`
	DeliveredAt *time.Time       `json:"delivered_at,omitempty"`
	Attempts    int              `json:"attempts"`
	LastStatus  int              `json:"last_status,omitempty"`
	LastError   string           `json:"last_error,omitempty"`
}

// List returns the deliveries that are meant, the oldest first. More reports
// that there are others.
func (d *Desk) List(ctx context.Context, c Choice) (list []Listed, more bool, err error) {
	wanted := c.Limit
	if wanted > 0 {
		c.Limit++
	}
	where, args := c.where()
	rows, err := d.pool.Query(ctx, `SELECT d.id, d.kind, d.state, coalesce(d.held_by, ''), d.due_at, coalesce(d.parent, ''),
			CASE WHEN d.held_by = 'alert' THEN (SELECT o.id FROM deliveries o WHERE o.alert_id = d.alert_id AND o.state IN ('held', 'queued')
				AND (o.held_by IN ('alert', 'route')) IS NOT FALSE ORDER BY o.seq LIMIT 1) END,
			d.route, d.severity, d.action, d.dedup_key, coalesce(e.summary, ''), d.received_at, d.delivered_at, d.attempts,
			coalesce(d.last_status, 0), coalesce(d.last_error, '')
		FROM (SELECT * FROM deliveries d WHERE `+where+` ORDER BY d.seq`+c.limit()+`) AS d
		LEFT JOIN events e ON e.id = d.event_id AND e.received_at = d.received_at ORDER BY d.seq`, args)
	if err != nil {
		return nil, false, err
	}
	list, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Listed])
	if wanted > 0 && len(list) > wanted {
		return list[:wanted], true, err
	}
	return list, false, err
}

// Told is all that is known of a delivery.
type Told struct {
	Delivery     Listed            `json:"delivery"`
	Event        *ToldEvent        `json:"event,omitempty"`
	Alert        *ToldAlert        `json:"alert,omitempty"`
	Attempts     []ToldAttempt     `json:"attempts"`
	Intervention *ToldIntervention `json:"intervention,omitempty"` // the last one
}

// ToldEvent is the event that a delivery was made for.
type ToldEvent struct {
	ReceivedAt time.Time        `json:"received_at"`
	Protocol   string           `json:"protocol"`
	Source     string           `json:"source,omitempty"`
	Host       string           `json:"host,omitempty"`
	Rule       string           `json:"rule,omitempty"`
	Decision   mapping.Decision `json:"decision"`
	Payload    json.RawMessage  `json:"payload,omitempty"` // what PagerDuty is told
	Message    json.RawMessage  `json:"message,omitempty"` // what the sender said
}

// ToldAlert is the alert that a delivery is about.
type ToldAlert struct {
	ID          uuid.UUID       `json:"id"`
	Status      delivery.Status `json:"status"`
	Summary     string          `json:"summary"`
	FirstAt     time.Time       `json:"first_at"`
	LastAt      time.Time       `json:"last_at"`
	ResolvedAt  *time.Time      `json:"resolved_at,omitempty"`
	Occurrences int64           `json:"occurrences"`
}

// ToldAttempt is an HTTP request that was made for a delivery.
type ToldAttempt struct {
	Number     int       `json:"number"`
	Node       string    `json:"node"`
	StartedAt  time.Time `json:"started_at"`
	DurationMS float64   `json:"duration_ms"`
	Status     int       `json:"status,omitempty"`
	Error      string    `json:"error,omitempty"`
	Response   string    `json:"response,omitempty"`
}

// ToldIntervention is what somebody did to a delivery.
type ToldIntervention struct {
	At   time.Time `json:"at"`
	Who  string    `json:"who"`
	What string    `json:"what"`
	Why  string    `json:"why,omitempty"`
}

// ErrUnknown says that no delivery has an id.
var ErrUnknown = errors.New("no delivery has this id")

// Show tells all that is known of a delivery. Its error is ErrUnknown where
// there is none.
func (d *Desk) Show(ctx context.Context, id uuid.UUID) (t Told, err error) {
	list, _, err := d.List(ctx, Choice{IDs: []uuid.UUID{id}})
	if err != nil {
		return t, err
	}
	if len(list) == 0 {
		return t, ErrUnknown
	}
	t.Delivery = list[0]
	var q pgx.Batch
	ask(&q, &t.Event, `SELECT e.received_at, e.protocol, coalesce(host(e.source), ''), coalesce(e.host, ''), coalesce(e.rule, ''), e.decision, e.payload, e.message
		FROM deliveries d JOIN events e ON e.id = d.event_id AND e.received_at = d.received_at WHERE d.id = $1`, id)
	ask(&q, &t.Alert, `SELECT a.id, a.status, a.summary, a.first_at, a.last_at, a.resolved_at, a.occurrences
		FROM deliveries d JOIN alerts a ON a.id = d.alert_id WHERE d.id = $1`, id)
	ask(&q, &t.Intervention, `SELECT i.at, i.who, i.what, i.why FROM deliveries d JOIN interventions i ON i.id = d.intervention_id WHERE d.id = $1`, id)
	q.Queue(`SELECT number, node, started_at, duration_ms, coalesce(status, 0), coalesce(error, ''), coalesce(response, '')
		FROM attempts WHERE delivery_id = $1 ORDER BY started_at`, id).Query(func(rows pgx.Rows) (err error) {
		t.Attempts, err = pgx.CollectRows(rows, pgx.RowToStructByPos[ToldAttempt])
		return err
	})
	return t, d.pool.SendBatch(ctx, &q).Close()
}

// ask reads one row into a struct; nil where there is none.
func ask[T any](q *pgx.Batch, to **T, query string, id uuid.UUID) {
	q.Queue(query, id).Query(func(rows pgx.Rows) error {
		v, err := pgx.CollectOneRow(rows, pgx.RowToAddrOfStructByPos[T])
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		*to = v
		return err
	})
}
