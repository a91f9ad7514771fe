package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// operations returns a block of shell or SQL of deploy/operations.md, by what it
// begins with, made out to other places.
func operations(t *testing.T, first string, places ...string) string {
	t.Helper()
	text, err := os.ReadFile("../../deploy/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?m)^```(?:sh|sql)\n((?s:.*?))```").FindAllStringSubmatch(string(text), -1) {
		if strings.HasPrefix(m[1], first) {
			for i := 0; i < len(places); i += 2 {
				if !strings.Contains(m[1], places[i]) {
					t.Fatalf("no %s in\n%s", places[i], m[1])
				}
			}
			return strings.NewReplacer(places...).Replace(m[1])
		}
	}
	t.Fatalf("operations.md has no commands that begin with %s", first)
	return ""
}

// command puts a program into dir that runs script.
func command(t *testing.T, dir, name, script string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil { //nolint:gosec // it is to be run
		t.Fatal(err)
	}
}

// TestABackupIsRestored by the commands of operations.md: the history is there,
// and what waited when it was taken is delivered.
func TestABackupIsRestored(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	if os.Geteuid() != 0 {
		t.Skip("the commands are root's")
	}
	for _, name := range []string{"pg_dump", "pg_restore", "createdb", "runuser"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skip(err)
		}
	}
	const held = 200
	pagerduty := newMoodyPagerDuty(t)
	config := settings(t, fmt.Sprintf("pagerduty: { events_url: %s }\nroutes: { noc: { key: %s } }", pagerduty.URL, testKey))
	a, stop := beginStoppable(t, config)
	data, backup, bin := a.config.DataDir, t.TempDir(), dataDir(t)
	command(t, bin, "systemctl", "exit 0")
	command(t, bin, "pdagentd", fmt.Sprintf(`exec %s "$@" --config %s`, built(t), config))
	run := func(script string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "sh", "-eu", "-c", script)
		cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s\n%s", err, script, out)
		}
	}
	pagerduty.hold(t, a, held)
	const history = `SELECT count(*), md5(string_agg(e::text, ',' ORDER BY id)) FROM events e`
	before := a.sql(t, history)
	places := []string{"d=/var/lib/pdaltagent", "d=" + data, "/backup", backup}
	run(operations(t, "# While it runs", places...))
	if status, answer := post(t, "http://"+a.http.Addrs()[0].String()+"/v2/enqueue",
		`{"routing_key":"`+testKey+`","event_action":"resolve","dedup_key":"held-0"}`); status != http.StatusAccepted {
		t.Fatal(status, answer) // the backup does not have it
	}
	if sizes := a.sql(t, operations(t, "SELECT c.relname")); !strings.Contains(sizes, "river_job") {
		t.Errorf("the largest tables are %s", sizes)
	}
	stop()
	run(operations(t, "# As root, on a machine", places...))
	for _, file := range []string{"spool", "tls"} {
		if out, err := exec.CommandContext(t.Context(), "tar", "-tf", filepath.Join(backup, "pdaltagent.tar"), "./"+file).CombinedOutput(); err != nil {
			t.Errorf("%s is not in the backup: %s", file, out)
		}
	}

	a = begin(t, config)
	if after := a.sql(t, history); after != before {
		t.Errorf("there was %s, and there is %s", before, after)
	}
	pagerduty.set(true)
	a.eventually(t, fmt.Sprint("delivered ", held), `SELECT state, count(*) FROM deliveries GROUP BY 1`)
	pagerduty.once(t, held)
	a.eventually(t, "true", `SELECT pg_has_role('pdaltagent', 'pdaltagent_read', 'member') AND has_table_privilege('pdaltagent_read', 'events', 'SELECT')`)
}
