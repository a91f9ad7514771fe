package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pdaltagent/pdaltagent/cmd/internal/sender"
	"github.com/pdaltagent/pdaltagent/cmd/internal/sender/sendertest"
)

const otherKey = "0123456789abcdef0123456789abcdef"

// agentQueue is a queue as PagerDuty Agent has it.
func agentQueue(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "outqueue")
	for _, folder := range []string{"pdq", "tmp", "suc", "err"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o750); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// enqueue writes an event as PagerDuty Agent does: compact JSON, sorted keys.
func enqueue(t *testing.T, dir, folder string, micros int64, key string, members map[string]any) string {
	t.Helper()
	members["service_key"] = key
	members["agent"] = map[string]any{"agent_id": "8e9c2e0e", "queued_at": "2026-11-20T10:00:00Z", "queued_by": "pd-send"}
	data, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(folder, fmt.Sprintf("%d_%s.txt", micros, key))
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func trigger(id string) map[string]any {
	return map[string]any{"event_type": "trigger", "incident_key": id, "description": id + " is down", "details": map[string]any{"a": "1"}}
}

func imports(t *testing.T, url string, args ...string) sendertest.Outcome {
	t.Helper()
	t.Setenv("PDSEND_EVENTS_BASE_URL", url)
	var stdout, stderr strings.Builder
	exit := execute(t.Context(), append([]string{"import", "pdagent"}, args...), &stdout, &stderr)
	got := sendertest.Outcome{Exit: exit, Stdout: stdout.String(), Stderr: stderr.String()}
	for _, key := range []string{sendertest.Key, otherKey} {
		if strings.Contains(got.Stdout+got.Stderr, key) {
			t.Errorf("a key is printed: %+v", got)
		}
	}
	return got
}

// filesIn returns how many files each folder has.
func filesIn(t *testing.T, dir string) (n [4]int) {
	t.Helper()
	for i, folder := range []string{"pdq", "tmp", "suc", "err"} {
		entries, err := os.ReadDir(filepath.Join(dir, folder))
		if err != nil {
			t.Fatal(err)
		}
		n[i] = len(entries)
	}
	return n
}

// taker answers as pdagentd does, and keeps what it was sent.
type taker struct {
	*httptest.Server
	answer func(incidentKey string) int // the status; 0: none, the connection breaks

	mu  sync.Mutex // of got: what a connection broke on may still be handled
	got []string   // incident keys
}

func (k *taker) sent() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.got)
}

func newTaker(t *testing.T, answer func(string) int) *taker {
	t.Helper()
	k := &taker{answer: answer}
	k.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		var e struct {
			IncidentKey string `json:"incident_key"`
		}
		data, _ := io.ReadAll(q.Body)
		if err := json.Unmarshal(data, &e); err != nil || q.URL.Path != sender.EventsV1 {
			t.Errorf("%s got %q", q.URL, data)
		}
		k.mu.Lock()
		k.got = append(k.got, e.IncidentKey)
		k.mu.Unlock()
		switch status := k.answer(e.IncidentKey); status {
		case 0:
			panic(http.ErrAbortHandler)
		case 200:
			_, _ = fmt.Fprintf(w, `{"status":"success","incident_key":%q}`, e.IncidentKey)
		default:
			w.WriteHeader(status)
			_, _ = io.WriteString(w, `{"status":"invalid event","message":"Event object is invalid","errors":["'a' is missing"]}`)
		}
	}))
	t.Cleanup(k.Close)
	return k
}

func takesAll(string) int { return 200 }

// TestImportKeepsOrderAndContent hands a queue to the real receiver.
func TestImportKeepsOrderAndContent(t *testing.T) {
	r, dir := sendertest.Listen(t), agentQueue(t)
	enqueue(t, dir, "pdq", 1700000000000002, otherKey, trigger("b"))
	enqueue(t, dir, "pdq", 1700000000000003, sendertest.Key, map[string]any{"event_type": "resolve", "incident_key": "a", "details": map[string]any{}})
	enqueue(t, dir, "pdq", 1700000000000001, sendertest.Key, trigger("a"))
	enqueue(t, dir, "pdq", 999999999999999, otherKey, trigger("first"))
	enqueue(t, dir, "err", 1700000000000000, otherKey, trigger("dead"))
	enqueue(t, dir, "tmp", 1700000000000000, otherKey, trigger("unfinished"))

	got := imports(t, r.URL, filepath.Dir(dir)) // whose folder outqueue it is
	if want := "4 events handed to " + r.URL + ".\n"; got.Exit != 0 || got.Stdout != want || !strings.Contains(got.Stderr, "tmp has 1 event ") {
		t.Errorf("%+v", got)
	}
	for _, want := range []struct{ key, id string }{{otherKey, "first"}, {sendertest.Key, "a"}, {otherKey, "b"}, {sendertest.Key, "a"}} {
		key, path, body := r.Next(t)
		if id := body.(map[string]any)["incident_key"]; key != want.key || id != want.id || path != sender.EventsV1 {
			t.Errorf("%s of %s came where %v should", id, key, want)
		}
		if want.id == "b" {
			sent := trigger("b")
			sent["agent"] = map[string]any{"agent_id": "8e9c2e0e", "queued_at": "2026-11-20T10:00:00Z", "queued_by": "pd-send"}
			if diff := cmp.Diff(any(sent), body); diff != "" {
				t.Error(diff)
			}
		}
	}
	if got := filesIn(t, dir); got != [4]int{0, 1, 4, 1} {
		t.Errorf("the folders have %v", got)
	}
	if got := imports(t, r.URL, dir, "--dead"); got.Exit != 0 || !strings.HasPrefix(got.Stdout, "1 event handed") {
		t.Errorf("%+v", got)
	}
	if _, _, body := r.Next(t); body.(map[string]any)["incident_key"] != "dead" {
		t.Error(body)
	}
	if _, err := os.Stat(filepath.Join(dir, dequeueLock)); err == nil {
		t.Error("the lock is still there")
	}
}

// TestImportNeverSendsTwiceWhatWasAnswered: interrupted wherever, the next
// import goes on; what was sent without an answer is sent under the same
// incident key, though its file has none.
func TestImportNeverSendsTwiceWhatWasAnswered(t *testing.T) {
	dir := agentQueue(t)
	for n := range int64(5) {
		enqueue(t, dir, "pdq", 1700000000000000+n, sendertest.Key, map[string]any{"event_type": "trigger", "description": "same", "details": map[string]any{}})
	}
	var calls atomic.Int64
	k := newTaker(t, func(string) int {
		if calls.Add(1) == 3 {
			return 0 // taken, perhaps
		}
		return 200
	})
	got := imports(t, k.URL, dir)
	if got.Exit != 1 || !strings.Contains(got.Stderr, "1700000000000002_…d1a6.txt: send to "+k.URL) || !strings.HasPrefix(got.Stdout, "2 events handed") {
		t.Errorf("%+v", got)
	}
	if got := filesIn(t, dir); got != [4]int{3, 0, 2, 0} {
		t.Errorf("the folders have %v", got)
	}
	if got := imports(t, k.URL, dir); got.Exit != 0 || !strings.HasPrefix(got.Stdout, "3 events handed") {
		t.Errorf("%+v", got)
	}
	if len(k.sent()) != 6 || k.sent()[2] != k.sent()[3] || !strings.HasPrefix(k.sent()[0], "pdagent-") {
		t.Fatalf("sent %q", k.sent())
	}
	if distinct := slices.Compact(slices.Sorted(slices.Values(k.sent()))); len(distinct) != 5 {
		t.Errorf("sent %q", k.sent())
	}
	if got := imports(t, k.URL, dir); got.Exit != 0 || got.Stdout != "0 events handed to "+k.URL+".\n" || len(k.sent()) != 6 {
		t.Errorf("%+v", got)
	}
}

// TestImportLeavesWhatIsRefused, says why, and goes on.
func TestImportLeavesWhatIsRefused(t *testing.T) {
	dir := agentQueue(t)
	enqueue(t, dir, "pdq", 1700000000000001, sendertest.Key, trigger("bad"))
	enqueue(t, dir, "pdq", 1700000000000002, sendertest.Key, trigger("good"))
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "pdq", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("1700000000000003_"+otherKey+".txt", `{"event_type":"trig`)
	write("1700000000000004_"+otherKey+".txt", strings.Repeat("x", maxQueued+1))
	write("notes.txt", "a note")
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(secret, filepath.Join(dir, "pdq", "1700000000000005_"+otherKey+".txt")); err != nil {
		t.Fatal(err)
	}
	k := newTaker(t, func(id string) int {
		if id == "bad" {
			return 400
		}
		return 200
	})
	got := imports(t, k.URL, dir)
	for _, part := range []string{
		"pdq/1700000000000001_…d1a6.txt: " + k.URL + " answered 400 Bad Request: Event object is invalid: 'a' is missing\n",
		"pdq/1700000000000003_…cdef.txt: it is no JSON of an event: unexpected end of JSON input\npdagentd:", "pdq/1700000000000004_…cdef.txt: it has 4194305 octets",
		"pdq/1700000000000005_…cdef.txt: is no event", "pdq/notes.txt: is no event", "still there: 5 files;",
	} {
		if strings.Count(got.Stderr, part) != 1 {
			t.Errorf("%q is not said once in %s", part, got.Stderr)
		}
	}
	if got.Exit != 1 || !strings.HasPrefix(got.Stdout, "1 event handed") || cmp.Diff([]string{"bad", "good"}, k.sent()) != "" {
		t.Errorf("%+v %q", got, k.sent())
	}
	if got := filesIn(t, dir); got != [4]int{5, 0, 1, 0} {
		t.Errorf("the folders have %v", got)
	}
}

// TestImportStopsWhereTheNextWouldOvertake: an appliance that is away, or that
// wants a token, is asked once.
func TestImportStopsWhereTheNextWouldOvertake(t *testing.T) {
	dir := agentQueue(t)
	enqueue(t, dir, "pdq", 1700000000000001, sendertest.Key, trigger("a"))
	enqueue(t, dir, "pdq", 1700000000000002, sendertest.Key, trigger("b"))
	for _, status := range []int{401, 404, 503, 0} {
		k := newTaker(t, func(string) int { return status })
		if got := imports(t, k.URL, dir); got.Exit != 1 || len(k.sent()) != 1 {
			t.Errorf("%d: %+v %q", status, got, k.sent())
		}
	}
	if got := filesIn(t, dir); got != [4]int{2, 0, 0, 0} {
		t.Errorf("the folders have %v", got)
	}
}

// TestImportEndsBetweenTwoEvents: what is under way when it is interrupted is
// answered and moved.
func TestImportEndsBetweenTwoEvents(t *testing.T) {
	dir := agentQueue(t)
	enqueue(t, dir, "pdq", 1700000000000001, sendertest.Key, trigger("a"))
	enqueue(t, dir, "pdq", 1700000000000002, sendertest.Key, trigger("b"))
	ctx, interrupt := context.WithCancel(t.Context())
	k := newTaker(t, func(string) int { interrupt(); return 200 })
	t.Setenv("PDSEND_EVENTS_BASE_URL", k.URL)
	var stdout, stderr strings.Builder
	if exit := execute(ctx, []string{"import", "pdagent", dir}, &stdout, &stderr); exit != 1 || !strings.Contains(stderr.String(), "interrupted: run it again") {
		t.Errorf("%d %s", exit, stderr.String())
	}
	if got := filesIn(t, dir); got != [4]int{1, 0, 1, 0} || len(k.sent()) != 1 {
		t.Errorf("the folders have %v, and %q was sent", got, k.sent())
	}
}

func TestImportTakesWhatIsQueuedMeanwhile(t *testing.T) {
	dir := agentQueue(t)
	enqueue(t, dir, "pdq", 1700000000000001, sendertest.Key, trigger("a"))
	k := newTaker(t, func(id string) int {
		if id == "a" {
			enqueue(t, dir, "pdq", 1700000000000002, sendertest.Key, trigger("b"))
		}
		return 200
	})
	if got := imports(t, k.URL, dir); got.Exit != 0 || cmp.Diff([]string{"a", "b"}, k.sent()) != "" {
		t.Errorf("%+v %q", got, k.sent())
	}
}

func TestImportDryRunSendsNothing(t *testing.T) {
	dir := agentQueue(t)
	enqueue(t, dir, "pdq", 1700000000000001, sendertest.Key, trigger("a"))
	enqueue(t, dir, "err", 1700000001000001, sendertest.Key, trigger("b"))
	k := newTaker(t, takesAll)
	got := imports(t, k.URL, dir, "--dry-run", "--dead")
	want := "2023-11-14T22:13:20Z  trigger      a  a is down\n2023-11-14T22:13:21Z  trigger      b  b is down\n2 events would be handed over.\n"
	if got != (sendertest.Outcome{Stdout: want}) || len(k.sent()) > 0 {
		t.Errorf("%+v %q", got, k.sent())
	}
	if got := filesIn(t, dir); got != [4]int{1, 0, 0, 1} {
		t.Errorf("the folders have %v", got)
	}
}

// TestImportKeepsOutOfASendingAgent: PagerDuty Agent's own lock, which is Python's
// lockf, keeps the import out.
func TestImportKeepsOutOfASendingAgent(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no python3")
	}
	dir := agentQueue(t)
	enqueue(t, dir, "pdq", 1700000000000001, sendertest.Key, trigger("a"))
	agent := exec.CommandContext(t.Context(), python, "-c", `
import fcntl, sys
f = open(sys.argv[1], "w")
fcntl.lockf(f.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
print("locked", flush=True)
sys.stdin.read()`, filepath.Join(dir, dequeueLock))
	in, err := agent.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := agent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, len("locked"))); err != nil {
		t.Fatal(err)
	}
	k := newTaker(t, takesAll)
	if got := imports(t, k.URL, dir); got.Exit != 1 || !strings.Contains(got.Stderr, "systemctl stop pdagent") || len(k.sent()) > 0 {
		t.Errorf("%+v %q", got, k.sent())
	}
	if _, err := os.Stat(filepath.Join(dir, dequeueLock)); err != nil {
		t.Errorf("the agent's lock was taken away: %v", err)
	}
	_ = in.Close()
	if err := agent.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := imports(t, k.URL, dir); got.Exit != 0 || len(k.sent()) != 1 {
		t.Errorf("%+v", got)
	}
}

func FuzzQueuedEvent(f *testing.F) {
	f.Add([]byte(`{"agent":{"queued_by":"pd-send"},"description":"x","details":{},"event_type":"trigger","service_key":"k"}`))
	f.Add([]byte(`{"event_type":"resolve","incident_key":"a"}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := parseQueued("1700000000000000_k.txt", data)
		if err != nil {
			return
		}
		again, err := parseQueued("1700000000000000_k.txt", data)
		if err != nil || again.IncidentKey != e.IncidentKey || e.Type == "trigger" && e.IncidentKey == "" {
			t.Errorf("%q, then %q: %v", e.IncidentKey, again.IncidentKey, err)
		}
		var members map[string]any
		if err := json.Unmarshal(e.body, &members); err != nil {
			t.Error(err)
		}
	})
}

func TestImportUsage(t *testing.T) {
	f := func(exit int, want string, args ...string) {
		t.Helper()
		var stdout, stderr strings.Builder
		if got := execute(t.Context(), append([]string{"import"}, args...), &stdout, &stderr); got != exit || !strings.Contains(stderr.String(), want) {
			t.Errorf("%q: %d %s", args, got, stderr.String())
		}
	}
	f(2, "say what to import: pdagent DIR")
	f(2, "say what to import", "/var/lib/pdagent")
	f(2, "name one folder", "pdagent")
	f(1, "is no queue of a PagerDuty Agent", "pdagent", t.TempDir())
	f(1, "is no queue of a PagerDuty Agent", "pdagent", "/nowhere")
	t.Setenv("PDSEND_EVENTS_BASE_URL", "localhost")
	f(1, `"localhost" is no URL`, "pdagent", agentQueue(t))
}
