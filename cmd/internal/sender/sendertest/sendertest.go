// Package sendertest has what the tests of pdagentd's senders share: the
// receiver of HTTP events as pdagentd runs it, behind its own certificate, and
// what a program printed.
package sendertest

import (
	"context"
	"crypto/tls"
	"log/slog"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pdaltagent/pdaltagent/cmd/internal/sender"
	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/ingest/httpevent"
)

// Key is an integration key.
const Key = "e93facc04764012d7bfb002500d5d1a6"

// Receiver takes every event.
type Receiver struct {
	URL string
	got chan ingest.Message
}

// Listen runs a receiver until the test ends.
func Listen(t *testing.T) *Receiver {
	t.Helper()
	cert, err := httpevent.SelfSigned(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan ingest.Message, 100)
	handler := ingest.HandlerFunc(func(_ context.Context, ms []ingest.Message, done func(ingest.Receipt)) {
		for _, m := range ms {
			got <- m
			body, _ := m.Request.Body.(map[string]any)
			key, given := body["incident_key"].(string)
			if !given {
				key = "made-up"
			}
			done(ingest.Receipt{Events: 1, DedupKey: key})
		}
	})
	r, err := httpevent.New(t.Context(), httpevent.Config{Listen: []string{"https://127.0.0.1:0"}},
		func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &cert, nil },
		handler, ingest.NewTally(prometheus.NewRegistry()), nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return &Receiver{URL: "https://" + r.Addrs()[0].String(), got: got}
}

// Next returns the key, path and body of the next request that was taken.
func (r *Receiver) Next(t *testing.T) (key, path string, body any) {
	t.Helper()
	select {
	case m := <-r.got:
		return m.Request.Key.Reveal(), m.Request.Path, m.Request.Body
	default:
		t.Fatal("nothing was received")
		return "", "", nil
	}
}

// Outcome is what one run of a program did.
type Outcome struct {
	Exit           int
	Stdout, Stderr string
}

// Run runs a program that sends to url.
func Run(p *sender.Program, url, stdin string, args ...string) Outcome {
	var stdout, stderr strings.Builder
	env := map[string]string{"PDSEND_EVENTS_BASE_URL": url}
	exit := p.Run(args, func(name string) string { return env[name] }, strings.NewReader(stdin), &stdout, &stderr)
	return Outcome{exit, stdout.String(), stderr.String()}
}
