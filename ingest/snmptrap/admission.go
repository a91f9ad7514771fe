package snmptrap

import (
	"crypto/subtle"

	"github.com/gosnmp/gosnmp"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// accepted is the outcome that is not counted here: the Handler counts what
// becomes of a message.
const accepted ingest.Outcome = ""

// refusal is why a datagram is not taken; its outcome is accepted where it is.
type refusal struct {
	outcome ingest.Outcome
	reason  string // quotes nothing secret
}

// admission decides which datagrams are decoded.
type admission struct {
	communities []ingest.Secret
	allow       ingest.AllowList
}

// check reads the header of d, and returns why d is refused, if it is. Of v3
// it sees the version only.
func (a *admission) check(d *ingest.Datagram, h *header) refusal {
	*h = header{}
	switch {
	case !a.allow.Permits(d.From.Addr()):
		return refusal{outcome: ingest.RefusedSource, reason: "the sender is not in ingest.snmp.allow"}
	case len(d.Data) == 0:
		return refusal{outcome: ingest.Empty, reason: "the datagram is empty"}
	case d.Truncated:
		return refusal{outcome: ingest.Oversize, reason: "the datagram is longer than what a socket can receive"}
	}
	if fault := h.read(d.Data); fault != "" {
		return refusal{outcome: ingest.Malformed, reason: fault}
	}
	switch h.version {
	case version1, version2c:
	case version3:
		return refusal{}
	default:
		return refusal{outcome: ingest.Malformed, reason: "no SNMP version that exists"}
	}
	if r := checkPDU(d.Data[h.pdu]); r.outcome != accepted {
		return r
	}
	if !a.knows(h.community) {
		return refusal{outcome: ingest.RefusedCommunity, reason: "its community is not in ingest.snmp.communities"}
	}
	return refusal{}
}

func checkPDU(tag byte) refusal {
	switch gosnmp.PDUType(tag) {
	case gosnmp.Trap, gosnmp.SNMPv2Trap, gosnmp.InformRequest:
		return refusal{}
	case gosnmp.GetRequest, gosnmp.GetNextRequest, gosnmp.GetBulkRequest, gosnmp.SetRequest, gosnmp.GetResponse, gosnmp.Report:
		return refusal{outcome: ingest.Unsupported, reason: "a request or response, not a notification"}
	case gosnmp.Sequence:
	}
	return refusal{outcome: ingest.Malformed, reason: "no PDU type that exists"}
}

// knows compares community with each that is configured, in a time that says
// nothing about how much of one was right.
func (a *admission) knows(community []byte) bool {
	known := 0
	for _, c := range a.communities {
		known |= subtle.ConstantTimeCompare([]byte(c.Reveal()), community)
	}
	return len(a.communities) == 0 || known == 1
}
