package httpevent

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
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

// BenchmarkLoopback is whole requests over 64 keep-alive connections, by clients
// that do next to nothing: they write the bytes of a request, and read those of
// its answer.
func BenchmarkLoopback(b *testing.B) {
	r := benchReceiver(b)
	ctx, stop := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	request := []byte(fmt.Sprintf("POST /v2/enqueue HTTP/1.1\r\nHost: pd.example.net:8080\r\nUser-Agent: go-pagerduty/1.8.0\r\nContent-Length: %d\r\n"+
		"Content-Type: application/json\r\nAccept-Encoding: gzip\r\n\r\n%s", len(typical), typical))
	conns := make(chan net.Conn, 64)
	for range cap(conns) {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", r.Addrs()[0].String())
		if err != nil {
			b.Fatal(err)
		}
		conns <- conn
	}
	b.SetParallelism(64 / runtime.GOMAXPROCS(0))
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		conn := <-conns
		answer := make([]byte, 4096)
		for pb.Next() {
			if _, err := conn.Write(request); err != nil {
				b.Error(err)
				return
			}
			if n, err := conn.Read(answer); err != nil || !bytes.HasPrefix(answer[:n], []byte("HTTP/1.1 202")) {
				b.Errorf("%q, %v", answer[:n], err)
				return
			}
		}
		conns <- conn
	})
	b.StopTimer()
	stop()
	for range len(conns) {
		_ = (<-conns).Close()
	}
	if err := <-ended; err != nil {
		b.Error(err)
	}
}
