package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/mapping"
)

func noEnv(string) (string, bool) { return "", false }

func environment(pairs map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, ok := pairs[name]
		return value, ok
	}
}

func load(t *testing.T, text string, env func(string) (string, bool)) (*config, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "pdagentd.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, _, err := loadConfig(file, env)
	return c, err
}

// TestConfiguration_Failure: each fault is named with its line, its column and
// the mend.
func TestConfiguration_Failure(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		_, err := load(t, text, noEnv)
		if err == nil {
			t.Errorf("accepted: %s", text)
			return
		}
		for _, words := range want {
			if !strings.Contains(err.Error(), words) {
				t.Errorf("%q:\ngot  %v\nwant %s", text, err, words)
			}
		}
	}
	f("nod: x", "pdagentd.yaml:1:1: ", `"nod"`, `"node"`)
	f("delivery:\n  workers: many", "pdagentd.yaml:2:12: ")
	f("delivery:\n  timeout: 20", "pdagentd.yaml:2:12: ")
	f("ingest:\n  syslog:\n    lissten: []", "pdagentd.yaml:3:5: ", `"listen"`)
	f("ingest:\n  syslog:\n    listen: [\"udp://:5514\", \"gopher://:70\"]", "pdagentd.yaml:3:29: ", "gopher")
	f("ingest:\n  snmp:\n    listen: [9162]", "pdagentd.yaml:3:14: ")
	f("ingest:\n  snmp:\n    allow: [10.0.0.0/99]", "pdagentd.yaml:3:")
	f("ingest:\n  snmp:\n    usrs: []", "pdagentd.yaml:3:5: ", `"users"`)
	f("delivery: { workers: 0 }", "pdagentd.yaml:1:22: ", "delivery.workers: 0 is not between 1 and 10000")
	f("routes: { noc: { key: a, key_file: b } }", "pdagentd.yaml:1:11: ", "exactly one of key, key_file and key_env")
	f("routes:\n  noc: { key_file: /nowhere, type: v3 }", "pdagentd.yaml:2:36: ", `"v3"`)
	f("routes: { a: { key_file: b }, b: { key_file: b } }", "pdagentd.yaml:1:1: ", "default_route", "a, b")
	f("default_route: nowhere\nroutes: { a: { key_file: b } }", "pdagentd.yaml:1:16: ", `"nowhere"`)
	f("routes: { a: { key_file: b } }\npagerduty:\n  events_url: events.pagerduty.com", "pdagentd.yaml:3:15: ", "https://events.pagerduty.com")
	f("admin:\n  listen: http://0.0.0.0:8081", "pdagentd.yaml:2:11: ", "token_file")
	f("history: { keep: -1h }", "pdagentd.yaml:1:18: ", "2160h")
	f("node: a\nnode: b", "pdagentd.yaml:2:1: ")
	f("node: [", "pdagentd.yaml:2:1: ")

	// All faults at once, in the order of the file.
	_, err := load(t, "delivery: { workers: 0 }\nadmin: { listen: 'ftp://127.0.0.1:1' }", noEnv)
	if err == nil || strings.Count(err.Error(), "\n") != 1 || strings.Index(err.Error(), "yaml:1:22: ") > strings.Index(err.Error(), "yaml:2:18: ") {
		t.Errorf("got %v, want two lines", err)
	}
	if _, _, err := loadConfig("/nowhere/pdagentd.yaml", noEnv); err == nil || !strings.Contains(err.Error(), "/nowhere/pdagentd.yaml") {
		t.Errorf("a missing file: %v", err)
	}
}

// TestFileWinsOverEnvironment, and the environment over the defaults.
func TestFileWinsOverEnvironment(t *testing.T) {
	env := environment(map[string]string{
		"PDAGENTD_SNMP_HOST": "127.0.0.1", "PDAGENTD_SNMP_PORT": "1162", "PDAGENTD_SNMP_COMMUNITY": "c1",
		"PDAGENTD_SNMP_ROUTING_KEY": testKey, "PDAGENTD_SNMP_SEVERITY": "error", "PDAGENTD_DEBUG": "true",
		"DATABASE_URL": "postgres://env/db",
	})
	c, err := load(t, "", env)
	if err != nil {
		t.Fatal(err)
	}
	if c.Ingest.SNMP.Listen[0] != "127.0.0.1:1162" || c.Ingest.SNMP.Communities[0] != ingest.Secret("c1") || !c.debug {
		t.Errorf("the environment was not heard: %+v", c.Ingest.SNMP)
	}
	routes, standard := c.routes()
	if len(routes) != 1 || routes[0].Key != testKey || standard != "default" {
		t.Errorf("routes %v, default %q: %v", routes, standard, err)
	}
	if !strings.Contains(c.trapRules, `severity: "error"`) {
		t.Errorf("no rule for traps: %s", c.trapRules)
	}
	rules, err := loadRules(t.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var made mapping.Result
	rules.Apply(&ingest.Message{Protocol: ingest.SNMP, Host: "sw1", Trap: &ingest.Trap{OID: "1.3.6.1.4.1.99999.0.1"}}, &made)
	if len(made.Events) != 1 || made.Events[0].Severity != mapping.Error || made.Events[0].Summary != "sw1 sent 1.3.6.1.4.1.99999.0.1" {
		t.Errorf("a trap made %+v", made.Events)
	}
	if c.Database.URL != "postgres://env/db" {
		t.Errorf("database %s", c.Database.URL)
	}
	c, err = load(t, "ingest: { snmp: { listen: [\"127.0.0.1:2162\"], communities: [c2] } }", env)
	if err != nil {
		t.Fatal(err)
	}
	if c.Ingest.SNMP.Listen[0] != "127.0.0.1:2162" || c.Ingest.SNMP.Communities[0] != ingest.Secret("c2") {
		t.Errorf("the file did not win: %+v", c.Ingest.SNMP)
	}
	if _, err := load(t, "", environment(map[string]string{"PDAGENTD_SNMP_PORT": "snmp"})); err == nil || !strings.Contains(err.Error(), "PDAGENTD_SNMP_PORT") {
		t.Errorf("a wrong port: %v", err)
	}
}

// TestTrapsHaveTheirOwnKey: of a PDaltagent whose two keys differ neither is
// lost.
func TestTrapsHaveTheirOwnKey(t *testing.T) {
	const other = "fedcba98765432100123456789abcdef"
	f := func(text string, env map[string]string, keys map[string]ingest.Secret, standard, trapRoute string) {
		t.Helper()
		c, err := load(t, text, environment(env))
		if err != nil {
			t.Fatal(err)
		}
		routes, got := c.routes()
		made := map[string]ingest.Secret{}
		for _, r := range routes {
			made[r.Name] = r.Key
		}
		if diff := cmp.Diff(keys, made); diff != "" || got != standard {
			t.Errorf("default %s, routes (-want +got):\n%s", got, diff)
		}
		rules, err := loadRules(t.Context(), c, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		var result mapping.Result
		rules.Apply(&ingest.Message{Protocol: ingest.SNMP, Host: "sw1", Trap: &ingest.Trap{OID: "1.3.6.1.4.1.99999.0.1"}}, &result)
		if len(result.Events) != 1 || result.Events[0].Route != trapRoute {
			t.Errorf("a trap made %+v", result.Events)
		}
	}
	both := map[string]string{"PDAGENTD_DEFAULT_ROUTING_KEY": testKey, "PDAGENTD_SNMP_ROUTING_KEY": other}
	same := map[string]string{"PDAGENTD_DEFAULT_ROUTING_KEY": testKey, "PDAGENTD_SNMP_ROUTING_KEY": testKey}
	f("", both, map[string]ingest.Secret{"default": testKey, "snmp": other}, "default", "snmp")
	f("", same, map[string]ingest.Secret{"default": testKey}, "default", "")
	f("", map[string]string{"PDAGENTD_SNMP_ROUTING_KEY": other}, map[string]ingest.Secret{"default": other}, "default", "")
	f("routes: { snmp: { key: "+testKey+" } }", both, map[string]ingest.Secret{"default": testKey, "snmp": testKey}, "default", "snmp")
}

// TestSecretsComeFromFilesAndEnvironment: also those of lists, whatever part
// they belong to.
func TestSecretsComeFromFilesAndEnvironment(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(testKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("STORAGE_KEY", "R0123456789ABCDEFGHIJKLMNOPQRSTU")
	c, err := load(t, "default_route: noc\nroutes:\n  noc: { key_file: "+file+" }\n  storage: { key_env: STORAGE_KEY }\n  old: { key: "+testKey+", type: v1 }\n"+
		"ingest:\n  http: { token_file: "+file+" }\n  snmp: { users: [{ name: ops, auth: SHA, auth_passphrase_file: "+file+", priv: AES128, priv_passphrase_env: STORAGE_KEY }] }\n"+
		"admin: { token_file: "+file+" }", noEnv)
	if err != nil {
		t.Fatal(err)
	}
	if faults := c.resolve(c.document, os.LookupEnv); len(faults) > 0 {
		t.Fatal(faults)
	}
	if users := c.Ingest.SNMP.Users; users[0].AuthPassphrase != testKey || users[0].PrivPassphrase.Reveal() != os.Getenv("STORAGE_KEY") || users[0].AuthPassphraseFile != "" {
		t.Errorf("the passphrases of %+v are not resolved", users)
	}
	if c.Ingest.HTTP.Token != testKey || c.Admin.Token != testKey {
		t.Error("the tokens are not resolved")
	}
	routes, _ := c.routes()
	var got []string
	for _, r := range routes {
		got = append(got, r.Name+" "+string(r.Type)+" "+r.Key.Reveal()[:2])
	}
	if want := "noc v2 01, old v1 01, storage x-ere R0"; strings.Join(got, ", ") != want {
		t.Errorf("got %s, want %s", strings.Join(got, ", "), want)
	}
}

// TestDefaultsStandAlone: without any file the appliance runs, on its own
// database and with its own PagerDuty.
func TestDefaultsStandAlone(t *testing.T) {
	c, err := load(t, "", noEnv)
	if err != nil {
		t.Fatal(err)
	}
	if c.PagerDuty.EventsURL != sandboxURL || c.Database.URL != "" || c.Delivery.GiveUpAfter != 72*time.Hour {
		t.Errorf("%+v", c)
	}
}

// TestWrongUsageIsStatus2.
func TestWrongUsageIsStatus2(t *testing.T) {
	f := func(want int, words string, args ...string) {
		t.Helper()
		var stdout, stderr bytes.Buffer
		if got := execute(t.Context(), args, &stdout, &stderr); got != want || !strings.Contains(stdout.String()+stderr.String(), words) {
			t.Errorf("%v: %d, want %d and %q in\n%s%s", args, got, want, words, stdout.String(), stderr.String())
		}
	}
	f(0, "pdagentd devel\ncommit ", "version")
	f(0, "pdagentd devel\ncommit ", "--version")
	for _, c := range commands() {
		f(0, "usage: pdagentd "+c.synopsis()+"\n", "help", c.name)
		f(0, "usage: pdagentd "+c.synopsis()+"\n", c.name, "--help")
		f(0, "usage: pdagentd "+c.synopsis()+"\n", c.name, "-h")
		f(0, "pdagentd "+c.synopsis()+" ", "--help")
	}
	f(0, "usage", "-h")
	f(0, "usage", "help")
	f(2, `no command is named "rnu"; did you mean "run"?`, "rnu")
	f(2, `no command is named "chek"; did you mean "check"?`, "help", "chek")
	f(2, "write pdagentd --config my.yaml", "my.yaml")
	f(2, "no flag is named --confg; did you mean --config?", "run", "--confg", "x")
	f(2, "usage: pdagentd [run] [--config FILE]", "run", "--confg=x")
	f(2, `"extra" belongs to no flag`, "run", "extra")
	f(2, "write --config my.yaml", "check", "my.yaml")
	f(2, "pdagentd check --config FILE", "--config", "x", "check")
	f(2, "write --listen ADDR", "sandbox", "--listen")
	f(1, "there is no file /nowhere: create it", "check", "--config", "/nowhere")
	f(1, "/etc/pdaltagent/pdagentd.yaml, pdagentd.yaml and the built-in defaults", "run", "--config", "/nowhere")
}
