package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"github.com/pdaltagent/pdaltagent/migrations"
	"github.com/pdaltagent/pdaltagent/migrations/embedded"
	"github.com/pdaltagent/pdaltagent/migrations/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Main{M: m}) }

const (
	nocKey    = "e93facc04764012d7bfb002500d5d1a6"
	senderKey = "R0123456789ABCDEFGHIJKLMNOPQRSTU"
	// sender is the route that senders with senderKey get.
	sender = "sender-5fa4956a4e91"
)

// outcome is what one call of pd-queue did.
type outcome struct {
	exit           int
	stdout, stderr string
}

func pdQueue(t *testing.T, env map[string]string, args ...string) outcome {
	t.Helper()
	var stdout, stderr strings.Builder
	exit := run(t.Context(), args, func(name string) (string, bool) { v, ok := env[name]; return v, ok }, &stdout, &stderr)
	return outcome{exit, stdout.String(), stderr.String()}
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(outcome{})); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// deliver puts deliveries on record: n of a route in each of the states.
func deliver(t *testing.T, pool *pgxpool.Pool, route string, n map[string]int) {
	t.Helper()
	for state, n := range n {
		if _, err := pool.Exec(t.Context(), `INSERT INTO deliveries (id, event_id, received_at, kind, route, api, action, dedup_key, severity, priority, state, held_by)
			SELECT gen_random_uuid(), gen_random_uuid(), now(), 'event', $1, '', 'change', '', 'info', 4, $2, CASE WHEN $2 = 'held' THEN 'route' END
			FROM generate_series(1, $3)`, route, state, n); err != nil {
			t.Fatal(err)
		}
	}
}

const heading = "Service Key                           Pending   Success  In Error\n" +
	"=================================================================\n"

// TestStatusCountsByKeyAndRetrySetsDeadOnesUp: routes and senders that have the
// same key are one row, and no key is shown whole.
func TestStatusCountsByKeyAndRetrySetsDeadOnesUp(t *testing.T) {
	pool := pgtest.New(t)
	env := map[string]string{"DATABASE_URL": pool.Config().ConnString(), "LAB_KEY": nocKey}
	config := write(t, "pdagentd.yaml", `
database: { url: "postgres://nobody@127.0.0.1:1/none" }
routes:
  noc: { key_file: `+write(t, "key", nocKey+"\n")+` }
  lab: { key_env: LAB_KEY }
  idle: { key: 0123456789abcdef0123456789abcdef }
  lost: { key_file: /nowhere/key }
future_key: of another version
`)
	same(t, "at the beginning", pdQueue(t, env, "status", "-k", nocKey, "--config", config),
		outcome{0, heading + "****************************d1a6            0         0         0\n", ""})
	deliver(t, pool, "noc", map[string]int{"held": 1, "queued": 2, "delivered": 4, "dead": 3, "cancelled": 5})
	deliver(t, pool, "lab", map[string]int{"dead": 1})
	deliver(t, pool, sender, map[string]int{"delivered": 1, "dead": 2})
	deliver(t, pool, "gone", map[string]int{"delivered": 1})
	if _, err := pool.Exec(t.Context(), `INSERT INTO sender_keys (route, key) VALUES ($1, $2)`, sender, []byte(senderKey)); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), `UPDATE deliveries SET kind = 'webhook' WHERE id = (SELECT id FROM deliveries WHERE route = 'noc' AND state = 'dead' LIMIT 1)`); err != nil {
		t.Fatal(err)
	}
	noc, own := "****************************d1a6            3         4         3\n", "****************************RSTU            0         1         2\n"
	same(t, "all keys", pdQueue(t, env, "status", "--config", config), outcome{
		0, heading + "(gone)                                      0         1         0\n(lost)                                      0         0         0\n" +
			own + "****************************cdef            0         0         0\n" + noc,
		"pd-queue: routes.lost.key_file: there is no file /nowhere/key: create it, or name the one that you mean; the row has the route's name instead\n",
	})
	same(t, "one key", pdQueue(t, env, "status", "--service-key", nocKey, "--config", config), outcome{0, heading + noc, ""})
	same(t, "a sender's key", pdQueue(t, env, "status", "--routing-key="+senderKey, "--config", config), outcome{0, heading + own, ""})
	same(t, "retry one", pdQueue(t, env, "retry", "-k", nocKey, "--config", config), outcome{0, "3 events set up for retry.\n", ""})
	same(t, "once", pdQueue(t, env, "retry", "-k", nocKey, "--config", config), outcome{0, "0 events set up for retry.\n", ""})
	same(t, "retry all", pdQueue(t, env, "retry", "-a", "--config", config), outcome{0, "2 events set up for retry.\n", ""})
	var chosen string
	if err := pool.QueryRow(t.Context(), `SELECT string_agg(chosen || ' ' || deliveries, '; ' ORDER BY id) FROM (SELECT * FROM interventions ORDER BY at) AS i`).Scan(&chosen); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(chosen, "pd-queue retry -k ****************************d1a6 3") || !strings.Contains(chosen, "pd-queue retry -a 2") || strings.Contains(chosen, nocKey) {
		t.Errorf("on record: %s", chosen)
	}
	unknown := pdQueue(t, env, "status", "-k", "11111111111111111111111111111111", "--config", config)
	same(t, "unknown key", unknown, outcome{1, "", "pd-queue: no route has the key ****************************1111, and no event came with it: look for a slip in it\n" +
		"pd-queue: routes.lost.key_file: there is no file /nowhere/key: create it, or name the one that you mean\n"})
}

// TestWhoMayOnlyReadSeesRoutesInsteadOfKeys, and changes nothing.
func TestWhoMayOnlyReadSeesRoutesInsteadOfKeys(t *testing.T) {
	pool := pgtest.New(t)
	deliver(t, pool, sender, map[string]int{"dead": 1})
	if _, err := pool.Exec(t.Context(), `INSERT INTO sender_keys (route, key) VALUES ($1, $2)`, sender, []byte(senderKey)); err != nil {
		t.Fatal(err)
	}
	reader := fmt.Sprintf("reader_%d", os.Getpid())
	for _, statement := range []string{"CREATE ROLE " + reader + " LOGIN IN ROLE pdaltagent_read"} {
		if _, err := pool.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if _, err := pool.Exec(context.WithoutCancel(t.Context()), "DROP ROLE "+reader); err != nil {
			t.Error(err)
		}
	})
	conf := pool.Config().ConnConfig
	url := fmt.Sprintf("host=%s port=%d user=%s dbname=%s", conf.Host, conf.Port, reader, conf.Database)
	env := map[string]string{"DATABASE_URL": url}
	config := write(t, "pdagentd.yaml", "{}")
	same(t, "status", pdQueue(t, env, "status", "--config", config), outcome{0, heading + "(" + sender + ")                       0         0         1\n", ""})
	same(t, "of a key", pdQueue(t, env, "status", "-k", senderKey, "--config", config).exit, 0)
	if got := pdQueue(t, env, "retry", "-a", "--config", config); got.exit != 1 || !strings.Contains(got.stderr, "permission denied") {
		t.Errorf("%+v", got)
	}
}

// TestTheEmbeddedDatabaseIsReachedBesideWhoRunsIt, and where nobody does that
// is said.
func TestTheEmbeddedDatabaseIsReachedBesideWhoRunsIt(t *testing.T) {
	dir, err := os.MkdirTemp("/tmp", "pd-queue-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // the server's own user must get through
		t.Fatal(err)
	}
	config := write(t, "pdagentd.yaml", "data_dir: "+dir+"\n")
	f := func(want outcome) {
		t.Helper()
		same(t, "status", pdQueue(t, nil, "status", "--config", config), want)
	}
	f(outcome{1, "", "pd-queue: there is no database under " + dir + "/postgres: start pdagentd, which makes it, or name the right data_dir or database.url with --config (or DATABASE_URL)\n"})
	server, err := embedded.Start(t.Context(), embedded.Config{DataDir: dir, Settings: map[string]string{"fsync": "off"}}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	got := pdQueue(t, nil, "status", "--config", config)
	if got.exit != 1 || !strings.Contains(got.stderr, "has not this version's schema: run 'pdagentd migrate'") {
		t.Errorf("before it is migrated: %+v", got)
	}
	if err := migrations.Up(t.Context(), server.URL()); err != nil {
		t.Fatal(err)
	}
	f(outcome{0, "There are no events yet.\n", ""})
	if err := server.Stop(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	f(outcome{1, "", "pd-queue: the database under " + dir + "/postgres does not run; it does while pdagentd does: start that\n"})
}

// TestWrongUsageNamesTheMend with exit status 2, and what cannot be done with 1.
func TestWrongUsageNamesTheMend(t *testing.T) {
	f := func(args, want string, exit int, env map[string]string) {
		t.Helper()
		got := pdQueue(t, env, strings.Fields(args)...)
		if got.exit != exit || !strings.Contains(got.stderr, want) || got.stdout != "" {
			t.Errorf("%s: %+v\nwant %d %s", args, got, exit, want)
		}
	}
	f("", "say what to do: status or retry", 2, nil)
	f("statsu", `no command is named "statsu"; did you mean "status"?`, 2, nil)
	f("retry", "retry takes either -k KEY", 2, nil)
	f("retry -a -k "+nocKey, "retry takes either -k KEY", 2, nil)
	f("retry --service-key=", "-k (--service-key) is empty", 2, nil)
	f("retry -k short", "must be 32 letters and digits", 2, nil)
	f("status -k ';DROP", "must be 32 letters and digits", 2, nil)
	f("status -a", "status has no -a", 2, nil)
	f("status now", `"now" belongs to no option`, 2, nil)
	f("status --keys x", "unknown flag: --keys", 2, nil)
	f("status --config /nowhere.yaml", "there is no file /nowhere.yaml", 1, nil)
	f("status --config "+write(t, "broken.yaml", "routes: [\n"), "'pdagentd check --config ", 1, nil)
	f("status --config "+write(t, "empty.yaml", ""), "the database at 127.0.0.1:1 cannot be reached; check database.url", 1,
		map[string]string{"DATABASE_URL": "postgres://u@127.0.0.1:1/d"})
	f("status --config "+write(t, "url.yaml", "database: { url: 'postgres://u:hidden@/:x' }"), "database.url", 1, nil)
	if got := pdQueue(t, nil, "status", "--config", write(t, "url2.yaml", "database: { url: 'postgres://u:hidden@/:x' }")); strings.Contains(got.stderr, "hidden") {
		t.Errorf("a password is shown: %s", got.stderr)
	}
	if got := pdQueue(t, nil, "--help"); got.exit != 0 || !strings.Contains(got.stdout, "--service-key KEY") {
		t.Errorf("%+v", got)
	}
}

// TestKeysOfTheEnvironmentAreKnown, as pdagentd knows them.
func TestKeysOfTheEnvironmentAreKnown(t *testing.T) {
	config := write(t, "pdagentd.yaml", "routes: { noc: { key: "+nocKey+" }, other: }\n")
	vars := map[string]string{"PDAGENTD_DEFAULT_ROUTING_KEY": senderKey}
	env := func(name string) (string, bool) { v, ok := vars[name]; return v, ok }
	s, err := load(config, env)
	if err != nil {
		t.Fatal(err)
	}
	keys, faults := s.keys(env)
	if len(faults) > 0 || len(keys) != 2 || keys["noc"].Reveal() != nocKey || keys["default"].Reveal() != senderKey {
		t.Errorf("%d keys, %v", len(keys), faults)
	}
}
