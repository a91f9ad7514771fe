package httpevent

import (
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// refusal is the end of a request that is not handed on.
type refusal struct {
	outcome ingest.Outcome
	answer  answer
}

func malformed(faults ...string) *refusal {
	return &refusal{ingest.Malformed, invalid(faults...)}
}

func tooLarge(limit int64) *refusal {
	return &refusal{ingest.Oversize, answer{http.StatusRequestEntityTooLarge, reply{
		Status:  "invalid event",
		Message: "Event object is too large",
		Errors:  []string{"the body is longer than " + strconv.FormatInt(limit, 10) + " bytes, the limit that ingest.http.max_body_bytes sets"},
	}}}
}

func tooSlow() *refusal {
	return &refusal{ingest.Malformed, answer{http.StatusRequestTimeout, reply{
		Status:  "timeout",
		Message: "The body did not come in time: retry later",
		Errors:  []string{"the whole request must come within " + readWithin.String()},
	}}}
}

func unknownEncoding() *refusal {
	return &refusal{ingest.Unsupported, answer{http.StatusUnsupportedMediaType, reply{
		Status:  "unsupported encoding",
		Message: "The body has a Content-Encoding that is not taken",
		Errors:  []string{"Content-Encoding must be gzip or absent"},
	}}}
}

func wrongSource() *refusal {
	return &refusal{ingest.RefusedSource, answer{http.StatusForbidden, reply{
		Status:  "forbidden",
		Message: "Events from this address are not taken",
		Errors:  []string{"the address is not in a network that ingest.http.allow lists"},
	}}}
}

func wrongToken() *refusal {
	return &refusal{ingest.RefusedToken, answer{http.StatusUnauthorized, reply{
		Status:  "unauthorized",
		Message: "The token is missing or wrong",
		Errors:  []string{"send the token of ingest.http as Authorization: Bearer TOKEN, or as Authorization: Token token=TOKEN"},
	}}}
}

func wrongPath() *refusal {
	return &refusal{ingest.Unsupported, answer{http.StatusNotFound, reply{
		Status:  "not found",
		Message: "No events are taken at this path",
		Errors:  []string{"post to " + paths()},
	}}}
}

func wrongMethod(allowed string) *refusal {
	return &refusal{ingest.Unsupported, answer{http.StatusMethodNotAllowed, reply{
		Status:  "method not allowed",
		Message: "This path takes " + allowed,
	}}}
}

func overloaded() *refusal {
	return &refusal{ingest.Overloaded, unavailable("too many large bodies are being taken at once")}
}

func panicked() *refusal {
	return &refusal{ingest.Panicked, answer{http.StatusInternalServerError, reply{
		Status:  "internal error",
		Message: "The event could not be read",
	}}}
}

// refusals is how many refusals were not logged: at most one a second is, so
// that a misconfigured sender does not fill the disk. Every one is counted.
type refusals struct {
	mu       sync.Mutex
	last     time.Time
	unlogged int
}

// next reports whether the refusal at now may be logged, and how many were
// not since the last that was.
func (n *refusals) next(now time.Time) (unlogged int, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if now.Sub(n.last) < time.Second {
		n.unlogged++
		return 0, false
	}
	unlogged, n.unlogged, n.last = n.unlogged, 0, now
	return unlogged, true
}

// refuseConnections counts connections that were closed, or not taken, for
// want of room.
func (r *Receiver) refuseConnections(n int, last net.Addr) {
	r.tally.Add(ingest.HTTP, ingest.RefusedConnection, n)
	if unlogged, ok := r.crowded.next(time.Now()); ok {
		r.log.Warn("as many connections are open as ingest.http.max_connections allows; those that waited longest are closed",
			"max_connections", r.connections.max, "closed_unheard", n, "last", last, "times_unlogged", unlogged)
	}
}

func (r *Receiver) refuse(w http.ResponseWriter, m *ingest.Message, path string, no *refusal) {
	r.tally.Add(ingest.HTTP, no.outcome, 1)
	if unlogged, ok := r.refusals.next(m.ReceivedAt); ok {
		r.log.Warn("event refused",
			"id", m.ID,
			"source", m.Source,
			"path", path,
			"outcome", no.outcome,
			"faults", no.answer.reply.Errors,
			"refused_unlogged", unlogged,
		)
	}
	no.answer.write(w)
}
