package httpevent

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pdaltagent/pdaltagent/ingest"
)

const typical = `{"payload":{"summary":"DISK at 99% on machine prod-datapipe03.example.com","timestamp":"2015-07-17T08:42:58.315+0000",
"severity":"critical","source":"prod-datapipe03.example.com","component":"mysql","group":"prod-datapipe","class":"disk",
"custom_details":{"free space":"1%","ping time":"1500ms","load avg":0.75}},"routing_key":"` + goodKey + `",
"dedup_key":"srv01/mysql","event_action":"trigger","client":"Sample Monitoring Service","client_url":"https://monitoring.service.com"}`

func atOnce(_ context.Context, _ []ingest.Message, done func(ingest.Receipt)) {
	done(ingest.Receipt{Events: 1, DedupKey: "srv01/mysql"})
}

func benchReceiver(b *testing.B) *Receiver {
	b.Helper()
	r, err := New(b.Context(), Config{Listen: []string{"http://127.0.0.1:0"}}, nil, ingest.HandlerFunc(atOnce),
		ingest.NewTally(prometheus.NewRegistry()), nil, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	return r
}

// discard is a ResponseWriter without the cost of net/http's.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

// BenchmarkRequest is our own part of a request: routing, reading, decoding,
// checking, handing on and answering.
func BenchmarkRequest(b *testing.B) {
	r := benchReceiver(b)
	defer func() { _ = r.Close() }()
	body := strings.NewReader(typical)
	q := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/v2/enqueue", io.NopCloser(body))
	q.Header = http.Header{"Content-Type": {"application/json"}, "User-Agent": {"go-pagerduty/1.8.0"}, "Accept-Encoding": {"gzip"}}
	w := discard{http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		body.Reset(typical)
		r.server.Handler.ServeHTTP(w, q)
	}
}

func BenchmarkDecodeJSON(b *testing.B) {
	raw := []byte(typical)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decodeJSON("", raw); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLoopback is whole requests over 64 keep-alive connections, client
// included.
func BenchmarkLoopback(b *testing.B) {
	r := benchReceiver(b)
	ctx, stop := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	}()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	defer client.CloseIdleConnections()
	url := "http://" + r.Addrs()[0].String() + "/v2/enqueue"
	b.SetParallelism(32)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			q, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(typical))
			if err != nil {
				b.Error(err)
				return
			}
			resp, err := client.Do(q)
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
	})
}
