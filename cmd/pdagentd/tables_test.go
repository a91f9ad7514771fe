package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/mapping"
	"github.com/pdaltagent/pdaltagent/mapping/rulefile"
	"github.com/pdaltagent/pdaltagent/migrations/pgtest"
)

// lookups are rules with a table whose rows a query gives, and what fills it.
type lookups struct {
	*queryTables
	t    *testing.T
	pool *pgxpool.Pool

	mu  sync.Mutex
	log bytes.Buffer
}

func (l *lookups) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.log.Write(p)
}

func (l *lookups) logged() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.log.String()
}

func newLookups(t *testing.T) *lookups {
	t.Helper()
	l := &lookups{t: t, pool: pgtest.New(t)}
	l.queryTables = newQueryTables(l.pool, prometheus.NewRegistry(), slog.New(slog.NewTextHandler(io.MultiWriter(l, t.Output()), nil)))
	t.Cleanup(l.Close)
	return l
}

func (l *lookups) exec(sql string) {
	l.t.Helper()
	if _, err := l.pool.Exec(l.t.Context(), sql); err != nil {
		l.t.Fatal(err)
	}
}

// rules returns rules whose summary is the owner of host1.
func (l *lookups) rules(table string) *mapping.Rules {
	l.t.Helper()
	rules, _, err := rulefile.Loader{}.Parse(rulefile.File{Name: "rules.yaml", Data: []byte(`
tables: { cmdb: { ` + table + `, key: host } }
rules:
  - { id: all, match: { syslog: "*" }, event: { summary: '${lookup("cmdb", "host1").owner ?? "nobody"}' } }
`)})
	if err != nil {
		l.t.Fatal(err)
	}
	return rules
}

func (l *lookups) owner(rules *mapping.Rules) string {
	var made mapping.Result
	rules.Apply(&ingest.Message{ReceivedAt: time.Now(), Protocol: ingest.Syslog, Line: &ingest.Line{Text: "x"}}, &made)
	return made.Events[0].Summary
}

// wants waits until the owner is one.
func (l *lookups) wants(rules *mapping.Rules, owner string) {
	l.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); l.owner(rules) != owner; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			l.t.Fatalf("owner %s, want %s", l.owner(rules), owner)
		}
	}
}

const cmdbQuery = `query: "select host, owner from cmdb", every: 1s`

func TestATableOfAQueryIsFilledAndKeptUp(t *testing.T) {
	l := newLookups(t)
	l.exec(`create table cmdb (host text, owner text); insert into cmdb values ('host1', 'net'), ('host2', null)`)
	rules := l.rules(cmdbQuery)
	l.Use(t.Context(), nil, rules)
	if got := l.owner(rules); got != "net" {
		t.Fatalf("owner %s before the first message, want net", got)
	}
	l.exec(`update cmdb set owner = 'sre' where host = 'host1'`)
	l.wants(rules, "sre")
}

func TestATableKeepsItsRowsWhileItsQueryFails(t *testing.T) {
	l := newLookups(t)
	l.exec(`create table cmdb (host text, owner text); insert into cmdb values ('host1', 'net')`)
	rules := l.rules(cmdbQuery)
	l.Use(t.Context(), nil, rules)
	l.exec(`alter table cmdb rename to gone`)
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(l.logged(), "query fails"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nobody says that the query fails")
		}
	}
	if got := l.owner(rules); got != "net" {
		t.Errorf("owner %s, want net", got)
	}
	next := l.rules(cmdbQuery)
	l.Use(t.Context(), rules, next)
	if got := l.owner(next); got != "net" {
		t.Errorf("owner %s after a reload, want net", got)
	}
	l.exec(`alter table gone rename to cmdb; update cmdb set owner = 'sre'`)
	l.wants(next, "sre")
	if n := strings.Count(l.logged(), "query fails"); n != 2 { // once for each set of rules
		t.Errorf("said %d times", n)
	}
	if !strings.Contains(l.logged(), "works again") {
		t.Error("nobody says that it works again")
	}
}

func TestATableMayBeOfAnotherDatabase(t *testing.T) {
	l := newLookups(t)
	url := pgtest.URL(t)
	other, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.Exec(t.Context(), `create table cmdb (host text, owner text); insert into cmdb values ('host1', 'other')`); err != nil {
		t.Fatal(err)
	}
	f := func(where string) {
		t.Helper()
		rules := l.rules(cmdbQuery + ", " + where)
		l.Use(t.Context(), nil, rules)
		if got := l.owner(rules); got != "other" {
			t.Errorf("%s: owner %s", where, got)
		}
	}
	f(`url: "` + url + `"`)
	file := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(file, []byte(url+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f("url_file: " + file)
	t.Setenv("CMDB_URL", url)
	f("url_env: CMDB_URL")
}

func TestAQueryChangesNothing(t *testing.T) {
	l := newLookups(t)
	l.exec(`create table cmdb (host text, owner text)`)
	l.Use(t.Context(), nil, l.rules(`query: "insert into cmdb values ('host1', 'x') returning host, owner", every: 1h`))
	if !strings.Contains(l.logged(), "read-only transaction") {
		t.Errorf("the log:\n%s", l.logged())
	}
}

func TestClosingEndsQueriesThatHang(t *testing.T) {
	l := newLookups(t)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	l.Use(ctx, nil, l.rules(`query: "select 'host1' host, pg_sleep(60) owner", every: 1h`))
	l.Close()
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}
