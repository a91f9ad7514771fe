// Package ingest is where messages come in: each receiver (snmptrap, syslog,
// httpevent) turns the bytes of one protocol into Messages and hands them to a
// Handler. What comes in is a datagram or a request; what goes out is a
// Message with an id, the time of its receipt and the address it came from.
//
// Every datagram or request ends in exactly one Outcome, and every Outcome is
// counted. A receiver never decides what a message means: that is a rule's
// work, in package mapping.
package ingest

import (
	"context"
	"net/netip"
	"time"

	"github.com/google/uuid"
)

// Protocol names the way a message came in. It is stored in events.protocol.
type Protocol string

// The protocols that messages come by.
const (
	SNMP   Protocol = "snmp"
	Syslog Protocol = "syslog"
	HTTP   Protocol = "http"
	Fetch  Protocol = "fetch"
)

// Message is what one device or program told us, before any rule has looked
// at it. Exactly one of Trap, Line and Request is set.
//
// A Message and all that it points to belong to the receiver that made it,
// which reuses them after Handle returns: strings may alias the buffer that a
// datagram was read into. Whoever keeps a part of one keeps a copy.
type Message struct {
	ID         uuid.UUID  // UUIDv7, minted at the socket
	ReceivedAt time.Time  // when the kernel received it, where it says so
	Protocol   Protocol   //
	Source     netip.Addr // the device that speaks: the peer, or a v1 trap's agent-addr
	Host       string     // the name that the message gives itself; empty: none

	Trap    *Trap
	Line    *Line
	Request *Request
}

// Origin is the name that rules know as source: the host name that the
// message gives itself, else its address.
func (m *Message) Origin() string {
	if m.Host != "" {
		return m.Host
	}
	if !m.Source.IsValid() {
		return ""
	}
	return m.Source.String()
}

// Receipt says what became of messages that were handed to a Handler.
type Receipt struct {
	Events   int    // how many events the messages made, whatever was decided about them
	DedupKey string // of the first event; empty where it has none
	Err      error  // nil: durable, or deliberately ignored
}

// Handler takes what a receiver received.
type Handler interface {
	// Handle maps ms and queues what comes of them. It keeps nothing of ms
	// after it has returned, and blocks only while the queue is full, which
	// is how a receiver learns to wait. done, if not nil, is called exactly
	// once, from any goroutine, when all of ms is durable or deliberately
	// ignored (Receipt.Err is nil), or could not be made durable: only then
	// may a sender be told that it was heard.
	Handle(ctx context.Context, ms []Message, done func(Receipt))
}

// HandlerFunc is a function that is a Handler.
type HandlerFunc func(ctx context.Context, ms []Message, done func(Receipt))

// Handle calls f.
func (f HandlerFunc) Handle(ctx context.Context, ms []Message, done func(Receipt)) { f(ctx, ms, done) }
