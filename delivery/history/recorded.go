package history

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/mapping"
)

// Recorded is an event as the history keeps it.
type Recorded struct {
	ID         uuid.UUID
	ReceivedAt time.Time
	Protocol   ingest.Protocol
	Source     netip.Addr
	Host       string
	Message    []byte

	Rule, Route, DedupKey, Summary string
	Decision                       mapping.Decision
	Action                         mapping.Action
	Severity                       mapping.Severity
	DeliveryID                     *uuid.UUID
	State                          string // of its delivery; empty: it has none
}

const recorded = `SELECT e.id, e.received_at, e.protocol, e.source, coalesce(e.host, ''), e.message, coalesce(e.rule, ''), coalesce(e.route, ''),
	coalesce(e.dedup_key, ''), coalesce(e.summary, ''), e.decision, coalesce(e.action, ''), coalesce(e.severity, ''), e.delivery_id, coalesce(d.state, '')
	FROM events e LEFT JOIN deliveries d ON d.id = e.delivery_id`

func scanRecorded(row pgx.CollectableRow) (r Recorded, err error) {
	var source *netip.Prefix
	err = row.Scan(&r.ID, &r.ReceivedAt, &r.Protocol, &source, &r.Host, &r.Message, &r.Rule, &r.Route,
		&r.DedupKey, &r.Summary, &r.Decision, &r.Action, &r.Severity, &r.DeliveryID, &r.State)
	if source != nil {
		r.Source = source.Addr()
	}
	return r, err
}

// Event returns an event. Its error is ErrUnknown where there is none.
func (d *Desk) Event(ctx context.Context, id uuid.UUID) (Recorded, error) {
	rows, err := d.pool.Query(ctx, recorded+` WHERE e.id = $1`, id)
	if err != nil {
		return Recorded{}, err
	}
	r, err := pgx.CollectExactlyOneRow(rows, scanRecorded)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrUnknown
	}
	return r, err
}

// recordedRows is how many events are read at a time.
const recordedRows = 2000

// Events gives take the events that were received since a time, in the order of
// their receipt. It writes nothing.
func (d *Desk) Events(ctx context.Context, since time.Time, take func(Recorded) error) error {
	at, id := since, uuid.Nil
	for {
		var page []Recorded
		err := pgx.BeginTxFunc(ctx, d.pool, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
			rows, err := tx.Query(ctx, recorded+` WHERE (e.received_at, e.id) > ($1, $2) AND e.received_at >= $1 ORDER BY e.received_at, e.id LIMIT $3`, at, id, recordedRows)
			if err != nil {
				return err
			}
			page, err = pgx.CollectRows(rows, scanRecorded)
			return err
		})
		if err != nil {
			return fmt.Errorf("read events: %w", err)
		}
		for _, r := range page {
			if err := take(r); err != nil {
				return err
			}
		}
		if len(page) < recordedRows {
			return nil
		}
		last := page[len(page)-1]
		at, id = last.ReceivedAt, last.ID
	}
}
