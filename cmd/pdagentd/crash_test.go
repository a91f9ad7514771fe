package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// built builds pdagentd and returns its path.
func built(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pdagentd")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return path
}

// freePort returns a TCP port that nobody listens on.
func freePort(t testing.TB) string {
	t.Helper()
	var conf net.ListenConfig
	l, err := conf.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // it only held the port
	return port(l.Addr())
}

// process is a running pdagentd.
type process struct {
	*exec.Cmd
	log bytes.Buffer
}

func launch(t testing.TB, program, config, ready string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(program, "run", "--config", config)} //nolint:noctx // it is killed by hand
	p.Stdout, p.Stderr = io.Discard, &p.log
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, ready, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close() // read only
			if resp.StatusCode == http.StatusOK {
				return p
			}
		}
	}
	_ = p.Process.Kill() // it may have ended
	_ = p.Wait()
	t.Fatalf("not ready after 30 s:\n%s", p.log.String())
	return nil
}

// TestWhatWasAcknowledgedSurvivesKill9 kills pdagentd in the middle of 5,000
// events, each of which its sender repeats until it is acknowledged, and
// starts it again: PagerDuty gets every one of them.
func TestWhatWasAcknowledgedSurvivesKill9(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	const events = 5000
	var (
		mu  sync.Mutex
		got = map[string]int{}
	)
	pagerduty := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var e struct {
			DedupKey string `json:"dedup_key"`
		}
		if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
			t.Error(err)
		}
		mu.Lock()
		got[e.DedupKey]++
		mu.Unlock()
		w.WriteHeader(http.StatusAccepted)
	}))
	defer pagerduty.Close()
	web, admin := freePort(t), freePort(t)
	config := settings(t, fmt.Sprintf("pagerduty: { events_url: %s }\nroutes: { noc: { key: %s } }", pagerduty.URL, testKey))
	rewrite(t, config, `["http://127.0.0.1:0", "https://127.0.0.1:0"]`, `["http://127.0.0.1:`+web+`"]`, `admin: { listen: "http://127.0.0.1:0" }`, `admin: { listen: "http://127.0.0.1:`+admin+`" }`)
	pdagentd, ready := built(t), "http://127.0.0.1:"+admin+"/readyz"

	p := launch(t, pdagentd, config, ready)
	var (
		acknowledged atomic.Int64
		senders      sync.WaitGroup
		next         atomic.Int64
	)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for range 16 {
		senders.Go(func() {
			for n := next.Add(1); n <= events; n = next.Add(1) {
				for !accepted(ctx, "http://127.0.0.1:"+web+"/v2/enqueue", fmt.Sprint("event-", n)) {
					if ctx.Err() != nil {
						return
					}
					time.Sleep(10 * time.Millisecond)
				}
				acknowledged.Add(1)
			}
		})
	}
	for acknowledged.Load() < events/3 && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = p.Wait() // killed
	at := acknowledged.Load()
	p = launch(t, pdagentd, config, ready)
	senders.Wait()
	if at >= events || acknowledged.Load() != events {
		t.Fatalf("killed after %d acknowledgements; %d in the end, want %d", at, acknowledged.Load(), events)
	}
	missing := func() (n int) {
		mu.Lock()
		defer mu.Unlock()
		return events - len(got)
	}
	for missing() > 0 && ctx.Err() == nil {
		time.Sleep(20 * time.Millisecond)
	}
	if n := missing(); n > 0 {
		t.Errorf("%d of %d acknowledged events never arrived", n, events)
	}
	stop(t, p)
	http.DefaultClient.CloseIdleConnections()
	mu.Lock()
	defer mu.Unlock()
	twice := 0
	for _, n := range got {
		if n > 1 {
			twice++
		}
	}
	t.Logf("killed after %d acknowledgements; %d events arrived more than once", at, twice)
}

func accepted(ctx context.Context, url, dedupKey string) bool {
	body := `{"routing_key":"` + testKey + `","event_action":"trigger","dedup_key":"` + dedupKey + `","payload":{"summary":"s","source":"h","severity":"error"}}`
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, resp.Body) // for the connection to be used again
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusAccepted
}

// stop ends p as an init system does, and fails the test when it does not end
// by itself.
func stop(t testing.TB, p *process) {
	t.Helper()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	kill := time.AfterFunc(40*time.Second, func() { _ = p.Process.Kill() })
	defer kill.Stop()
	if err := p.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, p.log.String())
	}
}

// rewrite replaces texts in a file, each of which must be there.
func rewrite(t testing.TB, file string, pairs ...string) {
	t.Helper()
	data, err := os.ReadFile(file) //nolint:gosec // the test wrote it
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("%s has no %s", file, pairs[i])
		}
		text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
