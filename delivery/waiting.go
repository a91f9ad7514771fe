package delivery

import (
	"time"

	"github.com/pdaltagent/pdaltagent/mapping"
)

// Waiting is what still needs something, on all nodes together.
type Waiting struct {
	States  map[State]int64 // deliveries that are held, queued or dead
	Backlog map[mapping.Severity]Backlog
}

// Backlog is what PagerDuty should have been told by now: deliveries that wait
// for others of their alert, for room on their route, or for their attempt. What
// a gate holds is none of it.
type Backlog struct {
	Deliveries int64
	Oldest     time.Time // receipt of the oldest; zero: there is none
}
