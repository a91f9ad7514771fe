package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/gosnmp/gosnmp"
	"github.com/jackc/pgx/v5/pgxpool"
)

// BenchmarkAppliance measures pdagentd as a process, with its embedded
// Postgres, the senders and PagerDuty's stand-in all on this machine, and
// prints a table. Every load is bounded in count and in time.
func BenchmarkAppliance(b *testing.B) {
	for range b.N {
		r := newRig(b, "../../deploy/rules.d")
		r.row("at rest", "RSS", fmt.Sprintf("%d MB", r.memory("VmRSS")))
		r.http(b)
		r.informs(b)
		r.traps(b)
		r.lines(b)
		r.row("under load", "RSS, at most", fmt.Sprintf("%d MB", r.memory("VmHWM")))
		table := r.table
		r.end()

		r = newRig(b, thousandRules(b))
		r.unmatchedTraps(b)
		r.unmatchedDatagrams(b)
		r.unmatchedStream(b)
		r.row("under load, 1,000 rules", "RSS, at most", fmt.Sprintf("%d MB", r.memory("VmHWM")))
		r.rsyslog(b)
		r.table = append(table, r.table...)
		r.print()
		r.end()
	}
}

// rig is a running pdagentd and all that it talks to.
type rig struct {
	process              *process
	pool                 *pgxpool.Pool
	snmp, syslog, stream string
	web, admin           string
	delivered            atomic.Int64
	table                [][3]string
	end                  func()
}

func newRig(b *testing.B, rules string) *rig {
	b.Helper()
	r := &rig{}
	r.begin(b, rules, "noc: { key: "+testKey+" }", func(w http.ResponseWriter, _ *http.Request) {
		r.delivered.Add(1)
		w.WriteHeader(http.StatusAccepted)
	})
	return r
}

// begin starts pdagentd, and what stands in for PagerDuty.
func (r *rig) begin(b *testing.B, rules, routes string, answer http.HandlerFunc) {
	b.Helper()
	pagerduty := httptest.NewServer(answer)
	r.admin, r.web = "http://127.0.0.1:"+freePort(b), "127.0.0.1:"+freePort(b)
	r.snmp, r.syslog, r.stream = "127.0.0.1:"+freePort(b), "127.0.0.1:"+freePort(b), "127.0.0.1:"+freePort(b)
	config := settings(b, fmt.Sprintf("pagerduty: { events_url: %s }\nroutes: { %s }\ndefault_route: %s", pagerduty.URL, routes, strings.SplitN(routes, ":", 2)[0]))
	rewrite(b, config, `["http://127.0.0.1:0", "https://127.0.0.1:0"]`, `["http://`+r.web+`"]`,
		`admin: { listen: "http://127.0.0.1:0" }`, `admin: { listen: "`+r.admin+`" }`, `../../deploy/rules.d`, rules,
		`snmp: { listen: ["127.0.0.1:0"]`, `snmp: { listen: ["`+r.snmp+`"]`, `"udp://127.0.0.1:0"`, `"udp://`+r.syslog+`", "tcp://`+r.stream+`"`)
	r.process = launch(b, built(b), config, r.admin+"/readyz")
	r.pool = r.open(b, config)
	time.Sleep(time.Second)
	r.end = func() {
		r.pool.Close()
		stop(b, r.process)
		pagerduty.Close()
	}
}

// open connects to pdagentd's embedded database.
func (r *rig) open(b *testing.B, config string) *pgxpool.Pool {
	b.Helper()
	c, _, err := loadConfig(config, noEnv)
	if err != nil {
		b.Fatal(err)
	}
	pool, err := pgxpool.New(b.Context(), "host="+c.DataDir+"/postgres user=pdaltagent dbname=pdaltagent")
	if err != nil {
		b.Fatal(err)
	}
	return pool
}

func (r *rig) row(what, measure, value string) {
	r.table = append(r.table, [3]string{what, measure, value})
}

func (r *rig) print() {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\n%d CPUs, %s, Postgres and senders on the same machine\n\n", runtime.NumCPU(), runtime.Version())
	for _, row := range r.table {
		fmt.Fprintf(w, "%s\t%s\t%s\n", row[0], row[1], row[2])
	}
	fmt.Fprintln(w)
	_ = w.Flush() // to the terminal
}

// memory reads a figure of the process' status, in MB.
func (r *rig) memory(name string) int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.process.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			kb, _ := strconv.Atoi(strings.Fields(rest)[0])
			return kb >> 10
		}
	}
	return 0
}

// cpu returns the CPU time that pdagentd has used, without Postgres.
func (r *rig) cpu() time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", r.process.Process.Pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+2:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// until waits until a figure of /metrics has grown by n since it was before,
// or does not grow for five seconds, and returns by how much it has.
func (r *rig) until(b *testing.B, n, before int64, name string) int64 {
	b.Helper()
	last, since := int64(-1), time.Now()
	for time.Since(since) < 5*time.Second {
		got := r.metric(b, name) - before
		if got >= n {
			return got
		}
		if got != last {
			last, since = got, time.Now()
		}
		time.Sleep(100 * time.Millisecond)
	}
	return last
}

// drain waits until nothing is on its way.
func (r *rig) drain(b *testing.B) {
	b.Helper()
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		var left bool
		if err := r.pool.QueryRow(b.Context(), `SELECT EXISTS (SELECT FROM deliveries WHERE state IN ('held', 'queued'))`).Scan(&left); err != nil {
			b.Fatal(err)
		}
		if !left {
			return
		}
	}
	b.Error("deliveries are left")
}

// metric reads a figure from /metrics; 0 where it is not there.
func (r *rig) metric(b *testing.B, name string) int64 {
	b.Helper()
	for line := range strings.Lines(get(b, r.admin+"/metrics")) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			f, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				b.Fatal(err)
			}
			return int64(f)
		}
	}
	return 0
}

func linkDown(b testing.TB, ifIndex int) []byte {
	b.Helper()
	p := gosnmp.SnmpPacket{
		Version: gosnmp.Version2c, Community: "public", PDUType: gosnmp.SNMPv2Trap, RequestID: uint32(ifIndex), //nolint:gosec // positive
		Variables: []gosnmp.SnmpPDU{
			{Name: "1.3.6.1.2.1.1.3.0", Type: gosnmp.TimeTicks, Value: uint32(12345)},
			{Name: "1.3.6.1.6.3.1.1.4.1.0", Type: gosnmp.ObjectIdentifier, Value: "1.3.6.1.6.3.1.1.5.3"},
			{Name: fmt.Sprint("1.3.6.1.2.1.2.2.1.1.", ifIndex), Type: gosnmp.Integer, Value: ifIndex},
			{Name: fmt.Sprint("1.3.6.1.2.1.2.2.1.7.", ifIndex), Type: gosnmp.Integer, Value: 1},
			{Name: fmt.Sprint("1.3.6.1.2.1.2.2.1.8.", ifIndex), Type: gosnmp.Integer, Value: 2},
			{Name: fmt.Sprint("1.3.6.1.2.1.31.1.1.1.1.", ifIndex), Type: gosnmp.OctetString, Value: "GigabitEthernet0/1"},
		},
	}
	datagram, err := p.MarshalMsg()
	if err != nil {
		b.Fatal(err)
	}
	return datagram
}

// send sends datagrams at pace a second, in steps of a millisecond.
func send(b *testing.B, address string, datagrams [][]byte, pace int) {
	b.Helper()
	var d net.Dialer
	conn, err := d.DialContext(b.Context(), "udp", address)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // write only
	began := time.Now()
	for sent := 0; sent < len(datagrams); {
		due := min(int(time.Since(began).Seconds()*float64(pace))+1, len(datagrams))
		for ; sent < due; sent++ {
			if _, err := conn.Write(datagrams[sent]); err != nil {
				b.Fatal(err)
			}
		}
		time.Sleep(time.Millisecond)
	}
}

func rate(n int, d time.Duration) string { return fmt.Sprintf("%.0f/s", float64(n)/d.Seconds()) }
