package snmptrap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"

	"github.com/gosnmp/gosnmp"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// listener turns the datagrams of one socket into messages. All that it holds
// is reused for the next batch.
type listener struct {
	*Receiver
	socket *ingest.UDP

	messages []ingest.Message
	traps    []ingest.Trap
	varbinds []ingest.Varbind // of all traps of the batch
	outcomes map[ingest.Outcome]int
}

// handle hands on what it takes of ds, in their order, and counts the rest.
func (l *listener) handle(ctx context.Context, ds []ingest.Datagram) {
	answers := l.decode(ds)
	for outcome, n := range l.outcomes {
		l.tally.Add(ingest.SNMP, outcome, n)
	}
	if len(l.messages) > 0 {
		l.handler.Handle(ctx, l.messages, l.whenDurable(answers))
	}
}

// decode fills l.messages and l.outcomes with what became of ds. It returns
// the answers to the INFORMs among them.
func (l *listener) decode(ds []ingest.Datagram) []answer {
	clear(l.outcomes)
	l.messages = l.messages[:0]
	l.traps = slices.Grow(l.traps[:0], len(ds)) // messages point into it
	l.varbinds = l.varbinds[:0]
	var answers []answer
	for i := range ds {
		d := &ds[i]
		h, outcome, reason := l.admit.check(d)
		if outcome == accepted {
			outcome, reason = l.take(d, h)
		}
		if outcome != accepted {
			l.refuse(d, outcome, reason)
			continue
		}
		if l.traps[len(l.traps)-1].Inform {
			answers = append(answers, newAnswer(d, h))
		}
	}
	return answers
}

// take appends the message of d, which was admitted. A panic, which some
// datagrams provoke in the codec, ends here.
func (l *listener) take(d *ingest.Datagram, h header) (outcome ingest.Outcome, reason string) {
	defer func() {
		if p := recover(); p != nil {
			outcome, reason = ingest.Panicked, panicReason(p)
		}
	}()
	packet, err := l.codec.UnmarshalTrap(d.Data[:h.size], false)
	if err != nil {
		return ingest.Malformed, malformedReason(err)
	}
	source := d.From.Addr().WithZone("")
	if agent := agentAddress(packet); usable(agent, source) {
		source = agent
	}
	l.traps = append(l.traps, ingest.Trap{})
	trap := &l.traps[len(l.traps)-1]
	l.varbinds = fillTrap(trap, packet, l.varbinds)
	l.messages = append(l.messages, ingest.Message{
		ID:         ingest.NewID(d.At),
		ReceivedAt: d.At,
		Protocol:   ingest.SNMP,
		Source:     source,
		Trap:       trap,
	})
	return accepted, ""
}

// panicReason says what panicked, if that cannot quote the datagram.
func panicReason(p any) string {
	if err, ok := p.(runtime.Error); ok {
		return "decoding it panicked: " + err.Error()
	}
	return "decoding it panicked"
}

// malformedReason says what the codec found wrong, without the octets that
// its errors quote.
func malformedReason(err error) string {
	for _, known := range []error{
		gosnmp.ErrBase128IntegerTooLarge, gosnmp.ErrBase128IntegerTruncated, gosnmp.ErrInvalidPacketLength,
		gosnmp.ErrIntegerTooLarge, gosnmp.ErrZeroLenInteger, gosnmp.ErrZeroByteBuffer,
		gosnmp.ErrFloatBufferTooShort, gosnmp.ErrFloatTooLarge,
	} {
		if errors.Is(err, known) {
			return "its PDU does not decode: " + known.Error()
		}
	}
	return "its PDU does not decode"
}

func (l *listener) refuse(d *ingest.Datagram, outcome ingest.Outcome, reason string) {
	l.outcomes[outcome]++
	if outcome == ingest.Panicked {
		l.panics.about(d, slog.LevelError, outcome, reason)
		return
	}
	level := slog.LevelWarn
	if outcome == ingest.Unsupported || outcome == ingest.Empty {
		level = slog.LevelDebug // port scanners send these
	}
	l.refused.about(d, level, outcome, reason)
}

// whenDurable returns what sends answers once the batch is durable; nil when
// there are none. An INFORM that was not made durable gets no answer, so that
// its sender repeats it.
func (l *listener) whenDurable(answers []answer) func(ingest.Receipt) {
	if len(answers) == 0 || !l.informs.TryAcquire(1) {
		return nil
	}
	return func(receipt ingest.Receipt) {
		defer l.informs.Release(1)
		if receipt.Err != nil {
			return
		}
		if err := l.send(answers); err != nil {
			l.log.Warn("informs not answered: their senders will repeat them", "error", err)
		}
	}
}

// send sends all answers, and returns the last error.
func (l *listener) send(answers []answer) (last error) {
	for _, a := range answers {
		if err := l.socket.Reply(a.packet, a.from, a.to); err != nil {
			last = fmt.Errorf("inform of %s: %w", a.to, err)
		}
	}
	return last
}
