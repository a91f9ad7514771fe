// Package delivery gets events to PagerDuty and remembers how that went. What
// comes in are mapping.Events; each is committed together with its alert and,
// if it is to be sent, its Delivery: one call that PagerDuty must accept. Each
// HTTP request made for a delivery is an Attempt. What it promises: an event
// that was acknowledged is delivered or dead-lettered with the answer that
// PagerDuty gave, the deliveries of one alert arrive in the order of receipt,
// and no integration key leaves the process but in a request to PagerDuty.
//
// The folders: queue owns River and the order of things, history the SQL,
// pagerduty the HTTP, sandbox a PagerDuty to practise with.
package delivery

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/mapping"
)

// State is a delivery's, as deliveries.state has it.
type State string

// The states. A delivery begins held or queued and ends in one of the others.
const (
	Held      State = "held"      // may not go yet: see Hold
	Queued    State = "queued"    // has its River job
	Delivered State = "delivered" // accepted
	Dead      State = "dead"      // refused, or given up; a person may retry it
	Cancelled State = "cancelled" // no longer wanted
)

// Hold says what a held delivery waits for, as deliveries.held_by has it.
type Hold string

// What a delivery may wait for. One that comes to the head of its alert waits
// for its route next.
const (
	ByAlert       Hold = "alert"       // an earlier delivery of its alert is not settled
	ByRoute       Hold = "route"       // its route has no room, or others of it are more urgent or older
	ByTime        Hold = "hold"        // its rule's hold time is not over
	ByMaintenance Hold = "maintenance" // a maintenance window is open
	ByParent      Hold = "parent"      // an alert that its rule names is open
)

// Delivery is one call that PagerDuty must accept.
type Delivery struct {
	ID         uuid.UUID // the id of the event that it was made for
	AlertID    uuid.UUID // zero for change events, which have no alert
	ReceivedAt time.Time
	Route      string
	API        ingest.API // what Body was posted for; empty: Events v2, for whatever API its route has
	Action     mapping.Action
	Severity   mapping.Severity
	State      State
	Attempts   int // how many were made so far

	// Body is what is sent, but for the integration key. See mapping.Event.
	Body        []byte
	ContentType string
}

// Attempt is one HTTP request that was made for a delivery, and what came back;
// or, where Number is 0, that none was made and the delivery is Held again.
type Attempt struct {
	Delivery *Delivery
	JobID    int64
	Number   int // 1 for the first
	Node     string
	Started  time.Time
	Duration time.Duration
	Status   int    // HTTP status; 0: no answer came
	Error    string // empty: accepted
	Response string // the beginning of the answer
	Unsure   bool   // no answer came, or that of a gateway: PagerDuty may have accepted it
	State    State  // the delivery's afterwards: Delivered, Dead, Queued when it will be tried again, Held when it waits for its route again
}

// Committed says what a batch of events became.
type Committed struct {
	Events    []*mapping.Event   // those that were written
	Decisions []mapping.Decision // what was decided about each of Events in the end
	Routes    []Route            // senders' routes that were put on record
	Crowded   []string           // the routes that had no room for all of it
}

// Admitted is a delivery that got its job.
type Admitted struct {
	ID    uuid.UUID
	Route string
}

// Answer is what PagerDuty said to an attempt that it accepted.
type Answer struct {
	Status int
	Body   string // the beginning of it
}

// Sender makes one attempt at a delivery. Its errors carry the verdict:
// *Busy and *Rejected as they say, anything else is tried again with backoff.
// No error text holds an integration key.
type Sender interface {
	Send(ctx context.Context, d *Delivery) (Answer, error)
}

// Priority returns the River priority of a severity: 1 for critical to 4 for
// info.
func Priority(s mapping.Severity) int {
	switch s {
	case mapping.Critical:
		return 1
	case mapping.Error:
		return 2
	case mapping.Info:
		return 4
	case mapping.Warning:
		return 3
	}
	return 3
}
