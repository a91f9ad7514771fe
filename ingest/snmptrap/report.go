package snmptrap

import (
	"encoding/asn1"
	"sync/atomic"
	"time"

	"github.com/gosnmp/gosnmp"
)

// How many REPORTs are sent a second: they go to whatever address a datagram
// claims to come from.
const (
	reportsPerSource = 100
	reportsOverall   = 2000
)

// stat is one of the usmStats counters, by the last part of its OID (RFC 3414
// section 5).
type stat int

const (
	unsupportedSecLevels stat = iota + 1
	notInTimeWindows
	unknownUserNames
	unknownEngineIDs
	wrongDigests
	decryptionErrors
	statsEnd
)

type stats [statsEnd]atomic.Uint32

func (s *stats) count(of stat) { s[of].Add(1) }

// report returns the REPORT that tells the sender of m about f (RFC 3412
// section 7.1, RFC 3414 section 3.2).
func (s *security) report(m *secured, f *fault, now time.Time) []byte {
	counter, _ := asn1.Marshal(asn1.ObjectIdentifier{1, 3, 6, 1, 6, 3, 15, 1, 1, int(f.stat), 0})
	zero := encodeInteger(tagInteger, 0)
	pdu := encode(byte(gosnmp.Report), m.requestID(), zero, zero,
		encode(tagSequence, encode(tagSequence, counter, encodeInteger(tagCounter32, s.stats[f.stat].Load()))))
	scoped := encode(tagSequence, encode(tagOctetString, []byte(s.own.id)), encode(tagOctetString), pdu)
	of := noAuthNoPriv
	if f.keys != nil {
		of = authNoPriv // it tells our boots and time, which the sender must be able to trust
	}
	return s.seal(m, of, f.keys, scoped, now)
}

// requestID returns the request-id of the PDU in m, the whole element; where it
// is encrypted, the one that stands for none.
func (m *secured) requestID() []byte {
	if scoped, at, ok := readScoped(m.raw[m.data:]); ok {
		pdu, _, _ := readElement(scoped[at:])
		if id, rest, ok := readElement(pdu.contents); ok && id.tag == tagInteger {
			return pdu.contents[:len(pdu.contents)-len(rest)]
		}
	}
	return encodeInteger(tagInteger, 1<<31-1)
}

// seal returns a message of ours that answers m at a level: scoped in the
// envelope of RFC 3412 section 6, with the parameters of RFC 3414 section 2.4.
func (s *security) seal(m *secured, at level, k *keys, scoped []byte, now time.Time) []byte {
	const maxSize = 65507 // what an IPv4 datagram carries
	boots, seconds := s.own.boots, s.own.time(now)
	var mac, salt []byte
	data := scoped
	if at >= authNoPriv {
		mac = make([]byte, k.user.macSize())
	}
	if at == authPriv {
		var encrypted []byte
		encrypted, salt = k.encrypt(scoped, boots, seconds, s.own.salt.Add(1))
		data = encode(tagOctetString, encrypted)
	}
	global := encode(tagSequence, m.id, encodeInteger(tagInteger, maxSize),
		encode(tagOctetString, []byte{byte(at)}), encodeInteger(tagInteger, modelUSM))
	parameters := encode(tagSequence, encode(tagOctetString, []byte(s.own.id)),
		encodeInteger(tagInteger, boots), encodeInteger(tagInteger, seconds),
		encode(tagOctetString, m.user), encode(tagOctetString, mac), encode(tagOctetString, salt))
	packet := encode(tagSequence, encodeInteger(tagInteger, version3), global, encode(tagOctetString, parameters), data)
	if at >= authNoPriv {
		s.sign(packet, k)
	}
	return packet
}

// sign sets the authentication code of a message of ours.
func (s *security) sign(packet []byte, k *keys) {
	var (
		h header
		m secured
	)
	_ = h.read(packet) // it is ours
	_ = m.read(packet, &h)
	s.mu.Lock()
	defer s.mu.Unlock()
	copy(m.mac, k.code(nil, &m))
}
