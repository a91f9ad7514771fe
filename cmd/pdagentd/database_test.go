package main

import (
	"context"
	"fmt"
	"log/slog"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pdaltagent/pdaltagent/migrations"
	"github.com/pdaltagent/pdaltagent/migrations/embedded"
	"github.com/pdaltagent/pdaltagent/migrations/pgtest"
)

// TestProcessesMigrateAtOnce: two nodes that are started at the same moment on
// one empty database both find it whole, and say so.
func TestProcessesMigrateAtOnce(t *testing.T) {
	config := settings(t, fmt.Sprintf("database: { url: '%s' }", pgtest.Empty(t)))
	pdagentd := built(t)
	var nodes sync.WaitGroup
	for range 2 {
		nodes.Go(func() {
			out, err := exec.CommandContext(t.Context(), pdagentd, "migrate", "--config", config).CombinedOutput()
			if err != nil || !strings.Contains(string(out), "the database has this version's schema") || strings.Contains(string(out), "tried again") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
	nodes.Wait()
}

// TestOlderProgramRefusesTheDatabaseOfANewerOne: run ends and migrate ends, at
// once and with the mend, be the database the embedded one or somebody else's.
func TestOlderProgramRefusesTheDatabaseOfANewerOne(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	dir := dataDir(t)
	server, err := embedded.Start(t.Context(), embedded.Config{DataDir: dir}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := migrations.Up(t.Context(), server.URL()); err != nil {
		t.Fatal(err)
	}
	newer(t, server.URL())
	f := func(command, config string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		var stdout, stderr strings.Builder
		status := execute(ctx, []string{command, "--config", config}, &stdout, &stderr)
		if ctx.Err() != nil || status != 1 {
			t.Errorf("%s: status %d, %v", command, status, ctx.Err())
		}
		lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
		last := lines[len(lines)-1]
		for _, want := range []string{"pdagentd: ", "schema 99 ", "knows up to schema ", "install that one again"} {
			if !strings.Contains(last, want) {
				t.Errorf("%s: no %q in the last line of\n%s", command, want, stderr.String())
			}
		}
	}
	theirs := settings(t, fmt.Sprintf("database: { url: '%s' }", server.URL()))
	f("migrate", theirs)
	f("run", theirs)
	if err := server.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	ours := filepath.Join(t.TempDir(), "pdagentd.yaml")
	write(t, ours, "data_dir: "+dir)
	f("migrate", ours)
	f("run", ours)
}

// newer makes the database at url look like one of a later version.
func newer(t *testing.T, url string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context()) //nolint:errcheck // the server is stopped later
	if _, err := conn.Exec(t.Context(), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, true)`); err != nil {
		t.Fatal(err)
	}
}
