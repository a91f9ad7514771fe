package queue_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/delivery/queue"
	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/mapping"
	"github.com/pdaltagent/pdaltagent/migrations/pgtest"
)

// clusterRules have every gate. Those that end by time last longer than the
// test, as what the clock does is another test's matter.
const clusterRules = `
flapping: { changes: 6, within: 10m, quiet: 2h }
maintenance: [ { name: always, when: 'syslog.app_name == "maintained"', every: "00:00-24:00" } ]
rules:
  - id: plain
    match: { syslog: plain, when: what == "down" }
    acknowledge: { when: what == "seen" }
    resolve: { when: what == "up" }
    extract: &says '%{WORD:object} %{WORD:grade} %{WORD:what}'
    event: &says_so { component: '${object}', severity: '${grade}' }
  - id: counted
    match: { syslog: counted, when: what == "down" }
    resolve: { when: what == "up" }
    extract: *says
    event: *says_so
    threshold: { count: 3, within: 30s }
    repeat: 10s
  - id: held
    match: { syslog: held, when: what == "down" }
    resolve: { when: what == "up" }
    extract: *says
    event: *says_so
    hold: 2h
  - id: child
    match: { syslog: child, when: what == "down" }
    resolve: { when: what == "up" }
    extract: *says
    event: *says_so
    unless_open: 'plain/${source}/uplink'
    resolve_after: 5h
  - id: maintained
    match: { syslog: maintained, when: what == "down" }
    resolve: { when: what == "up" }
    extract: *says
    event: *says_so
  - id: stormy
    match: { syslog: stormy, when: what == "down" }
    resolve: { when: what == "up" }
    extract: *says
    event: *says_so
    storm: { alerts: 4, within: 1m }
  - id: switch
    match: { syslog: switch, when: what == "down" }
    resolve: { when: what == "up" }
    extract: *says
    event: *says_so
    storm: off
    flapping: off
  - id: third
    match: { syslog: third }
    extract: *says
    event: *says_so
    threshold: { count: 3, within: 1h }
    storm: off
  - id: burst
    match: { syslog: burst }
    extract: *says
    event: *says_so
    storm: { alerts: 3, within: 1h }
`

// spoken is a message before it is one.
type spoken struct {
	id              uuid.UUID
	at              time.Time
	host, app, text string
}

// perHost is how many messages each device says.
const perHost = 100

// story is what a device says whose messages all come to one node: whatever
// rules know, on the way through every gate.
func story(r *rand.Rand, host string, start time.Time) (all []spoken) {
	apps := []string{"plain", "plain", "counted", "held", "child", "maintained", "stormy"}
	grades, happens := []string{"info", "error", "critical"}, []string{"down", "down", "down", "up", "up", "seen"}
	for i := range perHost {
		text := fmt.Sprintf("%c %s %s", 'a'+r.IntN(4), grades[r.IntN(3)], happens[r.IntN(len(happens))])
		app := apps[r.IntN(len(apps))]
		if i == 0 && r.IntN(2) == 0 {
			app, text = "plain", "uplink error down"
		}
		at := start.Add(time.Duration(i) * time.Second)
		all = append(all, spoken{ingest.NewID(at), at, host, app, text})
	}
	return all
}

// babble is what a device says whose messages come to any node: of what holds
// in whatever order they are taken.
func babble(r *rand.Rand, host string, start time.Time) (all []spoken) {
	app := []string{"third", "switch", "burst", "plain"}[r.IntN(4)]
	for i := range perHost {
		what := "down"
		if app == "switch" && r.IntN(2) == 0 {
			what = "up"
		}
		at := start.Add(time.Duration(i) * time.Millisecond)
		all = append(all, spoken{ingest.NewID(at), at, host, app, fmt.Sprintf("%c error %s", 'a'+r.IntN(8), what)})
	}
	return all
}

// cluster is nodes on one database.
type cluster struct {
	pool  *pgxpool.Pool
	rules *mapping.Rules
	nodes []*queue.Queue
	stop  []func()

	mu   sync.Mutex
	sent map[uuid.UUID][]uuid.UUID // deliveries by their alert, in the order in which they were sent
}

func newCluster(t *testing.T, rules *mapping.Rules, n int) *cluster {
	t.Helper()
	c := &cluster{pool: pgtest.New(t), rules: rules, sent: map[uuid.UUID][]uuid.UUID{}}
	for i := range n {
		q := newNode(t, c.pool, fmt.Sprint("node-", i), func(_ context.Context, d *delivery.Delivery) (delivery.Answer, error) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.sent[d.AlertID] = append(c.sent[d.AlertID], d.ID)
			return delivery.Answer{Status: 202}, nil
		})
		c.nodes, c.stop = append(c.nodes, q), append(c.stop, start(t, q))
	}
	return c
}

// feed has each list of messages taken in its order, at the same time as the
// others, by the node that where says, and returns when all is committed: how
// many events they made.
func (c *cluster) feed(t *testing.T, lists [][]spoken, where func(list int) int) int64 {
	t.Helper()
	var feeding, committed sync.WaitGroup
	var made atomic.Int64
	for i, list := range lists {
		feeding.Go(func() {
			for _, m := range list {
				events := c.said(t, m)
				made.Add(int64(len(events)))
				committed.Add(1)
				c.nodes[where(i)%len(c.nodes)].Enqueue(t.Context(), events, func(err error) {
					if err != nil {
						t.Error(err)
					}
					committed.Done()
				})
			}
		})
	}
	feeding.Wait()
	committed.Wait()
	return made.Load()
}

func (c *cluster) said(t *testing.T, m spoken) []mapping.Event {
	t.Helper()
	events := said(t, c.rules, m.at, m.host, m.app, m.text)
	for i := range events {
		events[i].ID = m.id
	}
	return events
}

// rows returns what a query says, a text for each row.
func (c *cluster) rows(t *testing.T, query string) []string {
	t.Helper()
	rows, err := c.pool.Query(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// none reports the rows of a query that must have none.
func (c *cluster) none(t *testing.T, what, query string) {
	t.Helper()
	if all := c.rows(t, query); len(all) > 0 {
		t.Errorf("%s: %d, such as %s", what, len(all), all[0])
	}
}

// settled waits until all that may be sent was, and stops the nodes.
func (c *cluster) settled(t *testing.T) {
	t.Helper()
	const waiting = `SELECT count(*)::text FROM deliveries WHERE state = 'queued' OR held_by IN ('alert', 'route')`
	left, since := "", time.Now()
	for now := c.rows(t, waiting)[0]; now != "0"; now = c.rows(t, waiting)[0] {
		if now != left {
			left, since = now, time.Now()
		}
		if time.Since(since) > 10*time.Second {
			t.Fatalf("%s deliveries do not get away", left)
		}
		time.Sleep(50 * time.Millisecond)
	}
	for _, stop := range c.stop {
		stop()
	}
}

// interleaved deals messages out to lists, as the network would.
func interleaved(r *rand.Rand, stories [][]spoken, lists int) [][]spoken {
	dealt := make([][]spoken, lists)
	for i := range perHost {
		for _, story := range stories {
			to := r.IntN(lists)
			dealt[to] = append(dealt[to], story[i])
		}
	}
	return dealt
}

// joined puts the stories of a few devices into one list, mixed, each in its
// order.
func joined(stories [][]spoken, lists int) [][]spoken {
	all := make([][]spoken, lists)
	for i := range perHost {
		for n, story := range stories {
			all[n%lists] = append(all[n%lists], story[i])
		}
	}
	return all
}

func messages(t *testing.T) int {
	t.Helper()
	if n, err := strconv.Atoi(os.Getenv("PDALTAGENT_TEST_MESSAGES")); err == nil {
		return n
	}
	if testing.Short() {
		return clusterMessages / 10
	}
	return clusterMessages
}

// TestTwoNodesLeaveWhatOneWould: of messages that come to two nodes at once,
// those of each device to one of them, the same is decided, the same is sent in
// the same order, and the same alerts are left as of the same messages that
// come to one; and messages of one device that come to both in any order leave
// what some order of them would.
func TestTwoNodesLeaveWhatOneWould(t *testing.T) {
	rules := compile(t, clusterRules)
	hosts := messages(t) / perHost
	r := rand.New(rand.NewPCG(5, 5))
	begin := time.Now().Truncate(time.Second)
	var stories, babbles [][]spoken
	for i := range hosts {
		if i%4 == 0 {
			stories = append(stories, story(r, fmt.Sprint("story-", i), begin))
		} else {
			babbles = append(babbles, babble(r, fmt.Sprint("babble-", i), begin))
		}
	}
	two := newCluster(t, rules, 2)
	began := time.Now()
	both := append(joined(stories, 8), interleaved(r, babbles, 8)...)
	made := two.feed(t, both, func(list int) int { return list })
	two.settled(t)
	t.Logf("%d messages in %s", hosts*perHost, time.Since(began).Round(time.Millisecond))
	two.lostNothing(t, made)
	two.inSomeOrder(t)
	two.sentInOrder(t)

	one := newCluster(t, rules, 1)
	one.feed(t, joined(stories, 8), func(int) int { return 0 })
	one.settled(t)
	for what, query := range map[string]string{
		"alerts": `SELECT (to_jsonb(a) - 'id' - CASE WHEN rule = 'storm' THEN 'gated_id' ELSE '' END)::text FROM alerts a
			WHERE source LIKE 'story-%' ORDER BY route, dedup_key`,
		"decisions": `SELECT concat_ws(' ', host, rule, action, decision, CASE WHEN rule <> 'storm' THEN id END) FROM events WHERE host LIKE 'story-%' ORDER BY 1`,
		// Which of them waited, and became one, is chance.
		"deliveries": `SELECT concat_ws(' ', d.dedup_key, d.action, e.severity, held_by, due_at,
				CASE WHEN last_error LIKE 'told with %' THEN 'delivered' ELSE state END)
			FROM deliveries d JOIN events e ON e.id = d.event_id WHERE d.dedup_key LIKE '%story-%' ORDER BY d.dedup_key, seq`,
	} {
		want, got := one.rows(t, query), two.rows(t, query)
		if len(want) == 0 || len(want) != len(got) {
			t.Errorf("%d %s, want %d", len(got), what, len(want))
			continue
		}
		different(t, what, want, got)
	}
}

// different reports the first of the rows that differ, and how many do.
func different(t *testing.T, what string, want, got []string) {
	t.Helper()
	first, n := "", 0
	for i := range want {
		if want[i] != got[i] {
			if n++; n == 1 {
				first = cmp.Diff(want[i], got[i])
			}
		}
	}
	if n > 0 {
		t.Errorf("%d of %d %s differ, such as (-one node +two nodes):\n%s", n, len(want), what, first)
	}
}

// lostNothing: each event is on record once.
func (c *cluster) lostNothing(t *testing.T, want int64) {
	t.Helper()
	got := c.rows(t, `SELECT concat(count(*), ' events of ', count(DISTINCT id), ' ids') FROM events WHERE rule <> 'storm'`)
	if w := fmt.Sprintf("%d events of %[1]d ids", want); got[0] != w {
		t.Errorf("%s, want %s", got[0], w)
	}
}

// inSomeOrder: what was decided about the babble of devices is what some order
// of it gives.
func (c *cluster) inSomeOrder(t *testing.T) {
	t.Helper()
	const shown = `WITH said AS (SELECT alert_id, count(*) AS said, count(*) FILTER (WHERE decision = 'queued' AND action = 'trigger') AS opened,
			count(*) FILTER (WHERE decision = 'suppressed') AS counted, count(*) FILTER (WHERE decision = 'queued' AND action = 'resolve') AS closed
		FROM events WHERE host LIKE 'babble-%' AND rule <> 'storm' GROUP BY 1)
		SELECT concat_ws(' ', dedup_key, status, occurrences, said, opened, counted, closed) FROM alerts JOIN said ON alert_id = id
		WHERE source LIKE 'babble-%' AND `
	for _, rule := range []string{"plain", "third", "burst", "storm", "switch"} {
		if len(c.rows(t, shown+`rule = '`+rule+`'`)) == 0 {
			t.Errorf("there is no alert of %s", rule)
		}
	}
	c.none(t, "occurrences are not the sum", shown+`rule IN ('plain', 'third', 'burst', 'storm') AND occurrences <> said`)
	c.none(t, "not opened once", shown+`rule IN ('plain', 'burst') AND (opened <> 1 OR counted <> 0 OR status <> 'open')`)
	c.none(t, "not opened by the third", shown+`rule = 'third' AND (opened <> (said >= 3)::int OR counted <> least(said, 2)
		OR status <> CASE WHEN said >= 3 THEN 'open' ELSE 'pending' END)`)
	c.none(t, "opened and closed in no order", shown+`rule = 'switch' AND opened - closed <> (status = 'open')::int`)
	c.none(t, "not as many alerts as a storm permits", `SELECT source FROM alerts WHERE source LIKE 'babble-%' AND rule = 'burst' GROUP BY source HAVING count(*) <> 3`)
	c.none(t, "twice the same in a row", `SELECT concat_ws(' ', dedup_key, action) FROM (SELECT dedup_key, action, coalesce(lag(action) OVER (PARTITION BY alert_id ORDER BY seq), 'resolve') AS before
		FROM deliveries WHERE dedup_key LIKE '%babble-%') AS d WHERE action = before`)
}

// sentInOrder: each delivery was sent once, in the order of its alert.
func (c *cluster) sentInOrder(t *testing.T) {
	t.Helper()
	rows, err := c.pool.Query(t.Context(), `SELECT alert_id, id FROM deliveries WHERE state = 'delivered' ORDER BY seq`)
	if err != nil {
		t.Fatal(err)
	}
	want := map[uuid.UUID][]uuid.UUID{}
	var alert, id [16]byte
	if _, err := pgx.ForEachRow(rows, []any{&alert, &id}, func() error {
		want[alert] = append(want[alert], id)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for alert, ids := range want {
		if !slices.Equal(c.sent[alert], ids) {
			t.Errorf("the deliveries of alert %s were sent as %v, want %v", alert, c.sent[alert], ids)
		}
	}
	if len(want) != len(c.sent) || len(want) == 0 {
		t.Errorf("deliveries of %d alerts were sent, want %d", len(c.sent), len(want))
	}
}
