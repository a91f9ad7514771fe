package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pdaltagent/pdaltagent/delivery/history"
	"github.com/pdaltagent/pdaltagent/delivery/sandbox"
)

// queueRun is what one call of 'pdagentd queue' did.
type queueRun struct {
	status         int
	stdout, stderr string
}

func runQueue(t *testing.T, file string, args ...string) queueRun {
	t.Helper()
	var stdout, stderr strings.Builder
	status := execute(t.Context(), append([]string{"queue", "--config", file}, args...), &stdout, &stderr)
	return queueRun{status, stdout.String(), stderr.String()}
}

// says looks whether a call ended with status and said all of words.
func (r queueRun) says(t *testing.T, status int, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(r.stdout+r.stderr, word) {
			t.Errorf("no %q in\n%s%s", word, r.stdout, r.stderr)
		}
	}
	if r.status != status {
		t.Errorf("status %d, want %d\n%s%s", r.status, status, r.stdout, r.stderr)
	}
}

// TestQueueShowsWhatWaitsAndClearsIt beside an appliance that runs: what
// PagerDuty refused goes again, in order, and what it has no room for is taken
// back.
func TestQueueShowsWhatWaitsAndClearsIt(t *testing.T) {
	t.Setenv("SUDO_USER", "alice")
	file := settings(t, "")
	a := begin(t, file)
	enqueue := func(action, dedupKey string) {
		t.Helper()
		body, err := json.Marshal(map[string]any{
			"routing_key": testKey, "event_action": action, "dedup_key": dedupKey,
			"payload": map[string]string{"summary": dedupKey + " is full", "source": "h", "severity": "error"},
		})
		if err != nil {
			t.Fatal(err)
		}
		if status, answer := post(t, "http://"+a.http.Addrs()[0].String()+"/v2/enqueue", string(body)); status != http.StatusAccepted {
			t.Fatal(answer)
		}
	}
	runQueue(t, file, "list").says(t, 0, "nothing waits, and nothing is dead")
	if got := runQueue(t, file, "list", "--json"); strings.TrimSpace(got.stdout) != "[]" {
		t.Errorf("nothing as JSON: %s", got.stdout)
	}

	a.stand.Behave(sandbox.Behavior{Status: 400})
	enqueue("trigger", "disk")
	enqueue("resolve", "disk")
	enqueue("trigger", "escape\x1b[2J")
	a.eventually(t, "3", `SELECT count(*) FROM deliveries WHERE state = 'dead'`)
	list := runQueue(t, file, "list")
	list.says(t, 0, "ID ", "LAST ERROR", "dead", "trigger", "disk", "rejected with 400")
	if strings.Contains(list.stdout, "\x1b") {
		t.Error("the terminal is told what a sender wrote")
	}
	var dead []history.Listed
	if err := json.Unmarshal([]byte(runQueue(t, file, "list", "--json", "--alert", "disk", "--state", "DEAD, held").stdout), &dead); err != nil || len(dead) != 2 {
		t.Fatalf("%d: %v", len(dead), err)
	}
	trigger := dead[0].ID.String()
	runQueue(t, file, "retry", trigger).says(t, 1, "its alert has been resolved since", "nothing was changed")
	runQueue(t, file, "retry", "--error", "REJECTED WITH 400", "--dry-run").says(t, 0, "3 deliveries: dead")
	runQueue(t, file, "retry", "--error", "' OR true; --").says(t, 0, "0 deliveries")
	runQueue(t, file, "list", "--limit", "1").says(t, 0, "there are more than these 1")

	a.stand.Behave(sandbox.Behavior{})
	runQueue(t, file, "retry", "--newer", "1h", "--why", "PagerDuty is back").says(t, 0, "3 deliveries: go again")
	a.eventually(t, "3", `SELECT count(*) FROM deliveries WHERE state = 'delivered'`)
	var heard []string
	for _, e := range a.stand.Events() {
		if e.DedupKey == "disk" && e.Status == http.StatusAccepted {
			heard = append(heard, e.Action)
		}
	}
	if got := strings.Join(heard, " "); got != "trigger resolve" {
		t.Errorf("PagerDuty heard %s", got)
	}
	runQueue(t, file, "show", trigger).says(t, 0, "state     delivered", "retried", "alice@", "PagerDuty is back", "1 at", "rejected with 400", "2 at", "accepted with 202", "disk is full")
	runQueue(t, file, "retry", trigger).says(t, 1, "1 delivery of those that you named: not on record, or not dead")

	a.stand.Behave(sandbox.Behavior{Status: 429, RetryAfter: time.Hour})
	enqueue("trigger", "cable")
	enqueue("resolve", "cable")
	a.eventually(t, "held", `SELECT state FROM deliveries WHERE dedup_key = 'cable' AND action = 'trigger' AND attempts = 1`)
	runQueue(t, file, "list").says(t, 0, "route: room", "goes first")
	runQueue(t, file, "cancel", "--alert", "cable", "--json").says(t, 0, `"deliveries": 2`, `"refused": []`)
	if got := a.sql(t, `SELECT string_agg(state || ' ' || last_error, ';') FROM deliveries WHERE dedup_key = 'cable'`); strings.Count(got, "cancelled cancelled by alice@") != 2 {
		t.Errorf("who cancelled it: %s", got)
	}
	runQueue(t, file, "purge", "--older", "0s").says(t, 0, "5 deliveries: would be removed", "add --yes")
	runQueue(t, file, "purge", "--older", "0s", "--state", "cancelled", "--yes").says(t, 0, "2 deliveries: removed")
	if got := a.sql(t, `SELECT string_agg(what || ' ' || deliveries || ': ' || chosen, '; ' ORDER BY at) FROM interventions`); got != "retry 3: pdagentd queue retry --newer 1h; cancel 2: pdagentd queue cancel --alert cable; purge 2: pdagentd queue purge --state cancelled --older 0s" {
		t.Errorf("on record: %s", got)
	}
	runQueue(t, file, "show", "01a205d9-0359-70d1-b654-7cb1044f8755").says(t, 1, "no delivery has the ID")
}

// TestQueueSaysHowItIsUsed: all that is wrong, with what was meant.
func TestQueueSaysHowItIsUsed(t *testing.T) {
	f := func(args, want string) {
		t.Helper()
		runQueue(t, "/nowhere.yaml", strings.Split(args, " ")...).says(t, 2, want)
	}
	f("lst", `queue has no command "lst"; did you mean "list"?`)
	f("list --state deda", `no state is named "deda"; did you mean "dead"?; there are held, queued, delivered, dead, cancelled`)
	f("list --state dead,';DROP", "no state is named \"';DROP\"")
	f("list --state=", `no state is named ""`)
	f("list x", "list takes no argument")
	f("list --older 1hour", `--older "1hour" is no age; write 1h`)
	f("list --older soon", `--older "soon" is no age; write one such as 30s`)
	f("list --older -1h", `is no age`)
	f("list --older 2h --newer 1h", "nothing is both older than 2h and newer than 1h")
	f("list --limit -1", "--limit -1 is negative")
	f("list --alert= --limit -1", "--limit -1 is negative; --alert is empty")
	f("list --yes", "queue list has no --yes")
	f("list --sate dead", "no flag is named --sate; did you mean --state?")
	f("show", "show takes one argument")
	f("show 1", `"1" is no ID`)
	f("show {01a205d9-0359-70d1-b654-7cb1044f8755}", "is no ID")
	f("retry", "retry needs to know which")
	f("retry --all --alert k", "--all does not go with")
	f("retry --state dead", "queue retry has no --state")
	f("cancel --state dead", "cancel does nothing with what is dead")
	f("purge", "purge needs --older")
	f("purge --older 1h --state held", "purge does nothing with what is held")
	runQueue(t, "/nowhere.yaml").says(t, 2, "say what to do: list, show, retry, cancel, purge")
	runQueue(t, "/nowhere.yaml", "list").says(t, 1, "there is no file /nowhere.yaml")
	dir := dataDir(t)
	file := t.TempDir() + "/pdagentd.yaml"
	write(t, file, "data_dir: "+dir+"\nrules: [/nowhere]\n")
	runQueue(t, file, "list").says(t, 1, "there is no database under "+dir+"/postgres: start pdagentd")
}

// TestAgesAndTextsFitTheirColumns.
func TestAgesAndTextsFitTheirColumns(t *testing.T) {
	f := func(got, want any) {
		t.Helper()
		if got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	f(age(-time.Second), "0s")
	f(age(59*time.Second), "59s")
	f(age(61*time.Second), "1m1s")
	f(age(25*time.Hour+59*time.Minute), "1d1h")
	f(age(3*time.Hour+5*time.Minute), "3h5m")
	f(printable("a\x1b[31m\n\u202eb\u00e9"), "a [31m  b\u00e9")
	f(cut("\u00e9\u00e9\u00e9\u00e9", 3), "\u00e9\u00e9…")
	f(deliveries(1)+deliveries(0), fmt.Sprint("1 delivery", "0 deliveries"))
}
