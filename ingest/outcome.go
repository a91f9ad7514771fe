package ingest

import "github.com/prometheus/client_golang/prometheus"

// Outcome says what became of a datagram or request. Each has exactly one.
type Outcome string

// The outcomes. Receivers count those that end before a rule has looked, the
// mapper the others.
const (
	Mapped    Outcome = "mapped"    // made one or more events, whatever was decided about them
	Unmatched Outcome = "unmatched" // no rule matched; a sample is kept in events
	Dropped   Outcome = "dropped"   // a rule says drop
	Lost      Outcome = "lost"      // mapped, but could not be made durable

	Malformed        Outcome = "malformed"         // not what the protocol allows
	Oversize         Outcome = "oversize"          // longer than the limit
	Empty            Outcome = "empty"             // a datagram without a byte
	Panicked         Outcome = "panicked"          // the codec panicked; contained
	RefusedSource    Outcome = "refused_source"    // not in the receiver's allow list
	RefusedCommunity Outcome = "refused_community" // SNMP v1/v2c, not in communities
	RefusedToken     Outcome = "refused_token"     // HTTP, no or a wrong token
	Unsupported      Outcome = "unsupported"       // well-formed, but nothing that we take: an SNMP GetRequest
)

// Tally counts messages by protocol and outcome. Its methods may be called
// from any goroutine.
type Tally struct{ messages *prometheus.CounterVec }

// NewTally returns a Tally whose counts are collected by r.
func NewTally(r prometheus.Registerer) *Tally {
	t := &Tally{messages: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "pdaltagent_messages_total",
		Help: "Messages received, by protocol and by what became of them.",
	}, []string{"protocol", "outcome"})}
	r.MustRegister(t.messages)
	return t
}

// Add counts n messages; it does nothing when n is 0.
func (t *Tally) Add(p Protocol, o Outcome, n int) {
	if n != 0 {
		t.messages.WithLabelValues(string(p), string(o)).Add(float64(n))
	}
}
