package migrations_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"github.com/pdaltagent/pdaltagent/migrations"
	"github.com/pdaltagent/pdaltagent/migrations/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Main{M: m}) }

// TestNewerSchemaIsRefusedAndLeftAlone: a program from before an upgrade does
// not write into what a newer one has made, be it the history's or River's.
func TestNewerSchemaIsRefusedAndLeftAlone(t *testing.T) {
	newest, err := migrations.Newest()
	if err != nil {
		t.Fatal(err)
	}
	f := func(future string, want migrations.Schema) {
		t.Helper()
		url := pgtest.URL(t)
		pool := connect(t, url)
		const kept = `CREATE INDEX river_job_args_index ON river.river_job (id)` // Up drops one of that name
		for _, sql := range []string{future, kept} {
			if _, err := pool.Exec(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
		}
		err := migrations.Up(t.Context(), url)
		newer, ok := errors.AsType[*migrations.NewerError](err)
		if !ok || newer.Database != want || newer.Program != newest {
			t.Fatalf("%s: %v", future, err)
		}
		for _, said := range []string{want.String(), newest.String(), "pdagentd version", "backup"} {
			if !strings.Contains(err.Error(), said) {
				t.Errorf("%q says no %q", err, said)
			}
		}
		var there bool
		if err := pool.QueryRow(t.Context(), `SELECT to_regclass('river.river_job_args_index') IS NOT NULL`).Scan(&there); err != nil || !there {
			t.Errorf("%s: the database was changed (%v)", future, err)
		}
	}
	f(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, true)`, migrations.Schema{History: 99, River: newest.River})
	f(`INSERT INTO river.river_migration (line, version) VALUES ('main', 98)`, migrations.Schema{History: newest.History, River: 98})
}

// TestNodesMigrateAtOnce: several nodes that start on one empty database find
// it whole, and none of them fails.
func TestNodesMigrateAtOnce(t *testing.T) {
	url := pgtest.Empty(t)
	var nodes sync.WaitGroup
	for n := range 6 {
		nodes.Go(func() {
			if err := migrations.Up(t.Context(), url); err != nil {
				t.Errorf("node %d: %v", n, err)
			}
		})
	}
	nodes.Wait()
	newest, err := migrations.Newest()
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	err = connect(t, url).QueryRow(t.Context(), `SELECT concat_ws(' ',
		(SELECT max(version_id) FROM goose_db_version), (SELECT count(*) - count(DISTINCT version_id) FROM goose_db_version),
		(SELECT max(version) FROM river.river_migration), (SELECT count(*) - count(DISTINCT version) FROM river.river_migration))`).Scan(&got)
	if want := fmt.Sprint(newest.History, 0, newest.River, 0); err != nil || got != want {
		t.Errorf("got %s (%v), want %s", got, err, want)
	}
}

func connect(t *testing.T, url string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}
