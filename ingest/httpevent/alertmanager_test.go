package httpevent

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pdaltagent/pdaltagent/ingest"
)

const alertmanagerConfig = `
route:
  receiver: v2
  group_by: [alertname]
  group_wait: 10ms
  group_interval: 1s
  routes: [ { receiver: v1, matchers: [ 'team = "old"' ] } ]
receivers:
  - name: v2
    pagerduty_configs: [ { routing_key: %[2]s, url: %[1]s/v2/enqueue, severity: '{{ .CommonLabels.severity }}' } ]
  - name: v1
    pagerduty_configs:
      - service_key: %[2]s
        http_config: { proxy_url: %[3]s, tls_config: { insecure_skip_verify: true } }
`

// toll is a proxy that leads every tunnel to address. Alertmanager has no URL
// for Events v1: it always asks for events.pagerduty.com.
func toll(t *testing.T, address string) string {
	t.Helper()
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		to, err := (&net.Dialer{}).DialContext(q.Context(), "tcp", address)
		if err != nil || q.Method != http.MethodConnect {
			t.Errorf("proxy: %s, %v", q.Method, err)
			return
		}
		from, begun, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(from, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(to, begun); _ = to.Close() }()
		_, _ = io.Copy(from, to)
		_ = from.Close()
	}))
	t.Cleanup(proxy.Close)
	return proxy.URL
}

// alertmanager starts Prometheus' Alertmanager on loopback until the test ends
// and returns its address.
func alertmanager(t *testing.T, config string) string {
	t.Helper()
	binary := ""
	for _, name := range []string{"prometheus-alertmanager", "alertmanager"} {
		if found, err := exec.LookPath(name); err == nil {
			binary = found
		}
	}
	if binary == "" {
		t.Skip("no Alertmanager: install Debian's package prometheus-alertmanager")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "alertmanager.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	free, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.Background(), binary, "--config.file="+file, "--storage.path="+dir,
		"--web.listen-address="+address, "--cluster.listen-address=", "--log.level=warn")
	log := new(lockedBuffer)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
		if t.Failed() || strings.Contains(log.String(), "err=") {
			t.Errorf("Alertmanager says: %s", log)
		}
	})
	return "http://" + address
}

// TestAlertmanagerChangesOnlyItsURL has a real Alertmanager fire and resolve an
// alert by either version of the API.
func TestAlertmanagerChangesOnlyItsURL(t *testing.T) {
	g := start(t, Config{Listen: []string{"http://127.0.0.1:0", "https://127.0.0.1:0"}}, nil)
	proxy := toll(t, g.r.Addrs()[1].String())
	api := alertmanager(t, fmt.Sprintf(alertmanagerConfig, g.url, goodKey, proxy)) + "/api/v2/alerts"
	post := func(ends string) bool {
		body := fmt.Sprintf(`[{"labels":{"alertname":"DiskFull","instance":"db1","severity":"warning"},"annotations":{"summary":"full"}%[1]s},
			{"labels":{"alertname":"DiskOld","instance":"db2","team":"old"}%[1]s}]`, ends)
		q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, api, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Content-Type", jsonMedia)
		resp, err := g.client.Do(q)
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}
	heard := func(api ingest.API, action, want string) func() bool {
		return func() bool {
			g.mu.Lock()
			defer g.mu.Unlock()
			for _, m := range g.received {
				body, _ := m.Request.Body.(map[string]any)
				if m.Request.API == api && body[action] == want && m.Request.Key == goodKey {
					return true
				}
			}
			return false
		}
	}
	eventually(t, "Alertmanager takes alerts", func() bool { return post("") })
	eventually(t, "it triggers by v2", heard(ingest.EventsV2, "event_action", "trigger"))
	eventually(t, "it triggers by v1", heard(ingest.EventsV1, "event_type", "trigger"))
	if !post(`,"endsAt":"` + time.Now().Add(-time.Second).UTC().Format(time.RFC3339) + `"`) {
		t.Fatal("the end was not taken")
	}
	eventually(t, "it resolves by v2", heard(ingest.EventsV2, "event_action", "resolve"))
	eventually(t, "it resolves by v1", heard(ingest.EventsV1, "event_type", "resolve"))
	if counts := g.counts(); len(counts) != 0 {
		t.Errorf("refused %v: %s", counts, g.log)
	}
}
