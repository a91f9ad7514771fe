package mibs

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOctetHints(t *testing.T) {
	f := func(hint, octets, want string) {
		t.Helper()
		h := newOctetHint(hint)
		if h == nil {
			t.Fatalf("%q is not understood", hint)
		}
		if got, ok := h.format([]byte(octets)); !ok || got != want {
			t.Errorf("%q of %x: %q %t, want %q", hint, octets, got, ok, want)
		}
	}
	// RFC 2579 section 2: DisplayString, MacAddress, DateAndTime.
	f("255a", "eth0", "eth0")
	f("1x:", "\x00\x1a\x2b\x3c\x4d\x5e", "00:1a:2b:3c:4d:5e")
	f("2d-1d-1d,1d:1d:1d.1d,1a1d:1d", "\x07\xc8\x05\x1a\x0d\x1e\x0f\x00-\x04\x00", "1992-5-26,13:30:15.0,-4:0")
	f("2d-1d-1d,1d:1d:1d.1d,1a1d:1d", "\x07\xc8\x05\x1a\x0d\x1e\x0f\x00", "1992-5-26,13:30:15.0")
	// RFC 4001 section 3.
	f("1d.1d.1d.1d", "\xc0\x00\x02\x01", "192.0.2.1")
	f("1d.1d.1d.1d%4d", "\xc0\x00\x02\x01\x00\x00\x00\x07", "192.0.2.1%7")
	f("2x:2x:2x:2x:2x:2x:2x:2x", "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01", "2001:0db8:0000:0000:0000:0000:0000:0001")
	// The parts of a specification.
	f("1d.", "\x01\x02\x03", "1.2.3")
	f("2o ", "\x00\x08\x01\x00", "10 400")
	f("*1d./1d ", "\x02\x01\x02\x09\x08", "1.2/9 8")
	f("*1d.", "\x02\x01\x02\x01\x03", "1.2.3")
	f("*1x:-1d", "\x03\xaa\xbb\xcc\x07", "aa:bb:cc-7")
	f("0a[1d]", "\x07", "[7")
	f("1d°1d·", "\x07\x08", "7°8")
	f("1a", "", "")
	f("2d", "\x01\x00\x07", "2567") // the last one is used again, and takes what is left
	f("9d", "\x01\x00\x00\x00\x00\x00\x00\x00\x00", "18446744073709551616")
	f("255t", "Büro", "Büro")
	f("255a", "B\xfcro", "Büro")
	f("255a", "eth0\x00\x00", "eth0")
	f("100a", "a text longer than its hint says: it is used again, and nothing is lost, wherever the hundredth octet falls", "a text longer than its hint says: it is used again, and nothing is lost, wherever the hundredth octet falls")
}

func TestTextHintsTakeOnlyText(t *testing.T) {
	for _, octets := range []string{"\x00\x01", "a\x07b", "\x7f", "\x1b[31m"} {
		if got, ok := newOctetHint("255a").format([]byte(octets)); ok {
			t.Errorf("%x became %q", octets, got)
		}
	}
	if got, ok := newOctetHint("1d:1a").format([]byte("\x07\x01")); ok {
		t.Errorf("became %q", got)
	}
}

func TestFaultyHintsAreNone(t *testing.T) {
	for _, hint := range []string{"", "a", "x:", "1", "1z", "*", "*a", "0a", "1d0x", "-1d", "99999999999999999999a", "1d.%"} {
		if newOctetHint(hint) != nil {
			t.Errorf("octet hint %q is understood", hint)
		}
	}
	for _, hint := range []string{"", "d", "d-0", "d-", "d-x", "d--1", "d-99", "x2", "a"} {
		if newIntegerHint(hint) != nil {
			t.Errorf("integer hint %q is understood", hint)
		}
	}
}

func TestIntegerHints(t *testing.T) {
	f := func(hint string, v int64, want any) {
		t.Helper()
		h := newIntegerHint(hint)
		if diff := cmp.Diff(want, h.signed(v)); diff != "" {
			t.Errorf("%s of %d: %s", hint, v, diff)
		}
		if v >= 0 {
			if diff := cmp.Diff(want, h.unsigned(uint64(v))); diff != "" {
				t.Errorf("%s of unsigned %d: %s", hint, v, diff)
			}
		}
	}
	f("d-2", 1234, 12.34) // RFC 2579 section 3.1
	f("d-1", -5, -0.5)
	f("x", 255, "ff")
	f("x", -255, "-ff")
	f("o", 8, "10")
	f("b", 5, "101")
}

func TestMomentsReadAsRFC3339(t *testing.T) {
	s := &syntax{base: octetString, moment: true, octets: newOctetHint(momentHint)}
	f := func(octets, want string) {
		t.Helper()
		if got, ok := s.text([]byte(octets)); !ok || got != want {
			t.Errorf("%x: %q %t, want %q", octets, got, ok, want)
		}
	}
	f("\x07\xea\x0b\x17\x03\x1b\x09\x00-\x04\x00", "2026-11-23T03:27:09-04:00")
	f("\x07\xea\x0b\x17\x03\x1b\x09\x05+\x05\x1e", "2026-11-23T03:27:09.5+05:30")
	f("\x07\xea\x0b\x17\x03\x1b\x09\x00", "2026-11-23T03:27:09")
	f("\x07\xe8\x02\x1d\x00\x00\x00\x00", "2024-02-29T00:00:00")
	// What is no time is as the hint has it.
	f("\x07\xea\x02\x1d\x00\x00\x00\x00", "2026-2-29,0:0:0.0")
	f("\x00\x00\x00\x00\x00\x00\x00\x00", "0-0-0,0:0:0.0")
	f("\x07\xea\x0d\x17\x03\x1b\x09\x00", "2026-13-23,3:27:9.0")
	f("\x07\xea\x0b\x17\x18\x1b\x09\x00", "2026-11-23,24:27:9.0")
	f("\x07\xea\x0b\x17\x03\x1b\x09\x00+\x63\x00", "2026-11-23,3:27:9.0,+99:0")
}

func TestAddressesReadByTheirLength(t *testing.T) {
	s := &syntax{base: address}
	f := func(octets, want string) {
		t.Helper()
		if got, ok := s.text([]byte(octets)); !ok || got != want {
			t.Errorf("%x: %q %t, want %q", octets, got, ok, want)
		}
	}
	f("\xc0\x00\x02\x01", "192.0.2.1")
	f("\xfe\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x07", "fe80::1%7")
	f("\xc0\x00\x02\x01\x00\x00\x00\x07", "192.0.2.1%7")
	f("host.example.com", "host.example.com") // as long as an IPv6 address
	f("router-1", "router-1")                 // as an IPv4 address with a zone
	f("a.example", "a.example")
}
