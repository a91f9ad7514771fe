package delivery

import (
	"fmt"
	"time"
)

// Busy says that PagerDuty takes no more for now (429, or 403 on Events v1):
// nothing is wrong with the delivery, and it waits for as long as it takes.
type Busy struct {
	Status int
	After  time.Duration // from Retry-After; 0: PagerDuty did not say
	Answer string
}

// Error says what PagerDuty answered.
func (e *Busy) Error() string {
	if e.After > 0 {
		return fmt.Sprintf("answered %d: asks to wait %s", e.Status, e.After)
	}
	return fmt.Sprintf("answered %d: takes no more for now", e.Status)
}

// Rejected says that PagerDuty will never accept the delivery as it is.
type Rejected struct {
	Status int // 0: it was not sent at all
	Answer string
}

// Error holds PagerDuty's own words.
func (e *Rejected) Error() string {
	if e.Status == 0 {
		return "not sent: " + e.Answer
	}
	return fmt.Sprintf("rejected with %d: %s", e.Status, e.Answer)
}

// Failed says that an answer came which is neither acceptance nor rejection
// (5xx, 408, 425, an unexpected redirect): it is tried again with backoff.
type Failed struct {
	Status int
	Answer string
}

// Error holds PagerDuty's own words.
func (e *Failed) Error() string { return fmt.Sprintf("answered %d: %s", e.Status, e.Answer) }

// Unsent says that no connection was made, so that PagerDuty has not heard of
// the delivery: it is tried again with backoff.
type Unsent struct{ Reason string }

// Error is the reason.
func (e *Unsent) Error() string { return e.Reason }
