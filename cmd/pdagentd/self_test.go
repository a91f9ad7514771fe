package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pdaltagent/pdaltagent/delivery/sandbox"
)

// troubled is an appliance that looks after itself, with a database that can be
// stopped and a PagerDuty that can refuse what the route lab sends.
type troubled struct {
	*appliance
	outage  outage
	sandbox *sandbox.Sandbox
	answer  atomic.Int64 // to what lab sends; 0: the sandbox's own
	config  string
	web     string
	end     func() // stops the appliance
}

const labKey = "fedcba9876543210fedcba9876543210"

func newTroubled(t *testing.T) *troubled {
	t.Helper()
	x := &troubled{sandbox: sandbox.New(sandbox.Config{})}
	x.outage.dir = dataDir(t)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // what is cut off is no event
		var e struct {
			Key string `json:"routing_key"`
		}
		if status := x.answer.Load(); status != 0 && json.Unmarshal(body, &e) == nil && e.Key == labKey {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(int(status))
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		x.sandbox.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	x.outage.start(t)
	t.Cleanup(func() { x.outage.stop(t) })
	rules := t.TempDir()
	write(t, filepath.Join(rules, "10.yaml"), `rules: [{ id: flawed, match: { syslog: '*', when: int(message) == 1 }, event: {} }]`)
	x.config = settings(t, fmt.Sprintf("pagerduty: { events_url: %s }\nroutes: { noc: { key: %s }, lab: { key: %s } }\ndefault_route: noc\n"+
		"database: { url: '%s' }\nself: { route: noc, every: 100ms, backlog: 2s }", front.URL, testKey, labKey, x.outage.database.URL()))
	rewrite(t, x.config, `../../deploy/rules.d`, rules)
	x.begin(t)
	t.Cleanup(func() { x.end() })
	return x
}

// begin starts the appliance.
func (x *troubled) begin(t *testing.T) {
	t.Helper()
	x.appliance, x.end = beginStoppable(t, x.config)
	x.eventually(t, "true", `SELECT count(*) > 3 FROM pg_class WHERE relname LIKE 'attempts_2%'`) // its database is ready
	x.web = "http://" + x.http.Addrs()[0].String()
}

// send posts an event on the route lab.
func (x *troubled) send(t *testing.T, key string) {
	t.Helper()
	if status, answer := post(t, x.web+"/v2/enqueue", `{"routing_key":"`+labKey+`","event_action":"trigger","dedup_key":"`+key+
		`","payload":{"summary":"s","source":"h","severity":"error"}}`); status != http.StatusAccepted {
		t.Fatal(status, answer)
	}
}

// hears waits until PagerDuty has heard want, and no more, of our own alert.
func (x *troubled) hears(t *testing.T, key, want string) {
	t.Helper()
	var got []string
	for deadline := time.Now().Add(25 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		got = nil
		for _, e := range x.sandbox.Events() {
			if e.DedupKey == key && e.Accepted() {
				got = append(got, e.Action+" "+e.Severity)
			}
		}
		if strings.Join(got, ", ") == want {
			return
		}
	}
	t.Fatalf("%s: PagerDuty has heard %v, want %s", key, got, want)
}

// TestTheApplianceTellsOfItsOwnTrouble, and that it is over, each by one alert
// that the history has, too.
func TestTheApplianceTellsOfItsOwnTrouble(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	x := newTroubled(t)
	t.Run("what waits for too long, on another route", func(t *testing.T) {
		x.answer.Store(http.StatusTooManyRequests)
		x.send(t, "waits")
		x.hears(t, "self/backlog", "trigger error")
		x.answer.Store(0)
		x.hears(t, "self/backlog", "trigger error, resolve error")
	})
	t.Run("dead letters", func(t *testing.T) {
		x.answer.Store(http.StatusBadRequest)
		x.send(t, "refused")
		x.hears(t, "self/dead", "trigger error")
		x.answer.Store(0)
		if got := runQueue(t, x.config, "retry", "--route", "lab"); got.status != 0 {
			t.Fatal(got.stderr)
		}
		x.hears(t, "self/dead", "trigger error, resolve error")
	})
	t.Run("errors of a rule", func(t *testing.T) {
		client(t, "logger", "--rfc3164", "-d", "-n", "127.0.0.1", "-P", port(x.syslog.Addrs()[0]), "hello")
		x.hears(t, "self/test/rules", "trigger warning")
		x.hears(t, "self/test/rules", "trigger warning, resolve warning")
	})
	t.Run("Postgres is away", func(t *testing.T) {
		x.outage.stop(t)
		for i := range 5 {
			x.send(t, fmt.Sprint("spooled-", i))
			time.Sleep(300 * time.Millisecond)
		}
		x.outage.start(t)
		x.hears(t, "self/test/spool", "trigger error, resolve error")
	})
	t.Run("it was restarted while its alert was open", func(t *testing.T) {
		x.answer.Store(http.StatusBadRequest)
		x.send(t, "refused, too")
		x.hears(t, "self/dead", "trigger error, resolve error, trigger error")
		x.answer.Store(0)
		x.end()
		x.begin(t)
		if got := runQueue(t, x.config, "retry", "--route", "lab"); got.status != 0 {
			t.Fatal(got.stderr)
		}
		x.hears(t, "self/dead", "trigger error, resolve error, trigger error, resolve error")
	})
	x.eventually(t, "self/backlog resolved true\nself/dead resolved true\nself/test/rules resolved true\nself/test/spool resolved true",
		`SELECT a.dedup_key, a.status, count(*) FILTER (WHERE e.action = 'trigger') = count(*) FILTER (WHERE e.action = 'resolve')
		FROM alerts a JOIN events e ON e.alert_id = a.id AND e.decision = 'queued' WHERE a.rule = 'self' AND e.protocol = 'self' GROUP BY 1, 2 ORDER BY 1`)
}

// TestFiguresAreThoseOfTheMetrics, and what was lost is told.
func TestFiguresAreThoseOfTheMetrics(t *testing.T) {
	x := newTroubled(t)
	x.tally.Add("snmp", "lost", 2)
	x.tally.Add("syslog", "lost", 3)
	n := x.figures()
	if n.Lost != 5 || len(n.Drops) != 2 || n.SpoolMax != 1<<30 || n.Spooled != 0 {
		t.Errorf("%+v", n)
	}
	x.hears(t, "self/test/lost", "trigger critical")
}

// TestSelfNamesARouteThatOpensAlerts.
func TestSelfNamesARouteThatOpensAlerts(t *testing.T) {
	f := func(self, want string) {
		t.Helper()
		_, err := load(t, "routes: { noc: { key: "+testKey+" }, log: { key: "+labKey+", type: change } }\ndefault_route: noc\nself: "+self, noEnv)
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%s: %v", self, err)
		}
	}
	f("{ route: noc }", "<nil>")
	f("{ backlog: 1m }", "<nil>")
	f("{ route: nox }", `self.route: no route under routes is named "nox"; did you mean "noc"?`)
	f("{ route: log }", "self.route: log is of type change")
	f("{ every: 1ms }", "self.every: 1ms is not between")
	if _, err := load(t, "self: { route: sandbox }", noEnv); err != nil {
		t.Error(err)
	}
}
