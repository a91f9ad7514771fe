package snmptrap

import (
	"bytes"
	"errors"
	"time"

	"github.com/gosnmp/gosnmp"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// takeSecured fills n with the SNMPv3 message with the header h that is d, if
// it is what it says to be, and appends the answer to it. If it is refused, its
// sender may be told by a report, and d is left as it came.
func (l *listener) takeSecured(n *notification, d *ingest.Datagram, h *header) refusal {
	if l.security == nil {
		return refusal{outcome: ingest.Unsupported, reason: "SNMPv3 is not taken: there are no ingest.snmp.users"}
	}
	m := &l.secured
	if wrong := m.read(d.Data, h); wrong != "" {
		return refusal{outcome: ingest.Malformed, reason: wrong}
	}
	if m.model != modelUSM {
		return refusal{outcome: ingest.RefusedSecurity, reason: "its security model is not the User-based one"}
	}
	l.original = append(l.original[:0], d.Data...)
	taken := false
	defer func() {
		if !taken {
			copy(d.Data, l.original)
		}
	}()
	now := time.Now()
	if f := l.admitSecured(n, d, m, now); f != nil {
		if m.reportable && !l.security.forUs(m) {
			f = unknownEngine()
		}
		l.tell(d, m, f, now)
		return refusal{outcome: f.outcome, reason: f.reason}
	}
	taken = true
	return refusal{}
}

// admitSecured fills n with m, and appends the answer to it if it is an
// INFORM.
func (l *listener) admitSecured(n *notification, d *ingest.Datagram, m *secured, now time.Time) *fault {
	k, f := l.security.verify(m, d.From.Addr(), now)
	if f != nil {
		return f
	}
	packet, f := l.open(m, k)
	if f != nil {
		return f
	}
	if r := checkPDU(byte(packet.PDUType)); r.outcome != accepted {
		return &fault{outcome: r.outcome, reason: r.reason}
	}
	n.packet(packet)
	if n.trap.Inform {
		return l.answerSecured(d, m, k, now)
	}
	if k != nil && !l.security.fresh(m, now) {
		return &fault{outcome: ingest.Replayed, reason: "it was taken before"}
	}
	return nil
}

// open decrypts and decodes m, which is secured with k. It does so in place.
func (l *listener) open(m *secured, k *keys) (*gosnmp.SnmpPacket, *fault) {
	codec := l.plain
	if k != nil {
		codec = k.codec()
	}
	packet, err := codec.UnmarshalTrap(m.raw, true)
	if err == nil {
		return packet, nil
	}
	if _, _, ok := readScoped(m.raw[m.data:]); !ok && m.level == authPriv {
		return nil, newFault(decryptionErrors, ingest.Undecryptable, "it does not decrypt: priv or priv_passphrase of its user differ here and there")
	}
	return nil, &fault{outcome: ingest.Malformed, reason: malformedReason(err)}
}

// answerSecured appends the answer to an INFORM, which open has decrypted in
// place: a copy of its PDU without error, secured as it was. One that is
// durable already, whose answer must have been lost, is answered at once and
// not taken again.
func (l *listener) answerSecured(d *ingest.Datagram, m *secured, k *keys, now time.Time) *fault {
	if !l.security.forUs(m) {
		return unknownEngine()
	}
	scoped, pdu, ok := readScoped(m.raw[m.data:])
	if !ok {
		return &fault{outcome: ingest.Malformed, reason: "its scopedPDU is not what RFC 3412 says"}
	}
	scoped = bytes.Clone(scoped)
	respond(scoped[pdu:])
	a := answer{from: d.To, to: d.From, packet: l.security.seal(m, m.level, k, scoped, now)}
	if k == nil {
		l.answers = append(l.answers, a)
		return nil
	}
	if l.security.taken(m) {
		l.reports = append(l.reports, a)
		return &fault{outcome: ingest.Replayed, reason: "an inform that was taken before: it is answered again"}
	}
	a.code = m.code
	l.answers = append(l.answers, a)
	return nil
}

// tell counts f, and sends the sender of m a report of it, if it wants one.
func (l *listener) tell(d *ingest.Datagram, m *secured, f *fault, now time.Time) {
	if f.stat == 0 {
		return
	}
	l.security.stats.count(f.stat)
	if m.reportable && l.security.mayReport(d.From.Addr(), now) {
		l.reports = append(l.reports, answer{from: d.To, to: d.From, packet: l.security.report(m, f, now)})
	}
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
