package snmptrap

import (
	"bytes"
	"net/netip"

	"github.com/gosnmp/gosnmp"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// answer is the response to an INFORM, ready to be sent.
type answer struct {
	from   netip.Addr // ours
	to     netip.AddrPort
	packet []byte
}

// newAnswer returns the response to the INFORM that is the message of d: a
// copy of it as a Response-PDU without error (RFC 3416 section 4.2.7). A copy
// keeps what encoding it anew would lose, such as a request-id in an unusual
// length. The codec has accepted the message.
func newAnswer(d *ingest.Datagram, h header) answer {
	packet := bytes.Clone(d.Data[:h.size])
	packet[h.pdu] = byte(gosnmp.GetResponse)
	pdu, _ := readElement(packet[h.pdu:])
	requestID, _ := readElement(pdu.contents)
	rest := pdu.contents[requestID.size:]
	for range 2 { // error-status and error-index, whose length stays what it is
		field, _ := readElement(rest)
		clear(field.contents)
		rest = rest[field.size:]
	}
	return answer{from: d.To, to: d.From, packet: packet}
}
