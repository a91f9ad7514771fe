package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pdaltagent/pdaltagent/ingest/httpevent"
	"github.com/pdaltagent/pdaltagent/migrations/pgtest"
)

// The ways in which PagerDuty fails. delivery/README.md has the same table.
const (
	refuses      = "refuses connections"
	resets       = "resets"
	hangs        = "hangs"
	busies       = "429"
	busiesFor    = "429 with Retry-After"
	breaks       = "500"
	rejects      = "400"
	cannotBeTrue = "bad TLS"
	slow         = "slow"
)

// TestPagerDutyMayFail: for each way in which PagerDuty fails, while events are
// sent and while pdagentd is killed and started again meanwhile, all that was
// acknowledged arrives (or is dead, where PagerDuty refuses it), each alert's
// events in their order, and twice only what was in flight.
func TestPagerDutyMayFail(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	t.Parallel()
	for _, when := range []string{"during send", "during restart"} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			program := ""
			if when == "during restart" {
				program = built(t)
			}
			c := newCell(t, program, pgtest.URL(t))
			for _, fault := range []string{refuses, resets, hangs, busies, busiesFor, breaks, rejects, cannotBeTrue, slow} {
				t.Run(fault, func(t *testing.T) { c.of(t).fail(fault) })
			}
		})
	}
}

// pager is a PagerDuty that can be made to fail.
type pager struct {
	t       *testing.T
	server  *http.Server
	address string
	ca      string // a file with its certificate
	good    *tls.Certificate
	bad     *tls.Certificate

	mu     sync.Mutex
	socket net.Listener
	conns  map[net.Conn]bool
	fault  string
	over   chan struct{} // closed when the fault is over
	struck int           // requests that the fault met
	taken  map[string][]take
}

// take is an event that PagerDuty took: the nth of its alert.
type take struct {
	n        int
	answered bool
}

func newPager(t *testing.T) *pager {
	t.Helper()
	p := &pager{t: t, ca: filepath.Join(t.TempDir(), "ca.pem"), conns: map[net.Conn]bool{}, taken: map[string][]take{}}
	for _, certificate := range []**tls.Certificate{&p.good, &p.bad} {
		c, err := httpevent.SelfSigned(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		*certificate = &c
	}
	write(t, p.ca, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.good.Certificate[0]})))
	p.server = &http.Server{
		Handler: p, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
		ConnState: func(c net.Conn, state http.ConnState) {
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.conns[c] = true; state == http.StateClosed || state == http.StateHijacked {
				delete(p.conns, c)
			}
		},
	}
	p.address = "127.0.0.1:0"
	p.listen()
	t.Cleanup(func() { _ = p.server.Close() })
	return p
}

func (p *pager) listen() {
	p.t.Helper()
	var (
		conf net.ListenConfig
		l    net.Listener
		err  error
	)
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if l, err = conf.Listen(context.Background(), "tcp", p.address); err == nil {
			break
		}
	}
	if err != nil {
		p.t.Fatal(err)
	}
	p.address, p.socket = l.Addr().String(), l
	show := &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.fault == cannotBeTrue {
			p.struck++
			return p.bad, nil
		}
		return p.good, nil
	}}
	go func() { _ = p.server.Serve(tls.NewListener(l, show)) }() // until it is closed
}

// begin has it fail.
func (p *pager) begin(fault string) {
	p.mu.Lock()
	p.fault, p.over, p.struck = fault, make(chan struct{}), 0
	p.mu.Unlock()
	switch fault {
	case refuses:
		_ = p.socket.Close() // only once
		p.cut()
	case cannotBeTrue:
		p.cut()
	}
}

// end has it be well again.
func (p *pager) end() {
	p.mu.Lock()
	fault := p.fault
	if p.fault = ""; fault != "" {
		close(p.over)
	}
	p.mu.Unlock()
	switch fault {
	case refuses:
		p.listen()
	case cannotBeTrue:
		p.cut()
	}
}

// cut cuts all connections.
func (p *pager) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close() // it may be closed
	}
}

// ServeHTTP takes an event, unless it fails.
func (p *pager) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var e struct {
		DedupKey string `json:"dedup_key"`
		Payload  struct {
			Summary string `json:"summary"`
		} `json:"payload"`
	}
	if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
		p.t.Error(err)
	}
	p.mu.Lock()
	fault, over := p.fault, p.over
	if fault != "" {
		p.struck++
	}
	p.mu.Unlock()
	switch fault {
	case busiesFor:
		w.Header().Set("Retry-After", "1")
		fallthrough
	case busies:
		w.WriteHeader(http.StatusTooManyRequests)
		return
	case breaks, rejects:
		status, _ := strconv.Atoi(fault)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"status":"no"}`) // the client may be gone
		return
	}
	done := p.take(e.DedupKey, e.Payload.Summary)
	switch fault {
	case resets:
		if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
			_ = c.(*tls.Conn).NetConn().(*net.TCPConn).SetLinger(0) // a RST
			_ = c.Close()
		}
		return
	case hangs:
		select {
		case <-over:
		case <-r.Context().Done():
		}
		panic(http.ErrAbortHandler)
	case slow:
		time.Sleep(300 * time.Millisecond)
	}
	w.WriteHeader(http.StatusAccepted)
	if http.NewResponseController(w).Flush() == nil && r.Context().Err() == nil {
		done()
	}
}

// take remembers an event, and with done that it was answered.
func (p *pager) take(alert, number string) (done func()) {
	n, err := strconv.Atoi(number)
	if err != nil {
		p.t.Error(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	i := len(p.taken[alert])
	p.taken[alert] = append(p.taken[alert], take{n: n})
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.taken[alert][i].answered = true
	}
}

func (p *pager) met() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.struck
}

// check holds what was taken of an alert against the numbers that it must have
// got; inFlight are those that nobody knew whether they had arrived.
func (p *pager) check(t *testing.T, alert string, want []int, inFlight map[string]bool) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	var got []int
	unanswered := map[int]bool{}
	for _, taken := range p.taken[alert] {
		last := 0
		if len(got) > 0 {
			last = got[len(got)-1]
		}
		switch {
		case taken.n < last:
			t.Errorf("%s: %d came after %d", alert, taken.n, last)
		case taken.n > last:
			got = append(got, taken.n)
		case !unanswered[taken.n] && !inFlight[fmt.Sprint(alert, "#", taken.n)]:
			t.Errorf("%s: %d came twice, and was not in flight", alert, taken.n)
		}
		if !taken.answered {
			unanswered[taken.n] = true
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: %v arrived, want %v", alert, got, want)
	}
}

// cellAlerts is how many alerts a cell's events are about.
const cellAlerts = 4

// cell is a cell of the matrix: pdagentd, a PagerDuty that fails, and a
// database, all of which a column shares.
type cell struct {
	*testing.T
	*pager
	program   string // empty: pdagentd runs in this process, and is not restarted
	file, url string
	ready     string
	pool      *pgxpool.Pool
	node      *process
	number    int
	sent      map[string]int // how many events of an alert were acknowledged
	inFlight  map[string]bool
}

// of returns the next cell of a column, with alerts of its own.
func (c *cell) of(t *testing.T) *cell {
	t.Helper()
	c.T, c.sent, c.inFlight = t, map[string]int{}, map[string]bool{}
	c.number++
	return c
}

func (c *cell) alert(i int) string { return fmt.Sprintf("cell%d-alert%d", c.number, i) }

func newCell(t *testing.T, program, database string) *cell {
	t.Helper()
	c := &cell{T: t, pager: newPager(t), program: program}
	c.file = settings(t, fmt.Sprintf(`
database: { url: '%s' }
pagerduty: { events_url: https://%s }
delivery: { ca_file: %s, timeout: 1s, backoff: { initial: 20ms, max: 200ms }, workers: 16 }
routes: { noc: { key: %s } }
`, database, c.address, c.ca, testKey))
	rules := t.TempDir()
	write(t, filepath.Join(rules, "10.yaml"), "rules: []\n")
	rewrite(t, c.file, "../../deploy/rules.d", rules)
	var err error
	if c.pool, err = pgxpool.New(t.Context(), database); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.pool.Close)
	if program == "" {
		a, stop := beginStoppable(t, c.file)
		t.Cleanup(stop)
		c.url = "http://" + a.http.Addrs()[0].String()
		return c
	}
	web, admin := freePort(t), freePort(t)
	rewrite(t, c.file, `["http://127.0.0.1:0", "https://127.0.0.1:0"]`, `["http://127.0.0.1:`+web+`"]`, `admin: { listen: "http://127.0.0.1:0" }`, `admin: { listen: "http://127.0.0.1:`+admin+`" }`)
	c.url, c.ready = "http://127.0.0.1:"+web, "http://127.0.0.1:"+admin+"/readyz"
	c.node = launch(t, program, c.file, c.ready)
	t.Cleanup(func() {
		_ = c.node.Process.Kill() // nobody asks it any more
		_ = c.node.Wait()
		if t.Failed() {
			t.Log(c.node.log.String())
		}
	})
	return c
}

// post has one more event of each alert be acknowledged.
func (c *cell) post(times int) {
	c.Helper()
	for range times {
		for i := range cellAlerts {
			alert := c.alert(i)
			if !postEvent(c.Context(), c.url, alert, c.sent[alert]+1) {
				c.Fatalf("event %d of %s was not acknowledged", c.sent[alert]+1, alert)
			}
			c.sent[alert]++
		}
	}
}

// postEvent posts the nth event of an alert, and reports whether it was
// acknowledged.
func postEvent(ctx context.Context, url, alert string, n int) bool {
	action := []string{"resolve", "trigger", "acknowledge"}[n%3]
	body := fmt.Sprintf(`{"routing_key":"%s","event_action":"%s","dedup_key":"%s","payload":{"summary":"%d","source":"h","severity":"error"}}`, testKey, action, alert, n)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v2/enqueue", strings.NewReader(body))
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, resp.Body) // for the connection to be used again
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusAccepted
}

// until waits until a query finds true.
func (c *cell) until(query string) {
	c.Helper()
	var (
		is  bool
		err error
	)
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if err = c.pool.QueryRow(c.Context(), query).Scan(&is); err == nil && is {
			return
		}
	}
	c.Fatalf("not so after 30 s (%v): %s\n%s", err, query, c.left())
}

// left says how deliveries are.
func (c *cell) left() string {
	var text *string
	err := c.pool.QueryRow(c.Context(), `SELECT string_agg(format('%s#%s %s %s %s', dedup_key, e.summary, d.state, d.held_by, d.last_error), E'\n' ORDER BY seq)
		FROM deliveries d JOIN events e USING (dedup_key) WHERE e.id = d.event_id AND state <> 'delivered'`).Scan(&text)
	if err != nil || text == nil {
		return fmt.Sprint(err)
	}
	return *text
}

// own is what is true of the cell's own deliveries.
func (c *cell) own() string { return fmt.Sprintf(`dedup_key LIKE 'cell%d-%%'`, c.number) }

// settled waits until all that was acknowledged is delivered or dead.
func (c *cell) settled() {
	c.Helper()
	total := 0
	for _, n := range c.sent {
		total += n
	}
	c.until(fmt.Sprintf(`SELECT count(*) >= %d AND bool_and(state IN ('delivered', 'dead')) FROM deliveries WHERE `, total) + c.own())
}

// fail goes through a cell: some events before the fault, some while it lasts,
// some after a restart if there is one, and some when it is over.
func (c *cell) fail(fault string) {
	c.Helper()
	c.post(1)
	c.settled()
	c.begin(fault)
	defer c.end()
	c.post(2)
	switch fault {
	case slow:
		for deadline := time.Now().Add(20 * time.Second); c.met() < 3 && time.Now().Before(deadline); {
			time.Sleep(10 * time.Millisecond)
		}
	case cannotBeTrue:
		c.until(`SELECT count(*) > 0 FROM deliveries WHERE state = 'held' AND last_error LIKE 'no TLS with %' AND ` + c.own())
	default:
		c.until(`SELECT count(*) >= 3 FROM attempts JOIN deliveries d ON d.id = delivery_id WHERE error IS NOT NULL AND ` + c.own())
	}
	if c.program != "" {
		c.restart()
		c.post(1)
	}
	if fault == rejects {
		c.settled()
	}
	c.end()
	c.post(1)
	c.settled()
	c.conclude(fault)
}

// restart kills pdagentd and starts it again. What was under way then may
// have arrived.
func (c *cell) restart() {
	c.Helper()
	if err := c.node.Process.Kill(); err != nil {
		c.Fatal(err)
	}
	_ = c.node.Wait() // killed
	rows, err := c.pool.Query(c.Context(), `SELECT e.dedup_key || '#' || e.summary FROM deliveries d JOIN events e ON e.id = d.event_id WHERE d.state = 'queued'`)
	if err != nil {
		c.Fatal(err)
	}
	flying, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		c.Fatal(err)
	}
	for _, event := range flying {
		c.inFlight[event] = true
	}
	c.node = launch(c.T, c.program, c.file, c.ready)
}

// conclude holds what arrived, and what is dead, against what was
// acknowledged.
func (c *cell) conclude(fault string) {
	c.Helper()
	dead, want := 0, `SELECT true`
	for alert, n := range c.sent {
		numbers := make([]int, 0, n)
		for i := 1; i <= n; i++ {
			if fault == rejects && i > 1 && i < n {
				dead++
				continue
			}
			numbers = append(numbers, i)
		}
		c.check(c.T, alert, numbers, c.inFlight)
	}
	if fault == rejects {
		want = `SELECT bool_and(last_status = 400 AND last_error LIKE '%{"status":"no"}') FROM deliveries WHERE state = 'dead' AND ` + c.own()
	}
	c.until(want)
	c.until(fmt.Sprintf(`SELECT count(*) = %d FROM deliveries WHERE state = 'dead' AND `, dead) + c.own())
}
