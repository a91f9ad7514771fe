package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pdaltagent/pdaltagent/migrations/embedded"
)

// TestPostgresMayGoAway: while the database is away HTTP events and informs go
// on being acknowledged, and when it is back all that was acknowledged is on
// record exactly once, and delivered. PDALTAGENT_OUTAGE is how long it is away
// (3s), PDALTAGENT_OUTAGE_RATE how much comes in a second (600).
func TestPostgresMayGoAway(t *testing.T) {
	long(t)
	t.Run("alone", func(t *testing.T) { newOutage(t).happen(t, false) })
	t.Run("and pdagentd is killed meanwhile", func(t *testing.T) { newOutage(t).happen(t, true) })
}

// outage is a pdagentd, a database that can be stopped, and their senders.
type outage struct {
	program, config, ready  string
	url, snmp, syslog       string
	dir                     string // the database's
	database                *embedded.Server
	away                    time.Duration
	rate                    int
	mu                      sync.Mutex
	delivered               map[string]int // by dedup_key
	heard                   sync.Map       // what was acknowledged, by the text that its event's message holds
	acknowledged, whileAway atomic.Int64
	informed, lines         atomic.Int64
	isAway                  atomic.Bool
}

func newOutage(t *testing.T) *outage {
	t.Helper()
	o := &outage{delivered: map[string]int{}, dir: dataDir(t), away: 3 * time.Second, rate: 600}
	if s := os.Getenv("PDALTAGENT_OUTAGE"); s != "" {
		var err error
		if o.away, err = time.ParseDuration(s); err != nil {
			t.Fatal(err)
		}
	}
	if s := os.Getenv("PDALTAGENT_OUTAGE_RATE"); s != "" {
		if _, err := fmt.Sscan(s, &o.rate); err != nil {
			t.Fatal(err)
		}
	}
	pagerduty := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var e struct {
			DedupKey string `json:"dedup_key"`
		}
		if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
			t.Error(err)
		}
		o.mu.Lock()
		o.delivered[e.DedupKey]++
		o.mu.Unlock()
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(pagerduty.Close)
	o.start(t)
	web, admin, udp := freePort(t), freePort(t), freePort(t)
	o.url, o.ready = "http://127.0.0.1:"+web, "http://127.0.0.1:"+admin+"/readyz"
	o.snmp, o.syslog = "127.0.0.1:"+udp, "127.0.0.1:"+freePort(t)
	o.program = built(t)
	o.config = settings(t, fmt.Sprintf("pagerduty: { events_url: %s }\nroutes: { noc: { key: %s } }\ndatabase: { url: '%s' }", pagerduty.URL, testKey, o.database.URL()))
	rewrite(t, o.config, `["http://127.0.0.1:0", "https://127.0.0.1:0"]`, `["`+o.url+`"]`, `admin: { listen: "http://127.0.0.1:0" }`, `admin: { listen: "http://127.0.0.1:`+admin+`" }`,
		`snmp: { listen: ["127.0.0.1:0"]`, `snmp: { listen: ["`+o.snmp+`"]`, `udp://127.0.0.1:0`, `udp://`+o.syslog)
	return o
}

func (o *outage) start(t *testing.T) {
	t.Helper()
	server, err := embedded.Start(t.Context(), embedded.Config{DataDir: o.dir}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	o.database = server
}

func (o *outage) stop(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	if err := o.database.Stop(ctx); err != nil {
		t.Fatal(err)
	}
}

func (o *outage) happen(t *testing.T, kill bool) {
	t.Helper()
	p := launch(t, o.program, o.config, o.ready)
	ctx, finish := context.WithCancel(t.Context())
	var senders sync.WaitGroup
	o.send(ctx, t, &senders)
	time.Sleep(o.away / 3)
	o.isAway.Store(true)
	o.stop(t)
	if kill {
		time.Sleep(o.away / 2)
		if err := p.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = p.Wait() // killed
		p = launch(t, o.program, o.config, o.ready)
		time.Sleep(o.away / 2)
	} else {
		time.Sleep(o.away)
	}
	o.isAway.Store(false)
	o.start(t)
	defer o.stop(t)
	time.Sleep(o.away / 3)
	finish()
	senders.Wait()
	o.check(t, kill)
	stop(t, p)
	http.DefaultClient.CloseIdleConnections()
}

// send sends events, informs and lines until ctx ends.
func (o *outage) send(ctx context.Context, t *testing.T, senders *sync.WaitGroup) {
	t.Helper()
	const workers = 8
	pace := time.Duration(workers * 3 * int(time.Second) / o.rate)
	for w := range workers {
		senders.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				if key := fmt.Sprintf("http-%d-%d", w, i); accepted(context.WithoutCancel(ctx), o.url+"/v2/enqueue", key) {
					o.acknowledge(key)
				}
				wait(ctx, pace)
			}
		})
		senders.Go(func() {
			for i := 1; ctx.Err() == nil; i++ {
				if index := w*1_000_000 + i; o.inform(t, index) {
					o.informed.Add(1)
					o.acknowledge(fmt.Sprintf(`"1.3.6.1.2.1.2.2.1.1.%d"`, index))
				}
				wait(ctx, pace)
			}
		})
		senders.Go(func() {
			conn, err := (&net.Dialer{}).DialContext(ctx, "udp", o.syslog)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close() //nolint:errcheck // write only
			for i := 0; ctx.Err() == nil; i++ {
				if _, err := fmt.Fprintf(conn, "<187>%d: Oct 11 22:14:15.123: %%LINK-3-UPDOWN: Interface Gi%d/%d, changed state to down", i, w, i); err == nil {
					o.lines.Add(1)
				}
				wait(ctx, pace)
			}
		})
	}
}

func (o *outage) acknowledge(text string) {
	o.heard.Store(text, true)
	o.acknowledged.Add(1)
	if o.isAway.Load() {
		o.whileAway.Add(1)
	}
}

// inform sends one inform and reports whether it was answered within 10 s.
func (o *outage) inform(t *testing.T, index int) bool {
	t.Helper()
	conn, err := net.Dial("udp", o.snmp) //nolint:noctx // it is bounded by its deadline
	if err != nil {
		t.Error(err)
		return false
	}
	defer conn.Close() //nolint:errcheck // nothing to lose
	datagram := linkDown(t, index)
	datagram[pduTag(datagram)] = 0xA6 // InformRequest
	if _, err := conn.Write(datagram); err != nil {
		return false // refused: pdagentd is down
	}
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	answer := make([]byte, 1500)
	n, err := conn.Read(answer)
	return err == nil && n > 0 && answer[pduTag(answer)] == 0xA2
}

// pduTag is where a v2c message of less than 128 bytes, or of less than 256,
// has its PDU's tag.
func pduTag(message []byte) int {
	at := 2
	if message[1]&0x80 != 0 {
		at += int(message[1] & 0x7f)
	}
	at += 2 + int(message[at+1]) // version
	return at + 2 + int(message[at+1])
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// check waits until all is delivered and holds it against what was
// acknowledged.
func (o *outage) check(t *testing.T, killed bool) {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), o.database.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		var left, events int64
		err := pool.QueryRow(t.Context(), `SELECT count(*) FILTER (WHERE state <> 'delivered'), (SELECT count(*) FROM events) FROM deliveries`).Scan(&left, &events)
		if err == nil && left == 0 && events >= o.acknowledged.Load() {
			break
		}
		if time.Now().After(deadline) { // on a machine that is busy the tables may come late, too
			t.Fatalf("%v: %d deliveries are left, %d events for %d acknowledgements\n%s", err, left, events, o.acknowledged.Load(), o.left(t, pool))
		}
	}
	found := o.recorded(t, pool)
	o.heard.Range(func(text, _ any) bool {
		if n := found[text.(string)]; n != 1 {
			t.Errorf("%s was acknowledged and is %d times on record", text, n)
		}
		return !t.Failed()
	})
	var lines int64
	if err := pool.QueryRow(t.Context(), `SELECT count(*) FROM events WHERE protocol = 'syslog' AND rule <> 'storm'`).Scan(&lines); err != nil {
		t.Fatal(err)
	}
	if !killed && lines != o.lines.Load() {
		t.Errorf("%d lines were sent and %d are on record", o.lines.Load(), lines)
	}
	if o.whileAway.Load() == 0 || o.informed.Load() == 0 {
		t.Errorf("%d acknowledged while the database was away, %d informs answered", o.whileAway.Load(), o.informed.Load())
	}
	t.Logf("%d events and informs (%d) acknowledged, %d of them while the database was away, %d lines of %d on record",
		o.acknowledged.Load(), o.informed.Load(), o.whileAway.Load(), lines, o.lines.Load())
}

// left says what the deliveries that are left wait for, and how their jobs are.
func (o *outage) left(t *testing.T, pool *pgxpool.Pool) (text string) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), `SELECT string_agg(line, E'\n') FROM (
		SELECT format('%s deliveries: %s by %s, job %s %s in %s, attempts %s', count(*), d.state, d.held_by, j.state, j.attempt, j.queue, d.attempts) AS line
		FROM deliveries d LEFT JOIN river.river_job j ON j.kind = 'deliver_v1' AND (j.args ->> 'delivery_id')::uuid = d.id
		WHERE d.state <> 'delivered' GROUP BY d.state, d.held_by, j.state, j.attempt, j.queue, d.attempts) AS lines`).Scan(&text); err != nil {
		t.Error(err)
	}
	return text
}

// recorded counts the events on record by what they are known by.
func (o *outage) recorded(t *testing.T, pool *pgxpool.Pool) map[string]int {
	t.Helper()
	rows, err := pool.Query(t.Context(), `SELECT coalesce('"' || substring(message::text FROM '1\.3\.6\.1\.2\.1\.2\.2\.1\.1\.[0-9]+') || '"', dedup_key), count(*)
		FROM events WHERE protocol <> 'syslog' GROUP BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	var (
		found = map[string]int{}
		text  string
		n     int
	)
	if _, err := pgx.ForEachRow(rows, []any{&text, &n}, func() error {
		found[text] = n
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return found
}
