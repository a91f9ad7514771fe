package ingest

import "github.com/prometheus/client_golang/prometheus"

// Outcome says what became of a datagram or request, or of a connection that
// brought none. Each has exactly one.
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
	RefusedUser      Outcome = "refused_user"      // SNMPv3, no such user
	RefusedSecurity  Outcome = "refused_security"  // SNMPv3, not by the User-based Security Model, or not at the user's level
	RefusedDigest    Outcome = "refused_digest"    // SNMPv3, not authentic: forged, or another passphrase
	RefusedEngine    Outcome = "refused_engine"    // SNMPv3, one of too many engines a second that were not heard before
	Undecryptable    Outcome = "undecryptable"     // SNMPv3, authentic, but encrypted with another key
	Replayed         Outcome = "replayed"          // SNMPv3, outside the time window, or taken before
	Discovery        Outcome = "discovery"         // SNMPv3, from a sender that had yet to learn our engine id, and was told
	RefusedToken     Outcome = "refused_token"     // HTTP, no or a wrong token
	Unsupported      Outcome = "unsupported"       // well-formed, but nothing that we take: an SNMP GetRequest
	Overloaded       Outcome = "overloaded"        // HTTP, answered 503 before its body was read: too many large ones at once

	// What ends a connection before its first message counts as one.
	RefusedConnection Outcome = "refused_connection" // as many as the receiver's limit are open
	RefusedTLS        Outcome = "refused_tls"        // the TLS handshake failed
	RefusedProxy      Outcome = "refused_proxy"      // no PROXY header from a load balancer, or a wrong one
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
