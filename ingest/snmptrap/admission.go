package snmptrap

import (
	"crypto/subtle"

	"github.com/gosnmp/gosnmp"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// accepted is the outcome that is not counted here: the Handler counts what
// becomes of a message.
const accepted ingest.Outcome = ""

// admission decides which datagrams the codec sees.
type admission struct {
	communities []ingest.Secret
	allow       ingest.AllowList
}

// check returns accepted, or why d is refused, in words that quote nothing of
// it.
func (a admission) check(d *ingest.Datagram) (h header, outcome ingest.Outcome, reason string) {
	switch {
	case !a.allow.Permits(d.From.Addr()):
		return h, ingest.RefusedSource, "the sender is not in ingest.snmp.allow"
	case len(d.Data) == 0:
		return h, ingest.Empty, "the datagram is empty"
	case d.Truncated:
		return h, ingest.Oversize, "the datagram is longer than what a socket can receive"
	}
	h, fault := readHeader(d.Data)
	if fault != "" {
		return h, ingest.Malformed, fault
	}
	switch gosnmp.SnmpVersion(h.version) {
	case gosnmp.Version1, gosnmp.Version2c:
	case gosnmp.Version3:
		return h, ingest.Unsupported, "SNMPv3 is not taken"
	default:
		return h, ingest.Malformed, "no SNMP version that exists"
	}
	if outcome, reason := checkPDU(d.Data[h.pdu]); outcome != accepted {
		return h, outcome, reason
	}
	if !a.knows(h.community) {
		return h, ingest.RefusedCommunity, "its community is not in ingest.snmp.communities"
	}
	return h, accepted, ""
}

func checkPDU(tag byte) (ingest.Outcome, string) {
	switch gosnmp.PDUType(tag) {
	case gosnmp.Trap, gosnmp.SNMPv2Trap, gosnmp.InformRequest:
		return accepted, ""
	case gosnmp.GetRequest, gosnmp.GetNextRequest, gosnmp.GetBulkRequest, gosnmp.SetRequest, gosnmp.GetResponse, gosnmp.Report:
		return ingest.Unsupported, "a request or response, not a notification"
	case gosnmp.Sequence:
	}
	return ingest.Malformed, "no PDU type that exists"
}

// knows compares community with each that is configured, in a time that says
// nothing about how much of one was right.
func (a admission) knows(community []byte) bool {
	known := 0
	for _, c := range a.communities {
		known |= subtle.ConstantTimeCompare([]byte(c.Reveal()), community)
	}
	return len(a.communities) == 0 || known == 1
}
