package main

import (
	"cmp"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// story is what became of the last messages: what they were, what was decided
// about them, and whether PagerDuty has it. README.md shows it, too.
const story = `SELECT e.received_at, e.source, e.action, e.summary, e.decision, d.state AS delivery, d.last_status FROM events e LEFT JOIN deliveries d ON d.id = e.delivery_id ORDER BY e.received_at DESC LIMIT 10`

// hello tells whoever started the appliance where it listens, how to see a
// first message go through, and how to stop.
func (a *appliance) hello(w io.Writer, used string) {
	var b strings.Builder
	fmt.Fprintf(&b, "\nPDaltagent %s (%s)\n\n", version, cmp.Or(used, "built-in defaults"))
	for _, address := range a.addresses() {
		fmt.Fprintf(&b, "  %-11s %s\n", address[0], address[1])
	}
	a.firstSteps(&b)
	_, _ = io.WriteString(w, b.String()) // a closed terminal stops nobody
}

// addresses are the parts that can be reached, each with where.
func (a *appliance) addresses() (all [][2]string) {
	add := func(what, format string, args ...any) {
		all = append(all, [2]string{what, fmt.Sprintf(format, args...)})
	}
	for _, addr := range a.snmp.Addrs() {
		add("SNMP traps", "udp://%s", addr)
	}
	for i, addr := range a.syslog.Addrs() {
		add("syslog", "%s://%s", scheme(a.config.Ingest.Syslog.Listen[i]), addr)
	}
	for i, addr := range a.http.Addrs() {
		add("HTTP events", "%s://%s", scheme(a.config.Ingest.HTTP.Listen[i]), addr)
	}
	add("admin", "%s://%s/metrics /healthz /readyz /queue", scheme(a.config.Admin.Listen), a.admin.Addr())
	if a.sandbox != nil {
		why := "as events_url says"
		if len(a.config.Routes) == 0 {
			why = "since no integration key is configured"
		}
		add("PagerDuty", "the built-in sandbox, %s: http://%s/events", why, a.sandbox.Addr())
	} else {
		add("PagerDuty", "%s", a.config.PagerDuty.EventsURL)
	}
	add("history", "%s", a.database.psql)
	return all
}

func scheme(url string) string {
	scheme, _, _ := strings.Cut(url, ":")
	return scheme
}

// firstSteps are commands to copy.
func (a *appliance) firstSteps(b *strings.Builder) {
	var steps [][2]string
	add := func(what, format string, args ...any) {
		steps = append(steps, [2]string{what, fmt.Sprintf(format, args...)})
	}
	if addrs := a.snmp.Addrs(); len(addrs) > 0 {
		community := "public"
		if list := a.config.Ingest.SNMP.Communities; len(list) > 0 && !slices.Contains(list, "public") {
			community = "COMMUNITY"
		}
		trap := fmt.Sprintf("snmptrap -v2c -c %s %s '' 1.3.6.1.6.3.1.1.5.", community, near(addrs[0]))
		add("trap, a link goes down", "%s3 1.3.6.1.2.1.2.2.1.1.7 i 7 1.3.6.1.2.1.2.2.1.7.7 i 1 1.3.6.1.2.1.2.2.1.8.7 i 2", trap)
		add("trap, it is up again", "%s4 1.3.6.1.2.1.2.2.1.1.7 i 7 1.3.6.1.2.1.2.2.1.7.7 i 1 1.3.6.1.2.1.2.2.1.8.7 i 1", trap)
	}
	if i := slices.IndexFunc(a.config.Ingest.Syslog.Listen, func(l string) bool { return scheme(l) == "udp" }); i >= 0 {
		addr := near(a.syslog.Addrs()[i])
		add("syslog line", "logger --rfc3164 -d -n %s -P %d -p local4.err -t '%%LINK-3-UPDOWN' 'Interface Gi0/1, changed state to down'", addr.Addr(), addr.Port())
	}
	key := strings.Repeat("0", 32)
	if url := a.web("http"); url != "" {
		add("HTTP event", `curl -d '{"routing_key":"%s","event_action":"trigger","payload":{"summary":"a first event","source":"curl","severity":"error"}}' %s/v2/enqueue`, key, url)
	}
	if url := cmp.Or(a.web("https"), a.web("http")); url != "" {
		where := ""
		if url != "https://127.0.0.1:8443" { // pd-send's own default
			where = "PDSEND_EVENTS_BASE_URL=" + url + " "
		}
		add("event by pd-send", "%s%s -k %s -t trigger -i disk-7 -d 'disk 7 is full'", where, beside("pd-send"), key)
	}
	b.WriteString("\nSend a first\n")
	for _, step := range steps {
		fmt.Fprintf(b, "  %s:\n    %s\n", step[0], step[1])
	}
	if a.sandbox != nil {
		fmt.Fprintf(b, "\nWhat the sandbox got in PagerDuty's place:\n    curl http://%s/events\n", a.sandbox.Addr())
	}
	fmt.Fprintf(b, "\nWhat became of it (delivery and last_status are PagerDuty's side):\n    %s -c '%s'\n", a.database.psql, story)
	b.WriteString("\nStop with Ctrl-C or SIGTERM.")
	if a.database.server != nil {
		b.WriteString(" The history's Postgres runs only while pdagentd does, so psql works until then.")
	}
	b.WriteString("\n\n")
}

// beside returns how a program is called that came with this one.
func beside(name string) string {
	if dir := filepath.Dir(os.Args[0]); dir != "." {
		return filepath.Join(dir, name)
	}
	return name
}

// web returns the URL of the first listener with that scheme, as it is reached
// from this machine; empty: there is none.
func (a *appliance) web(wanted string) string {
	for i, addr := range a.http.Addrs() {
		if tcp, ok := addr.(*net.TCPAddr); ok && scheme(a.config.Ingest.HTTP.Listen[i]) == wanted {
			return wanted + "://" + near(tcp.AddrPort()).String()
		}
	}
	return ""
}

// near returns how a bound address is reached from this machine.
func near(addr netip.AddrPort) netip.AddrPort {
	if addr.Addr().IsUnspecified() {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), addr.Port())
	}
	return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
}
