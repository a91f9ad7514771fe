package ingest

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// The PROXY protocol, in which a load balancer says whose connection it passes
// on: haproxy.org/download/3.2/doc/proxy-protocol.txt.
const (
	proxySignature = "\r\n\r\n\x00\r\nQUIT\n" // version 2, section 2.2
	proxyLineMax   = 107                      // version 1, section 2.1
	proxyBuffer    = 256                      // room for a line, and for all of version 2 but its TLVs
)

// errNoProxyHeader names the mend for a peer that sends something else.
var errNoProxyHeader = errors.New("no PROXY header: switch it on in the load balancer (send-proxy, send-proxy-v2), or take its address out of proxy_protocol")

// ReadProxyHeader reads the header, of version 1 or 2, that conn begins with,
// and returns who is behind the balancer, and a connection that goes on where
// the header ends. source is not valid where the header names nobody, as in a
// balancer's own health check. The error is io.EOF if the peer closed the
// connection without a byte. How long the peer may take is conn's deadline.
func ReadProxyHeader(conn net.Conn) (rest net.Conn, source netip.AddrPort, err error) {
	r := bufio.NewReaderSize(conn, proxyBuffer)
	begin, err := r.Peek(len("PROXY "))
	switch {
	case errors.Is(err, io.EOF) && len(begin) > 0:
		return nil, source, errNoProxyHeader
	case err != nil:
		return nil, source, err
	case string(begin) == "PROXY ":
		source, err = readProxyLine(r)
	case strings.HasPrefix(proxySignature, string(begin)):
		source, err = readProxyBlock(r)
	default:
		err = errNoProxyHeader
	}
	if err != nil {
		return nil, netip.AddrPort{}, err
	}
	return &proxiedConn{Conn: conn, r: r}, source, nil
}

// proxiedConn is a connection of which a part was read with the header.
type proxiedConn struct {
	net.Conn
	r *bufio.Reader
}

func (c *proxiedConn) Read(b []byte) (int, error) { return c.r.Read(b) }

// readProxyLine reads "PROXY TCP4 192.0.2.1 192.0.2.9 51022 514".
func readProxyLine(r *bufio.Reader) (source netip.AddrPort, err error) {
	line, err := r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) || err == nil && (len(line) > proxyLineMax || !bytes.HasSuffix(line, []byte("\r\n"))) {
		return source, errors.New("PROXY header: its line does not end as version 1 has it")
	}
	if err != nil {
		return source, fmt.Errorf("PROXY header: %w", err)
	}
	words := strings.Split(strings.TrimSuffix(string(line), "\r\n"), " ")
	if words[1] == "UNKNOWN" {
		return source, nil
	}
	if len(words) != 6 || words[1] != "TCP4" && words[1] != "TCP6" {
		return source, fmt.Errorf("PROXY header: %.107q is neither TCP4 nor TCP6 with two addresses and two ports", line)
	}
	addr, err := netip.ParseAddr(words[2])
	port, portErr := strconv.ParseUint(words[4], 10, 16)
	if err != nil || portErr != nil || addr.Zone() != "" || addr.Is4() != (words[1] == "TCP4") {
		return source, fmt.Errorf("PROXY header: %.107q has no address and port of %s", line, words[1])
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(port)), nil
}

// readProxyBlock reads the binary header of version 2.
func readProxyBlock(r *bufio.Reader) (source netip.AddrPort, err error) {
	head, err := r.Peek(len(proxySignature) + 4)
	if err != nil {
		return source, fmt.Errorf("PROXY header: %w", err)
	}
	if !bytes.HasPrefix(head, []byte(proxySignature)) {
		return source, errNoProxyHeader
	}
	command, family := head[12], head[13]
	size := int(binary.BigEndian.Uint16(head[14:]))
	if command != 0x20 && command != 0x21 {
		return source, fmt.Errorf("PROXY header: version and command are %#02x, which version 2 does not know", command)
	}
	if _, err := r.Discard(len(head)); err != nil {
		return source, fmt.Errorf("PROXY header: %w", err)
	}
	if command == 0x21 { // PROXY; else LOCAL: the balancer speaks for itself
		if source, err = peekProxied(r, family, size); err != nil {
			return source, err
		}
	}
	if _, err := r.Discard(size); err != nil {
		return source, fmt.Errorf("PROXY header: %w", err)
	}
	return source, nil
}

// peekProxied reads the source address of a connection of family; none, if it
// is not IP.
func peekProxied(r *bufio.Reader, family byte, size int) (source netip.AddrPort, err error) {
	var width int
	switch family >> 4 {
	case 1:
		width = 4
	case 2:
		width = 16
	default:
		return source, nil
	}
	need := 2*width + 4
	if size < need {
		return source, fmt.Errorf("PROXY header: %d bytes hold no two addresses of %d bytes and two ports", size, width)
	}
	b, err := r.Peek(need)
	if err != nil {
		return source, fmt.Errorf("PROXY header: %w", err)
	}
	addr, _ := netip.AddrFromSlice(b[:width])
	return netip.AddrPortFrom(addr.Unmap(), binary.BigEndian.Uint16(b[2*width:])), nil
}
