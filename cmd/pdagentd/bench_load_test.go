package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gosnmp/gosnmp"
)

// http posts from 64 connections for ten seconds, each event an alert of its
// own.
func (r *rig) http(b *testing.B) {
	b.Helper()
	const connections, during = 64, 10 * time.Second
	var (
		senders sync.WaitGroup
		mu      sync.Mutex
		all     []time.Duration
	)
	cpu, began := r.cpu(), time.Now()
	for c := range connections {
		senders.Go(func() {
			took := r.post(b, c, began.Add(during))
			mu.Lock()
			defer mu.Unlock()
			all = append(all, took...)
		})
	}
	senders.Wait()
	elapsed := time.Since(began)
	r.row(fmt.Sprintf("HTTP events, %d connections", connections), "acknowledged", rate(len(all), elapsed))
	r.row("", "p50, p99", percentiles(all))
	r.row("", "delivered meanwhile", rate(int(r.delivered.Load()), elapsed))
	r.row("", "CPU an event, so far", ((r.cpu() - cpu) / time.Duration(len(all))).String())
	backlog, again, began := r.delivered.Load(), r.cpu(), time.Now()
	r.drain(b)
	if n := int(r.delivered.Load() - backlog); n > 0 {
		r.row("deliveries", "with a backlog, nothing coming in", rate(n, time.Since(began)))
		r.row("", "CPU a delivery", ((r.cpu() - again) / time.Duration(n)).String())
	}
}

// post posts one event after the other over a connection, and returns how long
// each took to be acknowledged.
func (r *rig) post(b *testing.B, c int, until time.Time) (took []time.Duration) {
	b.Helper()
	conn, err := (&net.Dialer{}).DialContext(b.Context(), "tcp", r.web)
	if err != nil {
		b.Error(err)
		return nil
	}
	defer conn.Close() //nolint:errcheck // all was read
	answers := bufio.NewReader(conn)
	for i := 0; time.Now().Before(until); i++ {
		body := fmt.Sprintf(`{"routing_key":"%s","event_action":"trigger","dedup_key":"%d-%d","payload":{"summary":"disk is 91%% full",`+
			`"source":"db1.example.net","severity":"error","custom_details":{"mount":"/var","free":"9%%"}}}`, testKey, c, i)
		at := time.Now()
		if _, err := fmt.Fprintf(conn, "POST /v2/enqueue HTTP/1.1\r\nHost: pdagentd\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body); err != nil {
			b.Error(err)
			return took
		}
		if status := readAnswer(answers); status != "202" {
			b.Errorf("answered %q", status)
			return took
		}
		took = append(took, time.Since(at))
	}
	return took
}

// readAnswer reads one HTTP answer with a Content-Length and returns its status.
func readAnswer(r *bufio.Reader) (status string) {
	length := 0
	for {
		line, err := r.ReadSlice('\n')
		switch {
		case err != nil:
			return err.Error()
		case status == "":
			status = string(line[9:12])
		case len(line) == 2:
			_, _ = r.Discard(length) // the next read fails too
			return status
		case bytes.HasPrefix(line, []byte("Content-Length: ")):
			length, _ = strconv.Atoi(strings.TrimSpace(string(line[16:])))
		}
	}
}

func percentiles(all []time.Duration) string {
	if len(all) == 0 {
		return "-"
	}
	slices.Sort(all)
	return fmt.Sprintf("%s, %s", all[len(all)/2].Round(100*time.Microsecond), all[len(all)*99/100].Round(100*time.Microsecond))
}

// informs sends 1,000 informs a second from as many ports as answers are
// waited for, for five seconds.
func (r *rig) informs(b *testing.B) {
	b.Helper()
	const workers, each, pace = 50, 100, 50 * time.Millisecond
	var (
		senders sync.WaitGroup
		mu      sync.Mutex
		all     []time.Duration
	)
	for w := range workers {
		senders.Go(func() {
			conn, err := (&net.Dialer{}).DialContext(b.Context(), "udp", r.snmp)
			if err != nil {
				b.Error(err)
				return
			}
			defer conn.Close() //nolint:errcheck // all was read
			time.Sleep(time.Duration(w) * pace / workers)
			answer, tick := make([]byte, 1500), time.NewTicker(pace)
			defer tick.Stop()
			for i := range each {
				datagram := linkDown(b, 1_000_000+w*each+i)
				datagram[pduTag(datagram)] = 0xA6
				at := time.Now()
				_ = conn.SetReadDeadline(at.Add(5 * time.Second))
				if _, err := conn.Write(datagram); err != nil {
					b.Error(err)
				}
				if _, err := conn.Read(answer); err == nil {
					mu.Lock()
					all = append(all, time.Since(at))
					mu.Unlock()
				}
				<-tick.C
			}
		})
	}
	senders.Wait()
	r.row("informs, 1,000 a second", "answered", fmt.Sprintf("%d of %d", len(all), workers*each))
	r.row("", "p50, p99", percentiles(all))
	r.drain(b)
}

// traps sends linkDown traps of a thousand devices, each of which opens an
// alert of its own.
func (r *rig) traps(b *testing.B) {
	b.Helper()
	const total, pace = 100_000, 20_000
	datagrams := make([][]byte, total)
	for i := range datagrams {
		datagrams[i] = linkDownV1(b, i)
	}
	before := r.metric(b, `pdaltagent_events_total{decision="queued",rule="link-down"}`)
	cpu, delivered := r.cpu(), r.delivered.Load()
	began := time.Now()
	send(b, r.snmp, datagrams, pace)
	got := r.until(b, total, before, `pdaltagent_events_total{decision="queued",rule="link-down"}`)
	elapsed := time.Since(began)
	r.row(fmt.Sprintf("traps, %d a second sent", pace), "committed, each opens an alert", rate(int(got), elapsed))
	r.row("", "lost", fmt.Sprint(total-got))
	r.row("", "delivered meanwhile", rate(int(r.delivered.Load()-delivered), elapsed))
	r.row("", "CPU a trap", ((r.cpu() - cpu) / total).String())
	if _, err := r.pool.Exec(b.Context(), `UPDATE deliveries SET state = 'cancelled', held_by = NULL WHERE state = 'held'`); err != nil {
		b.Fatal(err)
	}
	r.drain(b)
}

// lines sends lines that a rule takes, of a hundred alerts.
func (r *rig) lines(b *testing.B) {
	b.Helper()
	const total, pace = 80_000, 20_000
	datagrams := make([][]byte, total)
	for i := range datagrams {
		datagrams[i] = fmt.Appendf(nil, "<187>%d: Oct 11 22:14:15.123: %%LINK-3-UPDOWN: Interface Gi0/%d, changed state to down", i, i%100)
	}
	const mapped = `pdaltagent_messages_total{outcome="mapped",protocol="syslog"}`
	cpu, before := r.cpu(), r.metric(b, mapped)
	began := time.Now()
	send(b, r.syslog, datagrams, pace)
	got := r.until(b, total, before, mapped)
	r.row(fmt.Sprintf("syslog lines, %d a second sent", pace), "matched, folded and committed", rate(int(got), time.Since(began)))
	r.row("", "lost", fmt.Sprint(total-got))
	r.row("", "CPU a line", ((r.cpu() - cpu) / total).String())
	r.drain(b)
}

// thousandRules writes rules that take none of what is sent, and returns their
// folder.
func thousandRules(b *testing.B) string {
	b.Helper()
	var rules strings.Builder
	rules.WriteString("rules:\n")
	for i := range 500 {
		fmt.Fprintf(&rules, "  - id: trap-%d\n    match: { trap: 1.3.6.1.4.1.99999.0.%d }\n    event: { summary: s }\n", i, i)
		fmt.Fprintf(&rules, "  - id: line-%d\n    match: { syslog: '%%NONE-3-SUCH%d' }\n    event: { summary: s }\n", i, i)
	}
	dir := b.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "rules.yaml"), []byte(rules.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	return dir
}

// unmatchedTraps sends traps that none of 1,000 rules takes for ten seconds, as
// fast as they are asked to be taken.
func (r *rig) unmatchedTraps(b *testing.B) {
	b.Helper()
	const total, pace = 1_100_000, 110_000
	kinds := make([][]byte, 1000)
	for i := range kinds {
		kinds[i] = linkDown(b, i+1)
	}
	datagrams := slices.Repeat(kinds, total/len(kinds))
	const unmatched = `pdaltagent_messages_total{outcome="unmatched",protocol="snmp"}`
	r.unmatched(b, "traps, none of 1,000 rules matches", unmatched, total, func() { send(b, r.snmp, datagrams, pace) })
}

// unmatchedDatagrams sends lines that no rule takes over UDP, as fast as one
// core can.
func (r *rig) unmatchedDatagrams(b *testing.B) {
	b.Helper()
	const total = 1_500_000
	datagrams := slices.Repeat(plainLines(), total/1000)
	r.unmatched(b, "syslog lines over UDP, no rule matches", unmatchedLines, total, func() { send(b, r.syslog, datagrams, 1_000_000_000) })
}

const unmatchedLines = `pdaltagent_messages_total{outcome="unmatched",protocol="syslog"}`

// unmatchedStream sends them over four TCP connections.
func (r *rig) unmatchedStream(b *testing.B) {
	b.Helper()
	const total, connections = 6_000_000, 4
	r.unmatched(b, "syslog lines over TCP, no rule matches", unmatchedLines, total, func() { pour(b, r.stream, total, connections) })
}

// unmatched measures what comes of total messages that deliver sends.
func (r *rig) unmatched(b *testing.B, what, metric string, total int, deliver func()) {
	b.Helper()
	cpu, before := r.cpu(), r.metric(b, metric)
	began := time.Now()
	deliver()
	sent := time.Since(began)
	got := int(r.until(b, int64(total), before, metric))
	elapsed := time.Since(began)
	if got < total { // until waited for what was lost
		elapsed -= 5 * time.Second
	}
	r.row(what, "sent", rate(total, sent))
	r.row("", "parsed and looked up", rate(got, elapsed))
	r.row("", "lost", fmt.Sprint(total-got))
	r.row("", "CPU a message", ((r.cpu() - cpu) / time.Duration(total)).String())
}

// plainLines are a thousand lines that no rule takes.
func plainLines() [][]byte {
	lines := make([][]byte, 1000)
	for i := range lines {
		lines[i] = fmt.Appendf(nil, "<30>Oct 11 22:14:15 web%d nginx[%d]: 192.0.2.7 - GET /index.html 200", i%100, i)
	}
	return lines
}

// pour writes total lines to a TCP listener, over several connections at once.
func pour(b *testing.B, address string, total, connections int) {
	b.Helper()
	chunk := append(bytes.Join(plainLines(), []byte{'\n'}), '\n')
	var senders sync.WaitGroup
	for range connections {
		senders.Go(func() {
			conn, err := (&net.Dialer{}).DialContext(b.Context(), "tcp", address)
			if err != nil {
				b.Error(err)
				return
			}
			defer conn.Close() //nolint:errcheck // written
			for range total / connections / 1000 {
				if _, err := conn.Write(chunk); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	senders.Wait()
}

// rsyslog has rsyslogd, where it is installed, write the same lines to a file,
// to compare with.
func (r *rig) rsyslog(b *testing.B) {
	b.Helper()
	path, err := exec.LookPath("rsyslogd")
	if err != nil {
		r.row("rsyslogd", "is not installed", "")
		return
	}
	const total, connections = 2_000_000, 4
	dir, tcp := b.TempDir(), freePort(b)
	config, out := filepath.Join(dir, "rsyslog.conf"), filepath.Join(dir, "out")
	text := fmt.Sprintf("global(workDirectory=%q)\nmodule(load=\"imtcp\")\ninput(type=\"imtcp\" address=\"127.0.0.1\" port=%q)\naction(type=\"omfile\" file=%q)\n", dir, tcp, out)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	cmd := exec.CommandContext(context.WithoutCancel(b.Context()), path, "-n", "-f", config, "-i", filepath.Join(dir, "pid"))
	cmd.Stderr = io.Discard
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	other := &rig{process: &process{Cmd: cmd}}
	for range 100 {
		if conn, err := (&net.Dialer{}).DialContext(b.Context(), "tcp", "127.0.0.1:"+tcp); err == nil {
			_ = conn.Close() // it only looked
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	cpu, began := other.cpu(), time.Now()
	pour(b, "127.0.0.1:"+tcp, total, connections)
	lines := 0
	for deadline := time.Now().Add(time.Minute); lines < total && time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if info, err := os.Stat(out); err == nil && info.Size() > int64(total)*50 {
			lines = countLines(out)
		}
	}
	r.row("rsyslogd writes such lines over TCP to a file", "written", rate(lines, time.Since(began)))
	r.row("", "CPU a line", ((other.cpu() - cpu) / total).String())
	_ = cmd.Process.Kill() // nothing of it is kept
	_ = cmd.Wait()
}

func countLines(file string) (n int) {
	f, err := os.Open(file) //nolint:gosec // the benchmark named it
	if err != nil {
		return 0
	}
	defer f.Close() //nolint:errcheck // read only
	buf := make([]byte, 1<<20)
	for {
		k, err := f.Read(buf)
		n += bytes.Count(buf[:k], []byte{'\n'})
		if err != nil {
			return n
		}
	}
}

// linkDownV1 is a v1 trap of one of a thousand devices that a relay passes on.
func linkDownV1(b *testing.B, i int) []byte {
	b.Helper()
	ifIndex := i + 1
	p := gosnmp.SnmpPacket{
		Version: gosnmp.Version1, Community: "public", PDUType: gosnmp.Trap,
		SnmpTrap: gosnmp.SnmpTrap{
			Enterprise: "1.3.6.1.4.1.9.1.1", AgentAddress: fmt.Sprintf("10.0.%d.%d", i%1000/250, i%250+1), GenericTrap: 2, Timestamp: 12345,
		},
		Variables: []gosnmp.SnmpPDU{
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
