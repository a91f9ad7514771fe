package snmptrap

import (
	"bytes"
	"math"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/gosnmp/gosnmp"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// byCodec decodes the v1 or v2c message with the header h that b begins with
// as the codec does it; ok is false where it cannot.
func byCodec(codec *gosnmp.GoSNMP, b []byte, h header) (trap *ingest.Trap, agent netip.Addr, ok bool) {
	defer func() {
		if recover() != nil {
			trap, ok = nil, false
		}
	}()
	p, err := codec.UnmarshalTrap(b[:h.size], false)
	if err != nil {
		return nil, agent, false
	}
	n := notification{trap: &ingest.Trap{}}
	n.packet(p)
	n.end()
	return n.trap, n.agent, true
}

func byReader(r *reader, b []byte, h header) (*ingest.Trap, netip.Addr, string) {
	n := notification{trap: &ingest.Trap{}}
	fault := r.pdu(&n, b[h.pdu:h.size])
	n.end()
	return n.trap, n.agent, fault
}

// FuzzAgainstTheCodec looks for v1 and v2c notifications that we read in
// another way than the codec does. We read more than it: what it refuses is
// not compared.
func FuzzAgainstTheCodec(f *testing.F) {
	integer := []byte{2, 1, 5}
	var every [][]byte
	for tag := range 256 {
		every = append(every, varbind("1.3.6.1.4.1.9.142606344", tlv(byte(tag), []byte{0x2b, 1, 2, 3})))
	}
	for _, b := range [][]byte{
		linkDown6(), unhex(f, inform), unhex(f, oversizedFloat),
		sent(gosnmp.SNMPv2Trap, upTime(), linkDownOID(), trapAddress(), trapSecret(), trapCompany()),
		sent(gosnmp.SNMPv2Trap, every...),
		sent(gosnmp.SNMPv2Trap, varbind("2.999.1", integer), varbind("0.0", tlv(0x44, []byte{0x9f, 0x78, 4, 0x3f, 0xc0, 0, 0})),
			varbind("1.3", tlv(0x44, []byte{0x9f, 0x79, 8, 0x40, 4, 0, 0, 0, 0, 0, 0}))),
		sent(gosnmp.SNMPv2Trap, tlv(0x30, oid("1.3"), []byte{4, 3, 'a', 'b'})),
		sentV1("192.0.2.7", 6, 17, upTime(), trapSecret()), sentV1("0.0.0.0", 3, 0xff),
	} {
		f.Add(b)
	}
	codec := &gosnmp.GoSNMP{}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, fault := readHeader(b)
		if fault != "" || h.version == version3 || checkPDU(b[h.pdu]).outcome != accepted {
			return
		}
		want, agent, ok := byCodec(codec, bytes.Clone(b), h)
		got, gotAgent, fault := byReader(&reader{}, b, h)
		if !ok || fault == faultV1 { // the codec reads what is of another type as 0, a coldStart
			return
		}
		if fault != "" {
			t.Fatalf("%s, which the codec reads as %+v", fault, want)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{}), cmpopts.EquateEmpty(), cmpopts.EquateNaNs(),
			cmp.Comparer(sameBits)); diff != "" || agent != gotAgent {
			t.Errorf("agents %v and %v (-codec +ours)\n%s", agent, gotAgent, diff)
		}
	})
}

func sameBits(a, b float64) bool {
	return math.Float64bits(a) == math.Float64bits(b) || math.IsNaN(a) && math.IsNaN(b)
}

// BenchmarkReader compares what decodes a v2c PDU of 6 varbinds with the
// codec.
func BenchmarkReader(b *testing.B) {
	d := linkDown6()
	h, _ := readHeader(d)
	b.Run("codec", func(b *testing.B) {
		codec := &gosnmp.GoSNMP{}
		var varbinds []ingest.Varbind
		b.ReportAllocs()
		cpu(b)
		for b.Loop() {
			p, err := codec.UnmarshalTrap(d, false)
			if err != nil {
				b.Fatal(err)
			}
			n := notification{trap: &ingest.Trap{}, varbinds: varbinds[:0]}
			n.packet(p)
			varbinds = n.varbinds
		}
	})
	b.Run("reader", func(b *testing.B) {
		var r reader
		var varbinds []ingest.Varbind
		b.ReportAllocs()
		cpu(b)
		for b.Loop() {
			r.text = r.text[:0]
			n := notification{trap: &ingest.Trap{}, varbinds: varbinds[:0]}
			if fault := r.pdu(&n, d[h.pdu:]); fault != "" {
				b.Fatal(fault)
			}
			varbinds = n.varbinds
		}
	})
}
