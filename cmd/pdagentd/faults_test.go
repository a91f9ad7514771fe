package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

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
	long(t)
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

// long skips a test whose time goes into waiting for nodes and databases to
// die and to come back. Its name is one of those that make faults runs.
func long(t *testing.T) {
	t.Helper()
	if !regexp.MustCompile("^Test(Fleet|PagerDutyMay|PostgresMay)").MatchString(t.Name()) {
		t.Fatal("make faults would not run it")
	}
	if os.Getenv("PDALTAGENT_FAULTS") == "" {
		t.Skip("takes long: make faults runs it")
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
		var log keep
		a, stop := beginWith(t, c.file, slog.New(slog.NewTextHandler(&log, nil)))
		t.Cleanup(func() {
			stop()
			if t.Failed() {
				t.Log(log.String())
			}
		})
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
	c.Fatalf("not so after 30 s (%v), at %s: %s\n%s", err, time.Now(), query, c.left())
}

// left says how deliveries are.
func (c *cell) left() string {
	var text *string
	err := c.pool.QueryRow(c.Context(), `SELECT string_agg(format('%s#%s %s %s %s', dedup_key, e.summary, d.state, d.held_by, d.last_error), E'\n' ORDER BY seq)
		FROM deliveries d JOIN events e USING (dedup_key) WHERE e.id = d.event_id AND state <> 'delivered'`).Scan(&text)
	if err != nil || text == nil {
		return fmt.Sprint(err)
	}
	var jobs *string
	err = c.pool.QueryRow(c.Context(), `SELECT string_agg(format('job %s of %s: %s, attempt %s at %s by %s, scheduled %s', j.id, e.dedup_key, j.state, j.attempt, j.attempted_at, j.attempted_by, j.scheduled_at), E'\n' ORDER BY j.id)
		FROM river.river_job j JOIN deliveries d ON d.job_id = j.id JOIN events e ON e.id = d.event_id WHERE d.state = 'queued'`).Scan(&jobs)
	if err != nil || jobs == nil {
		return fmt.Sprint(*text, "\n", err)
	}
	return *text + "\n" + *jobs
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
