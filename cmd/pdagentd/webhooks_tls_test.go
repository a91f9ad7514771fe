package main

import (
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pdaltagent/pdaltagent/delivery/sandbox"
	"github.com/pdaltagent/pdaltagent/ingest/httpevent"
)

// TestAReceiverThatCannotBeTrustedHoldsItsOwnWebhooks: its destination pauses,
// which is said once with what to do, and shown; another goes on; and when
// delivery.ca_file vouches for it all of them come, none having died.
func TestAReceiverThatCannotBeTrustedHoldsItsOwnWebhooks(t *testing.T) {
	plain := newHooked(t)
	var came atomic.Int64
	receiver := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err == nil {
			came.Add(1)
		}
	}))
	receiver.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	receiver.StartTLS()
	t.Cleanup(receiver.Close)
	other, err := httpevent.SelfSigned(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	certificate := func(der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	write(t, ca, certificate(other.Certificate[0]))
	file := settings(t, fmt.Sprintf(`pagerduty: { events_url: sandbox }
delivery: { ca_file: %s, backoff: { initial: 20ms, max: 200ms } }
webhooks: { url: "%s/T0K3N", every: 1s, destinations: [ { name: plain, url: "%s" } ] }`, ca, receiver.URL, plain.URL))
	var logs keep
	a, stop := beginWith(t, file, slog.New(slog.NewTextHandler(&logs, nil)))
	t.Cleanup(stop)
	time.Sleep(1500 * time.Millisecond) // the first poll says from when on
	for n := range 10 {
		play(t, a.stand, sandbox.LogEntry{Type: "trigger", Incident: fmt.Sprint("k", n)})
	}
	plain.until(t, 10, 20*time.Second)
	a.eventually(t, "true", `SELECT bool_or(last_error LIKE 'no TLS with 127.0.0.1:%ca_file of the webhooks'' destination default, or delivery.ca_file%')
		FROM deliveries WHERE route = 'webhook/default'`)
	a.eventually(t, "10", `SELECT count(*) FROM deliveries WHERE route = 'webhook/default' AND state IN ('held', 'queued')`)
	if metrics := a.metrics(t); !strings.Contains(metrics, `pdaltagent_route_paused{reason="certificate",route="webhook/default"} 1`) {
		t.Error("the pause is not shown")
	}
	if n := strings.Count(logs.String(), "no TLS with 127.0.0.1"); n != 1 || strings.Contains(logs.String(), "T0K3N") {
		t.Errorf("it is said %d times:\n%s", n, logs.String())
	}
	write(t, ca, certificate(other.Certificate[0])+certificate(receiver.Certificate().Raw))
	a.eventually(t, "10", `SELECT count(*) FROM deliveries WHERE route = 'webhook/default' AND state = 'delivered'`)
	if n := came.Load(); n != 10 {
		t.Errorf("%d came, want 10", n)
	}
}
