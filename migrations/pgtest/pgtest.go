// Package pgtest gives each test a fresh database with all migrations applied.
//
// The databases are on one private server for each test process, or on the one
// that PDALTAGENT_TEST_DATABASE_URL names, whose role must be allowed to create
// databases. A package that uses it says so in its TestMain:
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Main{M: m}) }
//
// The private server writes without fsync; PDALTAGENT_TEST_FSYNC=on turns it
// on, for benchmarks whose figures shall hold. It dies with the test process,
// however that ends.
package pgtest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// patience bounds each step on the server. Crowded machines are slow.
const patience = 60 * time.Second

// shared is the one server of this process: tests have nothing else in common
// that could hold it.
//
//nolint:gochecknoglobals // one server a process is what makes a database a test affordable
var shared server

// Main runs a package's tests and stops their server in the end. It does for
// os.Exit(pgtest.Main{M: m}.Run()) and for goleak.VerifyTestMain.
type Main struct{ M *testing.M }

// Run runs the tests and returns their exit code.
func (m Main) Run() int {
	code := m.M.Run()
	if err := shared.stop(); err != nil {
		fmt.Fprintln(os.Stderr, "pgtest:", err)
		return max(code, 1)
	}
	return code
}

// New returns a pool on a fresh database, which lives as long as the test.
func New(tb testing.TB) *pgxpool.Pool {
	tb.Helper()
	pool, err := pgxpool.New(context.Background(), URL(tb))
	if err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	tb.Cleanup(pool.Close)
	return pool
}

// URL returns a fresh database's, which lives as long as the test.
func URL(tb testing.TB) string {
	tb.Helper()
	return create(tb, true)
}

// Empty is URL for a database without migrations.
func Empty(tb testing.TB) string {
	tb.Helper()
	return create(tb, false)
}

func create(tb testing.TB, migrated bool) string {
	tb.Helper()
	if err := shared.start(); err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	name, err := shared.create(migrated)
	if err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	tb.Cleanup(func() {
		if err := shared.drop(name); err != nil {
			tb.Errorf("pgtest: %v", err)
		}
	})
	return shared.url(name)
}

// withDatabase returns a URL of another database on the same server.
func withDatabase(base url.URL, name string) string {
	base.Path = "/" + name
	return base.String()
}
