package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pdaltagent/pdaltagent/migrations"
	"github.com/pdaltagent/pdaltagent/migrations/pgtest"
)

// moodyPagerDuty takes events when it is open, and answers 429 when it is not.
type moodyPagerDuty struct {
	*httptest.Server
	mu   sync.Mutex
	open bool
	got  map[string]int // by dedup_key
}

func newMoodyPagerDuty(t *testing.T) *moodyPagerDuty {
	t.Helper()
	p := &moodyPagerDuty{got: map[string]int{}}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var e struct {
			Key string `json:"dedup_key"`
		}
		if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
			t.Error(err)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if !p.open {
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		p.got[e.Key]++
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *moodyPagerDuty) set(open bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = open
}

// once is an error unless each of n events came once.
func (p *moodyPagerDuty) once(t *testing.T, n int) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range n {
		if key := fmt.Sprint("held-", i); p.got[key] != 1 {
			t.Errorf("%s came %d times", key, p.got[key])
		}
	}
}

// hold has an appliance take n events that PagerDuty does not take yet.
func (p *moodyPagerDuty) hold(t *testing.T, a *appliance, n int) {
	t.Helper()
	url := "http://" + a.http.Addrs()[0].String() + "/v2/enqueue"
	var senders sync.WaitGroup
	for w := range 8 {
		senders.Go(func() {
			for i := w; i < n; i += 8 {
				body := fmt.Sprintf(`{"routing_key":"%s","event_action":"trigger","dedup_key":"held-%d","payload":{"summary":"é\t\\N","source":"h","severity":"info"}}`, testKey, i)
				if status, answer := post(t, url, body); status != http.StatusAccepted {
					t.Error(status, answer)
				}
			}
		})
	}
	senders.Wait()
	a.eventually(t, fmt.Sprint(n), `SELECT count(*) FROM deliveries WHERE state IN ('held', 'queued')`)
}

func runMove(t *testing.T, args ...string) queueRun {
	t.Helper()
	var stdout, stderr strings.Builder
	status := execute(t.Context(), append([]string{"move"}, args...), &stdout, &stderr)
	return queueRun{status, stdout.String(), stderr.String()}
}

// TestTheEmbeddedDatabaseMovesWithAllThatItHolds: what waited there is delivered
// from the new one, once.
func TestTheEmbeddedDatabaseMovesWithAllThatItHolds(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	const held = 1000
	pagerduty, to := newMoodyPagerDuty(t), pgtest.Empty(t)
	config := settings(t, fmt.Sprintf("pagerduty: { events_url: %s }\nroutes: { noc: { key: %s } }", pagerduty.URL, testKey))
	a, stop := beginStoppable(t, config)
	pagerduty.hold(t, a, held)
	tables := func() string {
		return a.sql(t, `SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM deliveries), (SELECT md5(string_agg(e::text, ',' ORDER BY id)) FROM events e)`)
	}
	before := tables()
	if _, err := a.database.pool.Exec(t.Context(), `INSERT INTO river.river_job (args, kind, max_attempts, queue, state, scheduled_at)
		VALUES ('{}', 'later_v1', 1, 'nobodys', 'scheduled', now() + interval '1 day')`); err != nil {
		t.Fatal(err)
	}
	runMove(t, "--config", config, "--to", to).says(t, 1, "in use by process "+fmt.Sprint(os.Getpid()), "stop it")
	stop()

	runMove(t, "--config", config, "--to", to).says(t, 0,
		"        1000  events\n", "        1000  deliveries\n", "river.river_job\n", "database:\n  url: "+to+"\n", "and start pdagentd")
	runMove(t, "--config", config, "--to", to).says(t, 1, "was moved to "+to)
	var stdout, stderr bytes.Buffer
	if status := execute(t.Context(), []string{"run", "--config", config}, &stdout, &stderr); status != 1 || !strings.Contains(stderr.String(), "set database.url to that") {
		t.Errorf("it runs on the old one: %d %s", status, stderr.String())
	}

	rewrite(t, config, "routes:", "database: { url: '"+to+"' }\nroutes:")
	a = begin(t, config)
	a.eventually(t, "1", `SELECT count(*) FROM nodes`)
	if after := tables(); after != before {
		t.Errorf("there were %s, and there are %s", before, after)
	}
	pagerduty.set(true)
	a.eventually(t, fmt.Sprint("delivered ", held), `SELECT state, count(*) FROM deliveries GROUP BY 1`)
	pagerduty.once(t, held)
	a.eventually(t, "1", `SELECT count(*) FROM river.river_job WHERE kind = 'later_v1'`)
	if status, answer := post(t, "http://"+a.http.Addrs()[0].String()+"/v2/enqueue",
		`{"routing_key":"`+testKey+`","event_action":"resolve","dedup_key":"held-0"}`); status != http.StatusAccepted {
		t.Error(status, answer)
	}
	a.eventually(t, "trigger\nresolve", `SELECT action FROM deliveries WHERE dedup_key = 'held-0' AND state = 'delivered' ORDER BY seq`)
	runMove(t, "--config", config, "--to", to).says(t, 1, "pdagentd runs on that database already")
}

// TestMoveRefusesWhatItWouldSpoil and leaves it as it was.
func TestMoveRefusesWhatItWouldSpoil(t *testing.T) {
	config := settings(t, "")
	runMove(t, "--config", config).says(t, 2, "--to is missing")
	to := pgtest.Empty(t)
	runMove(t, "--config", config, "--to", to).says(t, 1, "has no embedded Postgres: there is nothing to move")
	_, stop := beginStoppable(t, config)
	stop()
	runMove(t, "--config", config, "--to", "postgres://u:s3cret@127.0.0.1:1/x").says(t, 1, "--to: postgres://u:xxxxx@127.0.0.1:1/x cannot be reached, as nobody listens there: is Postgres up")
	runMove(t, "--config", config, "--to", "mysql://u:s3cret@h/x").says(t, 1, "--to: mysql://u:xxxxx@h/x is no URL of a database: write postgres://USER@HOST/DATABASE")
	absent, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	absent.Path = "/absent"
	runMove(t, "--config", config, "--to", absent.String()).says(t, 1, `"absent" does not exist: make it with createdb`)
	conn, err := pgx.Connect(t.Context(), to)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context()) //nolint:errcheck // it is a test's
	do := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	do(`CREATE TABLE somebodys (id int)`)
	runMove(t, "--config", config, "--to", to).says(t, 1, "there is something in table somebodys", "may run on as before")
	do(`DROP TABLE somebodys`)
	if err := migrations.Up(t.Context(), to); err != nil {
		t.Fatal(err)
	}
	do(`INSERT INTO interventions VALUES (gen_random_uuid(), now(), 'who', 'retry', '', '', 0)`)
	runMove(t, "--config", config, "--to", to).says(t, 1, "there is something in table interventions")
	do(`DELETE FROM interventions`)
	runMove(t, "--config", config, "--to", to).says(t, 0, "counted on both sides")
}
