package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestRunningProcessReloadsAndStops: rules that are broken while pdagentd runs
// are shown and leave the old ones, SIGHUP takes the mended ones, and SIGTERM
// ends it with a last word and without anything that looks like a fault.
func TestRunningProcessReloadsAndStops(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	dir, admin, web := t.TempDir(), freePort(t), freePort(t)
	rules := filepath.Join(dir, "10.yaml")
	write(t, rules, aRule("one"))
	config := settings(t, "")
	rewrite(t, config, `../../deploy/rules.d`, dir,
		`["http://127.0.0.1:0", "https://127.0.0.1:0"]`, `["http://127.0.0.1:`+web+`"]`,
		`admin: { listen: "http://127.0.0.1:0" }`, `admin: { listen: "http://127.0.0.1:`+admin+`" }`)
	base := "http://127.0.0.1:" + admin
	p := launch(t, built(t), config, base+"/readyz")
	eventually := func(path, want string) {
		t.Helper()
		got := ""
		for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
			if got = get(t, base+path); strings.Contains(got, want) {
				return
			}
		}
		t.Errorf("%s: no %s in\n%s", path, want, grep(got, "pdaltagent_r"))
	}
	eventually("/metrics", `pdaltagent_reloads_total{result="fault"} 0`)
	write(t, rules, strings.Replace(aRule("one"), "linkDown", "linkDwon", 1))
	eventually("/readyz", `first at `+rules+`:3:20`)
	eventually("/metrics", "pdaltagent_rules_stale 1\n")
	eventually("/metrics", `pdaltagent_reloads_total{result="fault"} 1`)
	write(t, rules, aRule("mended"))
	if err := p.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually("/metrics", "pdaltagent_rules_stale 0\n")

	for range 20 {
		post(t, "http://127.0.0.1:"+web+"/v2/enqueue", `{"routing_key":"`+testKey+`","event_action":"trigger","payload":{"summary":"s","source":"h","severity":"info"}}`)
	}
	http.DefaultClient.CloseIdleConnections()
	stop(t, p)
	lines := strings.Split(strings.TrimSpace(p.log.String()), "\n")
	if last := lines[len(lines)-1]; !strings.Contains(last, `"msg":"stopped"`) {
		t.Errorf("the last words are %s", last)
	}
	for _, line := range lines {
		if strings.Contains(line, "roken pipe") || strings.Contains(line, "connection to client") {
			t.Errorf("at the stop it says %s", line)
		}
	}
}

// TestCommandsThatRefuseToRunSayWhy: nothing is left running, and what is on
// standard output is a result.
func TestCommandsThatRefuseToRunSayWhy(t *testing.T) {
	got := checkArchive(t, map[string]string{"my.yaml": "routes: { noc: { key_file: gone } }\nnod: x\n"})
	if got["stdout"] != "" {
		t.Errorf("stdout: %s", got["stdout"])
	}
	var stdout, stderr strings.Builder
	status := execute(t.Context(), []string{"run", "--config", "my.yaml"}, &stdout, &stderr)
	for _, want := range []string{
		"my.yaml:1:28: routes.noc.key_file: there is no file gone", "my.yaml:2:1: unknown key \"nod\"",
		"pdagentd: my.yaml: 2 faults; nothing was started\n",
	} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("no %s in\n%s", want, stderr.String())
		}
	}
	if status != 1 || stdout.String() != "" {
		t.Errorf("%d %s", status, stdout.String())
	}
	if _, err := os.Stat("data"); err == nil {
		t.Error("something was started")
	}
}
