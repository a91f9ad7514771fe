package ingest

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"
)

// ListenTCP binds address: ":5514" (IPv4 and IPv6), "127.0.0.1:0", "[::1]:514".
// An IPv4 address is bound for IPv4 alone. Connections are kept alive, so that
// one whose peer has vanished ends within about three minutes.
func ListenTCP(ctx context.Context, address string) (net.Listener, error) {
	conf := net.ListenConfig{KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: time.Minute, Interval: 30 * time.Second, Count: 4,
	}}
	l, err := conf.Listen(ctx, strings.Replace(udpNetwork(address), "udp", "tcp", 1), address)
	if err != nil {
		return nil, fmt.Errorf("listen on tcp %s: %w%s", address, plain(err), mend(err))
	}
	return l, nil
}

// AddrPortOf returns a TCP address; an IPv4 peer of a dual-stack socket is
// IPv4. It is not valid for an address of another kind.
func AddrPortOf(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	addr := tcp.AddrPort()
	return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
}
