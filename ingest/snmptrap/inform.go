package snmptrap

import (
	"bytes"
	"fmt"
	"net/netip"
	"time"

	"github.com/gosnmp/gosnmp"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// answer is the response to an INFORM, or a report, ready to be sent.
type answer struct {
	from   netip.Addr // ours
	to     netip.AddrPort
	packet []byte
	code   uint64 // secured.code of the INFORM; 0: none
}

// newAnswer returns the response to the v2c INFORM that is the message of d.
func newAnswer(d *ingest.Datagram, h *header) answer {
	packet := bytes.Clone(d.Data[:h.size])
	respond(packet[h.pdu:])
	return answer{from: d.To, to: d.From, packet: packet}
}

// respond makes of an InformRequest-PDU, which decodes, the Response-PDU
// without error that answers it (RFC 3416 section 4.2.7). What encoding it
// anew would lose stays, such as a request-id in an unusual length.
func respond(packet []byte) {
	packet[0] = byte(gosnmp.GetResponse)
	pdu, _, _ := readElement(packet)
	_, rest, _ := readElement(pdu.contents) // behind the request-id
	for range 2 {                           // error-status and error-index, whose length stays what it is
		var field element
		field, rest, _ = readElement(rest)
		clear(field.contents)
	}
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
		l.security.take(answers, time.Now())
		if err := l.send(answers); err != nil {
			l.log.Warn("informs not answered: their senders will repeat them", "error", err)
		}
	}
}

// send sends all answers, and returns the last error.
func (l *listener) send(answers []answer) (last error) {
	for _, a := range answers {
		if err := l.socket.Reply(a.packet, a.from, a.to); err != nil {
			last = fmt.Errorf("answer to %s: %w", a.to, err)
		}
	}
	return last
}
