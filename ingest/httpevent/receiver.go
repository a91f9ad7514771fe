// Package httpevent receives the events that programs post over HTTP: on
// PagerDuty's own paths (Events API v2 and v1, change events, x-ere,
// integrations, Nagios) and under /hooks. What comes in is a request; what goes
// out is one ingest.Message with its ingest.Request.
//
// It promises that a sender hears of success only after its event is durable;
// that bad input is answered as PagerDuty answers it, with every fault named,
// and nothing is refused that PagerDuty takes; that each request to a sender's
// path has exactly one outcome, which is counted; and that no integration key
// and no token gets into a log, an error or an answer.
package httpevent

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// The time that a peer has. A request that is answered at last must fit into
// writeWithin: its body (readWithin), its commit (commitWithin), its answer.
const (
	readHeaderWithin = 10 * time.Second
	readWithin       = 30 * time.Second
	commitWithin     = 20 * time.Second
	writeWithin      = 60 * time.Second
	idleWithin       = 2 * time.Minute
	drainWithin      = commitWithin + 5*time.Second

	maxHeaderBytes = 64 << 10
)

// Receiver takes events over HTTP from the addresses that it is bound to.
type Receiver struct {
	handler  ingest.Handler
	tally    *ingest.Tally
	ready    func() error
	log      *slog.Logger
	refusals refusals // of requests
	crowded  refusals // of connections

	allow   ingest.AllowList
	token   ingest.Secret
	maxBody int64
	bodies  sync.Pool           // *body
	gzips   sync.Pool           // *gzip.Reader
	large   *semaphore.Weighted // of large bodies, until their requests are answered

	server      *http.Server
	connections *connections
	listeners   []listener
}

type listener struct {
	net.Listener
	tls bool
}

// New binds every address of cfg, and fails when one cannot be bound.
// certificate is asked at each TLS handshake; it may be nil when cfg has no
// https listener. ready says why events could not be made durable now, for
// /readyz. A Receiver that is not Run must be closed.
func New(
	ctx context.Context, cfg Config, certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error),
	handler ingest.Handler, tally *ingest.Tally, ready func() error, log *slog.Logger,
) (*Receiver, error) {
	r := &Receiver{
		handler: handler,
		tally:   tally,
		ready:   ready,
		log:     log,
		allow:   cfg.Allow,
		token:   cfg.Token,
		maxBody: cfg.maxBodyBytes(),
		large:   semaphore.NewWeighted(maxLarge),
	}
	r.connections = &connections{max: cfg.maxConnections(), open: map[*connection]struct{}{}, refused: r.refuseConnections}
	r.server = newServer(r.routes(), certificate, log)
	r.server.ConnState = r.connections.changed
	r.server.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		return context.WithValue(ctx, connectionKey{}, counted(conn))
	}
	for _, listen := range cfg.Listen {
		l, err := bind(ctx, listen)
		if err == nil && l.tls && certificate == nil {
			err = errors.Join(fmt.Errorf("listen on %s: no certificate", listen), l.Close())
		}
		if err != nil {
			return nil, errors.Join(err, r.Close())
		}
		r.listeners = append(r.listeners, l)
	}
	return r, nil
}

func newServer(h http.Handler, certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error), logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: readHeaderWithin,
		ReadTimeout:       readWithin,
		WriteTimeout:      writeWithin,
		IdleTimeout:       idleWithin,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          log.New(serverLog{logger}, "", 0),
		TLSConfig: &tls.Config{
			MinVersion:     tls.VersionTLS12,
			GetCertificate: certificate,
			// Named here, or net/http leaves HTTP/2 out when an http
			// listener happens to be served before an https one.
			NextProtos: []string{"h2", "http/1.1"},
		},
	}
}

func bind(ctx context.Context, listen string) (listener, error) {
	a, err := parseListen(listen)
	if err != nil {
		return listener{}, err
	}
	var conf net.ListenConfig
	l, err := conf.Listen(ctx, a.network, a.host)
	if err != nil {
		if op, ok := errors.AsType[*net.OpError](err); ok {
			err = op.Err
		}
		return listener{}, fmt.Errorf("listen on %s: %w%s", listen, err, mend(err))
	}
	return listener{l, a.tls}, nil
}

func mend(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return ": another program (a second pdagentd?) holds it: stop that one, or change ingest.http.listen"
	case errors.Is(err, os.ErrPermission):
		return ": ports below 1024 need CAP_NET_BIND_SERVICE: grant it, or listen on a higher port"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return ": this machine has no such address"
	}
	return ""
}

// connectionKey is the key of a request's connection in its context.
type connectionKey struct{}

// handedOn notes that the connection of a request has done its part.
func handedOn(ctx context.Context) {
	if c, _ := ctx.Value(connectionKey{}).(*connection); c != nil {
		c.enter(busy)
	}
}

// ServeHTTP answers a request that did not come over a socket: that of a test.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	r.server.Handler.ServeHTTP(w, q)
}

// Addrs are the addresses that are bound, in the order of Config.Listen.
func (r *Receiver) Addrs() []net.Addr {
	addrs := make([]net.Addr, 0, len(r.listeners))
	for _, l := range r.listeners {
		addrs = append(addrs, l.Addr())
	}
	return addrs
}

// Close gives the addresses of a Receiver free that is not Run.
func (r *Receiver) Close() error {
	var errs []error
	for _, l := range r.listeners {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}

// Run answers requests until ctx ends. Requests that are in flight then are
// answered before it returns nil, unless they take longer than drainWithin.
func (r *Receiver) Run(ctx context.Context) error {
	group, serving := errgroup.WithContext(ctx)
	for _, l := range r.listeners {
		group.Go(func() error { return r.serveOn(l) })
	}
	group.Go(func() error {
		<-serving.Done()
		return r.drain(ctx)
	})
	return group.Wait()
}

func (r *Receiver) serveOn(l listener) error {
	serve := r.server.Serve
	if l.tls {
		serve = func(l net.Listener) error { return r.server.ServeTLS(l, "", "") }
	}
	if err := serve(limited{l.Listener, r.connections}); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	}
	return nil
}

func (r *Receiver) drain(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainWithin)
	defer cancel()
	if err := r.server.Shutdown(ctx); err != nil {
		r.log.Warn("requests cut off at shutdown", "error", err)
		return r.server.Close()
	}
	return nil
}

// serverLog takes what net/http logs. Handshakes that fail are port scanners
// and senders that do not trust the certificate: those know it themselves.
type serverLog struct{ log *slog.Logger }

func (l serverLog) Write(line []byte) (int, error) {
	level := slog.LevelWarn
	if bytes.HasPrefix(line, []byte("http: TLS handshake error")) {
		level = slog.LevelDebug
	}
	l.log.Log(context.Background(), level, "http server", "message", string(bytes.TrimSpace(line)))
	return len(line), nil
}

var _ io.Writer = serverLog{}
