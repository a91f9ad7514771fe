package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/pdaltagent/pdaltagent/ingest/httpevent"
)

// pager is a PagerDuty that can be made to fail.
type pager struct {
	t       *testing.T
	server  *http.Server
	address string
	ca      string // a file with its certificate
	good    *tls.Certificate
	bad     *tls.Certificate

	mu     sync.Mutex
	socket net.Listener
	conns  map[net.Conn]bool
	fault  string
	over   chan struct{} // closed when the fault is over
	struck int           // requests that the fault met
	taken  map[string][]take
}

// take is an event that PagerDuty took: the nth of its alert.
type take struct {
	n        int
	answered bool
}

func newPager(t *testing.T) *pager {
	t.Helper()
	p := &pager{t: t, ca: filepath.Join(t.TempDir(), "ca.pem"), conns: map[net.Conn]bool{}, taken: map[string][]take{}}
	for _, certificate := range []**tls.Certificate{&p.good, &p.bad} {
		c, err := httpevent.SelfSigned(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		*certificate = &c
	}
	write(t, p.ca, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.good.Certificate[0]})))
	p.server = &http.Server{
		Handler: p, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
		ConnState: func(c net.Conn, state http.ConnState) {
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.conns[c] = true; state == http.StateClosed || state == http.StateHijacked {
				delete(p.conns, c)
			}
		},
	}
	p.address = "127.0.0.1:0"
	p.listen()
	t.Cleanup(func() { _ = p.server.Close() })
	return p
}

func (p *pager) listen() {
	p.t.Helper()
	var (
		conf net.ListenConfig
		l    net.Listener
		err  error
	)
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if l, err = conf.Listen(context.Background(), "tcp", p.address); err == nil {
			break
		}
	}
	if err != nil {
		p.t.Fatal(err)
	}
	p.address, p.socket = l.Addr().String(), l
	show := &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.fault == cannotBeTrue {
			p.struck++
			return p.bad, nil
		}
		return p.good, nil
	}}
	go func() { _ = p.server.Serve(tls.NewListener(l, show)) }() // until it is closed
}

// begin has it fail.
func (p *pager) begin(fault string) {
	p.mu.Lock()
	p.fault, p.over, p.struck = fault, make(chan struct{}), 0
	p.mu.Unlock()
	switch fault {
	case refuses:
		_ = p.socket.Close() // only once
		p.cut()
	case cannotBeTrue:
		p.cut()
	}
}

// end has it be well again.
func (p *pager) end() {
	p.mu.Lock()
	fault := p.fault
	if p.fault = ""; fault != "" {
		close(p.over)
	}
	p.mu.Unlock()
	switch fault {
	case refuses:
		p.listen()
	case cannotBeTrue:
		p.cut()
	}
}

// cut cuts all connections.
func (p *pager) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close() // it may be closed
	}
}

// ServeHTTP takes an event, unless it fails.
func (p *pager) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var e struct {
		DedupKey string `json:"dedup_key"`
		Payload  struct {
			Summary string `json:"summary"`
		} `json:"payload"`
	}
	if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
		p.t.Error(err)
	}
	p.mu.Lock()
	fault, over := p.fault, p.over
	if fault != "" {
		p.struck++
	}
	p.mu.Unlock()
	switch fault {
	case busiesFor:
		w.Header().Set("Retry-After", "1")
		fallthrough
	case busies:
		w.WriteHeader(http.StatusTooManyRequests)
		return
	case breaks, rejects:
		status, _ := strconv.Atoi(fault)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"status":"no"}`) // the client may be gone
		return
	}
	done := p.take(e.DedupKey, e.Payload.Summary)
	switch fault {
	case resets:
		if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
			_ = c.(*tls.Conn).NetConn().(*net.TCPConn).SetLinger(0) // a RST
			_ = c.Close()
		}
		return
	case hangs:
		select {
		case <-over:
		case <-r.Context().Done():
		}
		panic(http.ErrAbortHandler)
	case slow:
		time.Sleep(300 * time.Millisecond)
	}
	w.WriteHeader(http.StatusAccepted)
	if http.NewResponseController(w).Flush() == nil && r.Context().Err() == nil {
		done()
	}
}

// take remembers an event, and with done that it was answered.
func (p *pager) take(alert, number string) (done func()) {
	n, err := strconv.Atoi(number)
	if err != nil {
		p.t.Error(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	i := len(p.taken[alert])
	p.taken[alert] = append(p.taken[alert], take{n: n})
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.taken[alert][i].answered = true
	}
}

func (p *pager) met() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.struck
}

// check holds what was taken of an alert against the numbers that it must have
// got; inFlight are those that nobody knew whether they had arrived.
func (p *pager) check(t *testing.T, alert string, want []int, inFlight map[string]bool) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	var got []int
	unanswered := map[int]bool{}
	for _, taken := range p.taken[alert] {
		last := 0
		if len(got) > 0 {
			last = got[len(got)-1]
		}
		switch {
		case taken.n < last:
			t.Errorf("%s: %d came after %d", alert, taken.n, last)
		case taken.n > last:
			got = append(got, taken.n)
		case !unanswered[taken.n] && !inFlight[fmt.Sprint(alert, "#", taken.n)]:
			t.Errorf("%s: %d came twice, and was not in flight", alert, taken.n)
		}
		if !taken.answered {
			unanswered[taken.n] = true
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: %v arrived, want %v", alert, got, want)
	}
}
