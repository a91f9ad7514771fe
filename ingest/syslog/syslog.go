// Package syslog receives syslog over UDP, TCP and TLS. What comes in is a
// datagram or a connection; what goes out is an ingest.Message with a Line:
// RFC 3164, RFC 5424, and what network gear really sends.
//
// It promises that every datagram and every message of a connection ends in
// exactly one counted outcome, and that every line that says anything is
// handed on: what cannot be parsed is text, never an error. A connection is
// read only as fast as what it brings is taken, so that nothing is lost that
// TCP has delivered.
package syslog

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// grace is how long after the end of Run's context what was received before
// is still handed on.
const grace = 5 * time.Second

// Receiver receives syslog on one or more addresses.
type Receiver struct {
	listeners []listener
	conf      Config // with defaults
	handler   ingest.Handler
	tally     *ingest.Tally
	parser    *Parser
	buffers   *buffers
	log       *slog.Logger

	connections atomic.Int64
	truncated   atomic.Uint64
	complaints  sync.Map // when it may be said again (*atomic.Int64, Unix nanoseconds), by what is said
}

// listener is one bound address.
type listener interface {
	Addr() netip.AddrPort
	// run receives until ctx ends. What it has received by then it hands on
	// under lasting.
	run(ctx, lasting context.Context) error
	Close() error
}

// New binds every address of conf. What is received is handed to handler, in
// batches: from one goroutine for each UDP address, and one for each
// connection.
func New(ctx context.Context, conf Config, handler ingest.Handler, tally *ingest.Tally, log *slog.Logger) (*Receiver, error) {
	if err := conf.Validate(); err != nil {
		return nil, err
	}
	location, err := conf.location()
	if err != nil {
		return nil, err
	}
	r := &Receiver{
		conf:    conf.withDefaults(),
		handler: handler,
		tally:   tally,
		parser:  NewParser(location),
		buffers: newBuffers(),
		log:     log,
	}
	for _, text := range conf.Listen {
		if err := r.bind(ctx, text); err != nil {
			return nil, errors.Join(fmt.Errorf("syslog: %w", err), r.Close())
		}
	}
	return r, nil
}

func (r *Receiver) bind(ctx context.Context, text string) error {
	e, err := parseEndpoint(text, r.conf.format())
	if err != nil {
		return err
	}
	bind := r.bindStream
	if e.transport == overUDP {
		bind = r.bindUDP
	}
	l, err := bind(ctx, e)
	if err != nil {
		return err
	}
	r.listeners = append(r.listeners, l)
	return nil
}

// udpListener receives datagrams.
type udpListener struct {
	*ingest.UDP
	batch *batch
}

func (r *Receiver) bindUDP(ctx context.Context, e endpoint) (listener, error) {
	socket, err := ingest.ListenUDP(ctx, e.address)
	if err != nil {
		return nil, err
	}
	r.log.Info("listening for syslog", "transport", string(e.transport), "address", socket.Addr(), "format", string(e.format),
		"receive_buffer_bytes", socket.ReceiveBuffer())
	return &udpListener{UDP: socket, batch: r.newBatch(e.format)}, nil
}

func (l *udpListener) run(ctx, lasting context.Context) error {
	return l.Run(ctx, func(ds []ingest.Datagram) { l.batch.datagrams(lasting, ds) })
}

// Addrs returns the addresses that are bound, in the order of Config.Listen.
func (r *Receiver) Addrs() []netip.AddrPort {
	addrs := make([]netip.AddrPort, len(r.listeners))
	for i, l := range r.listeners {
		addrs[i] = l.Addr()
	}
	return addrs
}

// Sockets returns the UDP sockets by the address that each is bound to, so
// that their drops can be collected.
func (r *Receiver) Sockets() map[string]*ingest.UDP {
	sockets := map[string]*ingest.UDP{}
	for _, l := range r.listeners {
		if u, ok := l.(*udpListener); ok {
			sockets[u.Addr().String()] = u.UDP
		}
	}
	return sockets
}

// Certificate returns what its tls listeners show, as tls.Config has it; nil
// where there is no such listener.
func (r *Receiver) Certificate() func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	for _, l := range r.listeners {
		if s, ok := l.(*streamListener); ok && s.tls != nil {
			return s.tls.GetCertificate
		}
	}
	return nil
}

// Connections is how many TCP and TLS connections are open, those included
// whose handshake is not done.
func (r *Receiver) Connections() int { return int(r.connections.Load()) }

// Truncated is how many lines are handed on without their end: they were longer
// than Config.MaxMessageBytes, or their connection ended in the middle of them.
// They have another outcome besides.
func (r *Receiver) Truncated() uint64 { return r.truncated.Load() }

// Close closes the listeners of a Receiver that is not run. Run closes them
// itself.
func (r *Receiver) Close() error {
	var errs []error
	for _, l := range r.listeners {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}

// Run receives until ctx ends. It returns when all that was received before
// then is handed on, for which the handler has five seconds, and closes the
// listeners and their connections.
func (r *Receiver) Run(ctx context.Context) error {
	lasting, stop := outliving(ctx)
	defer stop()
	group, running := errgroup.WithContext(ctx)
	for _, l := range r.listeners {
		group.Go(func() error { return l.run(running, lasting) })
	}
	return errors.Join(group.Wait(), r.Close())
}

// outliving returns a context that ends a while after ctx, or with stop.
func outliving(ctx context.Context) (lasting context.Context, stop context.CancelFunc) {
	lasting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	forget := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(grace, cancel)
		context.AfterFunc(lasting, func() { timer.Stop() })
	})
	return lasting, func() {
		forget()
		cancel()
	}
}
