package sandbox

import (
	"encoding/json"
	"iter"
	"time"
)

// Event is a request to one of the API's paths, and how it was answered.
type Event struct {
	ReceivedAt time.Time // when its header had come
	Endpoint   string    // as it is routed: "/v2/enqueue", "/x-ere/{routing_key}"
	Status     int       // that it was answered with; 0: it was not answered

	RoutingKeySuffix string // the last four characters of the integration key
	Action           string // trigger, acknowledge, resolve, change; empty: not said
	DedupKey         string // the sender's, else the one that the answer gave
	Severity         string
	Summary          string

	// Body is as it came but for the key: a JSON object that held one is
	// written anew, its members sorted.
	Body []byte
}

// Accepted reports whether the sender was told that PagerDuty has the event.
func (e *Event) Accepted() bool { return e.Status/100 == 2 }

// MarshalJSON writes a Body that is JSON as such, and every other as text.
func (e *Event) MarshalJSON() ([]byte, error) {
	var body any = string(e.Body)
	if json.Valid(e.Body) {
		body = json.RawMessage(e.Body)
	}
	return json.Marshal(struct {
		ReceivedAt       time.Time `json:"received_at"`
		Endpoint         string    `json:"endpoint"`
		Status           int       `json:"status"`
		RoutingKeySuffix string    `json:"routing_key_suffix"`
		Action           string    `json:"action"`
		DedupKey         string    `json:"dedup_key"`
		Severity         string    `json:"severity"`
		Summary          string    `json:"summary"`
		Body             any       `json:"body"`
	}{e.ReceivedAt, e.Endpoint, e.Status, e.RoutingKeySuffix, e.Action, e.DedupKey, e.Severity, e.Summary, body})
}

// suffix is all that is kept of a key; of one that is far too short, nothing.
func suffix(key string) string {
	if len(key) < 16 {
		return ""
	}
	return key[len(key)-4:]
}

// journal is a ring of the last events.
type journal struct {
	keep   int
	ring   []Event
	oldest int // its place in ring, once that is full

	accepted, refused, forgotten int64
}

func (j *journal) add(e Event) {
	if e.Accepted() {
		j.accepted++
	} else {
		j.refused++
	}
	if len(j.ring) < j.keep {
		j.ring = append(j.ring, e)
		return
	}
	j.ring[j.oldest] = e
	j.oldest = (j.oldest + 1) % j.keep
	j.forgotten++
}

// all yields the events, the oldest first.
func (j *journal) all() iter.Seq[*Event] {
	return func(yield func(*Event) bool) {
		for i := range j.ring {
			if !yield(&j.ring[(j.oldest+i)%len(j.ring)]) {
				return
			}
		}
	}
}

// clear forgets everything, the counts too.
func (j *journal) clear() { *j = journal{keep: j.keep} }
