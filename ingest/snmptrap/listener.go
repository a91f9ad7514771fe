package snmptrap

import (
	"context"
	"log/slog"
	"runtime"
	"slices"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// listener turns the datagrams of one socket into messages. All that it holds
// is reused for the next batch.
type listener struct {
	*Receiver
	socket *ingest.UDP

	ids      ingest.IDs
	header   header // of the datagram that is decoded
	reader   reader
	messages []ingest.Message
	traps    []ingest.Trap
	varbinds []ingest.Varbind // of all traps of the batch
	outcomes map[ingest.Outcome]int
	answers  []answer // to the INFORMs of the batch, which outlive it
	reports  []answer // to messages that are refused
	secured  secured  // the v3 message that is decoded
	original []byte   // the datagram that it is, as it came: decoding changes it
}

func newListener(r *Receiver, socket *ingest.UDP) *listener {
	return &listener{Receiver: r, socket: socket, outcomes: map[ingest.Outcome]int{}}
}

// handle hands on what it takes of ds, in their order, and counts the rest.
func (l *listener) handle(ctx context.Context, ds []ingest.Datagram) {
	l.decode(ds)
	for outcome, n := range l.outcomes {
		l.tally.Add(ingest.SNMP, outcome, n)
	}
	if err := l.send(l.reports); err != nil {
		l.log.Debug("reports not sent: senders of v3 informs will ask again", "error", err)
	}
	if len(l.messages) > 0 {
		l.handler.Handle(ctx, l.messages, l.whenDurable(l.answers))
	}
}

// decode fills l.messages, l.outcomes, l.answers and l.reports with what
// became of ds.
func (l *listener) decode(ds []ingest.Datagram) {
	clear(l.outcomes)
	l.messages = l.messages[:0]
	l.traps = slices.Grow(l.traps[:0], len(ds)) // messages point into it
	l.varbinds = l.varbinds[:0]
	l.reader.text = l.reader.text[:0]
	l.answers, l.reports = nil, l.reports[:0]
	for i := range ds {
		if r := l.decodeOne(&ds[i]); r.outcome != accepted {
			l.refuse(&ds[i], r)
		}
	}
}

// decodeOne appends the message of d, or returns why there is none.
func (l *listener) decodeOne(d *ingest.Datagram) refusal {
	if r := l.admit.check(d, &l.header); r.outcome != accepted {
		return r
	}
	return l.take(d, &l.header)
}

// take appends the message of d, which was admitted, and the answer to it. A
// panic, which some datagrams provoke in the codec, ends here.
func (l *listener) take(d *ingest.Datagram, h *header) (r refusal) {
	n := notification{trap: l.nextTrap(), first: len(l.varbinds), varbinds: l.varbinds}
	defer func() {
		if p := recover(); p != nil {
			r = refusal{outcome: ingest.Panicked, reason: panicReason(p)}
		}
	}()
	n.trap.Version = versionName(h.version)
	if h.version == version3 {
		r = l.takeSecured(&n, d, h)
	} else {
		r = l.takeCommunity(&n, d, h)
	}
	if r.outcome == accepted {
		l.append(d, &n)
	}
	return r
}

// takeCommunity fills n with the v1 or v2c message with the header h that is
// d, and appends the answer to it if it is an INFORM.
func (l *listener) takeCommunity(n *notification, d *ingest.Datagram, h *header) refusal {
	n.trap.Community = l.community(h.community)
	if fault := l.reader.pdu(n, d.Data[h.pdu:h.size]); fault != "" {
		return refusal{outcome: ingest.Malformed, reason: fault}
	}
	if n.trap.Inform {
		l.answers = append(l.answers, newAnswer(d, h))
	}
	return refusal{}
}

// nextTrap returns the Trap that the next message gets.
func (l *listener) nextTrap() *ingest.Trap {
	l.traps = append(l.traps, ingest.Trap{})
	return &l.traps[len(l.traps)-1]
}

// community returns octets as text: one that is configured, where it is one of
// them, else a copy.
func (l *listener) community(octets []byte) ingest.Secret {
	for _, c := range l.admit.communities {
		if c.Reveal() == string(octets) {
			return c
		}
	}
	return ingest.Secret(octets)
}

// append appends the message of d, of which n is complete.
func (l *listener) append(d *ingest.Datagram, n *notification) {
	n.end()
	l.varbinds = n.varbinds
	source := d.From.Addr().WithZone("")
	if usable(n.agent, source) {
		source = n.agent
	}
	l.messages = append(l.messages, ingest.Message{
		ID:         l.ids.Next(d.At),
		ReceivedAt: d.At,
		Protocol:   ingest.SNMP,
		Source:     source,
		Trap:       n.trap,
	})
}

// panicReason says what panicked, if that cannot quote the datagram.
func panicReason(p any) string {
	if err, ok := p.(runtime.Error); ok {
		return "decoding it panicked: " + err.Error()
	}
	return "decoding it panicked"
}

func (l *listener) refuse(d *ingest.Datagram, r refusal) {
	l.outcomes[r.outcome]++
	level := slog.LevelWarn
	switch r.outcome {
	case ingest.Unsupported, ingest.Empty, ingest.Discovery: // port scanners send the first two
		level = slog.LevelDebug
	case ingest.Malformed:
		if l.quarantine.Keep(d, r.reason) {
			return
		}
	case ingest.Panicked:
		if !l.quarantine.Keep(d, r.reason) {
			l.panics.about(d, slog.LevelError, r, l.named())
		}
		return
	default:
	}
	l.refused.about(d, level, r, l.named())
}

// named returns the v3 message that was decoded last, if it is of v3.
func (l *listener) named() *secured {
	if l.header.version != version3 {
		return nil
	}
	return &l.secured
}
