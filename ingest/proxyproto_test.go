package ingest

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// proxied sends a stream in two parts, and returns who is behind it and what
// follows the header.
func proxied(t *testing.T, stream string, first int) (source netip.AddrPort, rest string, err error) {
	t.Helper()
	ours, peer := net.Pipe()
	go func() {
		_, _ = io.WriteString(peer, stream[:first])
		_, _ = io.WriteString(peer, stream[first:])
		_ = peer.Close()
	}()
	defer func() { _ = ours.Close() }()
	_ = ours.SetDeadline(time.Now().Add(5 * time.Second))
	conn, source, err := ReadProxyHeader(ours)
	if err != nil {
		return source, "", err
	}
	b, err := io.ReadAll(conn)
	return source, string(b), err
}

const (
	v2      = "\r\n\r\n\x00\r\nQUIT\n"
	v2IPv4  = v2 + "\x21\x11\x00\x0c\xc0\x00\x02\x07\xc6\x33\x64\x09\xc7\x4e\x02\x02"
	v2Local = v2 + "\x20\x00\x00\x00"
)

func TestAProxyHeaderTellsTheSource(t *testing.T) {
	f := func(header, want string) {
		t.Helper()
		for _, body := range []string{"", "<13>hello\n", strings.Repeat("x", 1000)} {
			for _, first := range []int{0, 1, 8, len(header) - 1, len(header)} {
				source, rest, err := proxied(t, header+body, first)
				if err != nil || rest != body {
					t.Fatalf("%q after %d bytes: rest %q, %v", header, first, rest, err)
				}
				if got := source.String(); got != want {
					t.Errorf("%q: source %s, want %s", header, got, want)
				}
			}
		}
	}
	f("PROXY TCP4 192.0.2.1 198.51.100.9 51022 514\r\n", "192.0.2.1:51022")
	f("PROXY TCP6 2001:db8::1 2001:db8::2 51022 514\r\n", "[2001:db8::1]:51022")
	f("PROXY UNKNOWN\r\n", "invalid AddrPort")
	f("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", "invalid AddrPort")
	f(v2IPv4, "192.0.2.7:51022")
	f(v2+"\x21\x21\x00\x24\x20\x01\x0d\xb8"+strings.Repeat("\x00", 11)+"\x01"+strings.Repeat("\x00", 16)+"\xc7\x4e\x02\x02", "[2001:db8::1]:51022")
	f(v2+"\x21\x11\x00\x10\xc0\x00\x02\x07\xc6\x33\x64\x09\xc7\x4e\x02\x02\x04\x00\x01\x00", "192.0.2.7:51022") // a TLV
	f(v2+"\x21\x11\x10\x0c\xc0\x00\x02\x07\xc6\x33\x64\x09\xc7\x4e\x02\x02"+strings.Repeat("t", 4096), "192.0.2.7:51022")
	f(v2Local, "invalid AddrPort")
	f(v2+"\x20"+v2IPv4[len(v2)+1:], "invalid AddrPort") // LOCAL says nothing by its addresses
	f(v2+"\x21\x00\x00\x00", "invalid AddrPort")
	f(v2+"\x21\x31\x00\xd8"+strings.Repeat("u", 216), "invalid AddrPort") // a UNIX socket
}

func TestAWrongProxyHeaderIsAnError(t *testing.T) {
	f := func(stream, want string) {
		t.Helper()
		source, _, err := proxied(t, stream, 0)
		if err == nil || !strings.Contains(err.Error(), want) || source.IsValid() {
			t.Errorf("%q: source %v, error %v, want %s", stream, source, err, want)
		}
	}
	f("<13>Mar  5 10:00:00 host app: no header\n", "take its address out of proxy_protocol")
	f("PRO", "no PROXY header")
	f("\r\n\r\n\x00\r\nQUIT?\x21\x11\x00\x0c", "no PROXY header")
	f("PROXY TCP4 192.0.2.1 198.51.100.9 51022\r\n", "neither TCP4")
	f("PROXY TCP5 192.0.2.1 198.51.100.9 51022 514\r\n", "neither TCP4")
	f("PROXY TCP4 2001:db8::1 2001:db8::2 51022 514\r\n", "no address")
	f("PROXY TCP6 fe80::1%eth0 2001:db8::2 51022 514\r\n", "no address")
	f("PROXY TCP4 192.0.2.1 198.51.100.9 99999 514\r\n", "no address")
	f("PROXY TCP4 192.0.2.1 198.51.100.9 51022 514\n", "does not end")
	f("PROXY TCP4 "+strings.Repeat("1", 100)+"\r\n", "does not end")
	f("PROXY TCP4 "+strings.Repeat("1", 1000), "does not end")
	f("PROXY TCP4 192.0.2.1", "PROXY header: EOF")
	f(v2+"\x31\x11\x00\x0c", "version 2 does not know")
	f(v2+"\x22\x11\x00\x0c", "version 2 does not know")
	f(v2+"\x21\x11\x00\x08\xc0\x00\x02\x07\xc6\x33\x64\x09", "no two addresses")
	f(v2IPv4[:20], "PROXY header: ")
	f(v2[:8], "PROXY header: ")
}

func TestAPeerThatSaysNothingIsNoFault(t *testing.T) {
	if _, _, err := proxied(t, "", 0); !errors.Is(err, io.EOF) {
		t.Errorf("error %v, want EOF", err)
	}
}

func FuzzProxyHeader(f *testing.F) {
	f.Add([]byte("PROXY TCP4 192.0.2.1 198.51.100.9 51022 514\r\n<13>x"))
	f.Add([]byte("PROXY UNKNOWN\r\n"))
	f.Add([]byte(v2IPv4 + "<13>x"))
	f.Add([]byte(v2Local))
	f.Fuzz(func(t *testing.T, stream []byte) {
		source, rest, err := proxied(t, string(stream), len(stream)/2)
		if err != nil {
			return
		}
		if !strings.HasSuffix(string(stream), rest) || len(rest) == len(stream) {
			t.Errorf("%q: rest %q", stream, rest)
		}
		if source.IsValid() && (source.Addr().Zone() != "" || source.Addr().Is4In6()) {
			t.Errorf("%q: source %v", stream, source)
		}
	})
}
