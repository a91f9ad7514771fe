package main

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
)

// hello tells whoever started the appliance where it listens, and how to see
// a first message go through.
func (a *appliance) hello(w io.Writer, used string) {
	var b strings.Builder
	if used == "" {
		used = "built-in defaults"
	}
	fmt.Fprintf(&b, "\nPDaltagent %s (%s)\n\n", version, used)
	for _, addr := range a.snmp.Addrs() {
		fmt.Fprintf(&b, "  SNMP traps  udp://%s\n", addr)
	}
	for _, addr := range a.syslog.Addrs() {
		fmt.Fprintf(&b, "  syslog      udp://%s\n", addr)
	}
	for i, addr := range a.http.Addrs() {
		scheme, _, _ := strings.Cut(a.config.Ingest.HTTP.Listen[i], ":")
		fmt.Fprintf(&b, "  HTTP events %s://%s\n", scheme, addr)
	}
	scheme, _, _ := strings.Cut(a.config.Admin.Listen, ":")
	fmt.Fprintf(&b, "  admin       %s://%s/metrics /healthz /readyz\n", scheme, a.admin.Addr())
	if a.sandbox != nil {
		fmt.Fprintf(&b, "  PagerDuty   the built-in sandbox, since no integration key is configured: http://%s/events\n", a.sandbox.Addr())
	} else {
		fmt.Fprintf(&b, "  PagerDuty   %s\n", a.config.PagerDuty.EventsURL)
	}
	fmt.Fprintf(&b, "  history     %s\n", a.database.psql)
	a.firstSteps(&b)
	_, _ = io.WriteString(w, b.String()) // a closed terminal stops nobody
}

// firstSteps are commands to copy.
func (a *appliance) firstSteps(b *strings.Builder) {
	b.WriteString("\nSend a first\n")
	if addrs := a.snmp.Addrs(); len(addrs) > 0 {
		community := "public"
		if list := a.config.Ingest.SNMP.Communities; len(list) > 0 {
			community = "COMMUNITY"
		}
		fmt.Fprintf(b, "  trap:  snmptrap -v2c -c %s %s '' 1.3.6.1.6.3.1.1.5.3 1.3.6.1.2.1.2.2.1.1.7 i 7 1.3.6.1.2.1.2.2.1.7.7 i 1 1.3.6.1.2.1.2.2.1.8.7 i 2\n",
			community, near(addrs[0]))
	}
	if addrs := a.syslog.Addrs(); len(addrs) > 0 {
		fmt.Fprintf(b, "  line:  logger --rfc3164 -d -n %s -P %d -p local4.err -t '%%LINK-3-UPDOWN' 'Interface Gi0/1, changed state to down'\n",
			near(addrs[0]).Addr(), addrs[0].Port())
	}
	for i, addr := range a.http.Addrs() {
		if tcp, ok := addr.(*net.TCPAddr); ok && strings.HasPrefix(a.config.Ingest.HTTP.Listen[i], "http://") {
			fmt.Fprintf(b, "  event: curl -d '{\"routing_key\":\"%s\",\"event_action\":\"trigger\",\"payload\":{\"summary\":\"a first event\",\"source\":\"curl\",\"severity\":\"error\"}}' http://%s/v2/enqueue\n",
				strings.Repeat("0", 32), near(tcp.AddrPort()))
			break
		}
	}
	b.WriteString("\nand read its story:\n")
	fmt.Fprintf(b, "  %s -c 'SELECT received_at, protocol, host, rule, decision, severity, summary FROM events ORDER BY received_at DESC LIMIT 10'\n\n", a.database.psql)
}

// near returns how a bound address is reached from this machine.
func near(addr netip.AddrPort) netip.AddrPort {
	if addr.Addr().IsUnspecified() {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), addr.Port())
	}
	return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
}
