package snmptrap

import (
	"encoding/asn1"
	"encoding/hex"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/gosnmp/gosnmp"
)

const (
	// The two datagrams that make the codec panic, given a table of users for
	// the second.
	oversizedFloat = "302302010104067075626c6963a716020101020100020100300b30887ffffffffffffff500"
	onlyAVersion   = "300402010300"

	getRequest = "301b020101 0403616263 a011 020101 020100 020100 3006 3004 06002b00"

	// inform is an InformRequest with an error-status and error-index that are
	// not zero, in two octets each, and a negative request-id.
	inform = "302c020101" + "04067075626c6963" + "a61f" + "0204ffffffff" + "02020005" + "02020001" +
		"300f" + "300d06082b06010201010300" + "430112"
)

func readHeader(b []byte) (h header, fault string) {
	fault = h.read(b)
	return h, fault
}

func readSecured(b []byte, h *header) (m secured, fault string) {
	fault = m.read(b, h)
	return m, fault
}

// tlv returns a BER element, its length in more octets than it needs.
func tlv(tag byte, contents ...[]byte) []byte {
	value := slices.Concat(contents...)
	return append([]byte{tag, 0x82, byte(len(value) >> 8), byte(len(value))}, value...)
}

func oid(dotted string) []byte {
	var id asn1.ObjectIdentifier
	for arc := range strings.SplitSeq(dotted, ".") {
		n, _ := strconv.Atoi(arc)
		id = append(id, n)
	}
	b, err := asn1.Marshal(id)
	if err != nil {
		panic(err)
	}
	return b
}

func varbind(name string, value []byte) []byte { return tlv(0x30, oid(name), value) }

// Varbinds that say something about their notification.

func upTime() []byte { return varbind("1.3.6.1.2.1.1.3.0", []byte{0x43, 1, 18}) }

func upTimeAsText() []byte { return varbind("1.3.6.1.2.1.1.3.0", tlv(0x04, []byte("ok"))) }

func linkDownOID() []byte { return varbind("1.3.6.1.6.3.1.1.4.1.0", oid("1.3.6.1.6.3.1.1.5.3")) }

func trapCompany() []byte { return varbind("1.3.6.1.6.3.1.1.4.3.0", oid("1.3.6.1.4.1.9.1")) }

func trapAddress() []byte { return varbind("1.3.6.1.6.3.18.1.3.0", []byte{0x40, 4, 192, 0, 2, 7}) }

func trapSecret() []byte { return varbind("1.3.6.1.6.3.18.1.4.0", tlv(0x04, []byte("public"))) }

// pduOf returns the PDU of a v2c message of community public in hexadecimal.
func pduOf(message string) []byte {
	b, _ := hex.DecodeString(message)
	return b[13:]
}

// inClear returns a v3 message without security, of the user guest.
func inClear(engine string, pdu []byte) []byte {
	return tlv(0x30, []byte{2, 1, 3}, tlv(0x30, []byte{2, 1, 9}, []byte{2, 2, 5, 0xdc}, []byte{4, 1, 0}, []byte{2, 1, 3}),
		tlv(4, tlv(0x30, tlv(4, []byte(engine)), []byte{2, 1, 0, 2, 1, 0}, tlv(4, []byte("guest")), []byte{4, 0, 4, 0})),
		tlv(0x30, tlv(4, []byte(engine)), []byte{4, 0}, pdu))
}

// panicking returns a v3 message on which the codec panics.
func panicking() []byte { return inClear(theirs, pduOf(oversizedFloat)) }

// sent returns a v2c message of community public.
func sent(pdu gosnmp.PDUType, varbinds ...[]byte) []byte {
	integer := []byte{2, 1, 0}
	return tlv(0x30, []byte{2, 1, 1}, tlv(0x04, []byte("public")),
		tlv(byte(pdu), []byte{2, 1, 1}, integer, integer, tlv(0x30, varbinds...)))
}

// sentV1 returns a v1 trap of community public and enterprise 1.3.6.1.4.1.9.1.
func sentV1(agent string, generic, specific byte, varbinds ...[]byte) []byte {
	return tlv(0x30, []byte{2, 1, 0}, tlv(0x04, []byte("public")), tlv(0xa4,
		oid("1.3.6.1.4.1.9.1"), tlv(0x40, netip.MustParseAddr(agent).AsSlice()),
		[]byte{2, 1, generic, 2, 1, specific, 0x43, 1, 9}, tlv(0x30, varbinds...)))
}
