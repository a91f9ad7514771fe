// Package syslog receives syslog over UDP. What comes in is a datagram; what
// goes out is an ingest.Message with a Line: RFC 3164, RFC 5424, and what
// network gear really sends.
//
// It promises that every datagram ends in exactly one counted outcome, and
// that every line that says anything is handed on: what cannot be parsed is
// text, never an error.
package syslog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// grace is how long after the end of Run's context what was received before
// is still handed on.
const grace = 5 * time.Second

// Receiver receives syslog on one or more sockets.
type Receiver struct {
	sockets   []*ingest.UDP
	handler   ingest.Handler
	tally     *ingest.Tally
	parser    *Parser
	allow     ingest.AllowList
	maxBytes  int
	truncated atomic.Uint64
	log       *slog.Logger
}

// New binds every address of conf. What is received is handed to handler, in
// batches, from one goroutine for each address.
func New(ctx context.Context, conf Config, handler ingest.Handler, tally *ingest.Tally, log *slog.Logger) (*Receiver, error) {
	if err := conf.Validate(); err != nil {
		return nil, err
	}
	location, err := conf.location()
	if err != nil {
		return nil, err
	}
	r := &Receiver{
		handler:  handler,
		tally:    tally,
		parser:   NewParser(location),
		allow:    conf.Allow,
		maxBytes: conf.maxMessageBytes(),
		log:      log,
	}
	for _, address := range conf.Listen {
		if err := r.bind(ctx, address); err != nil {
			return nil, errors.Join(fmt.Errorf("syslog: %w", err), r.Close())
		}
	}
	return r, nil
}

func (r *Receiver) bind(ctx context.Context, address string) error {
	bare, err := hostPort(address)
	if err != nil {
		return err
	}
	socket, err := ingest.ListenUDP(ctx, bare)
	if err != nil {
		return err
	}
	r.sockets = append(r.sockets, socket)
	r.log.Info("listening for syslog", "address", socket.Addr(), "receive_buffer_bytes", socket.ReceiveBuffer())
	return nil
}

// Addrs returns the addresses that are bound, in the order of Config.Listen.
func (r *Receiver) Addrs() []netip.AddrPort {
	addrs := make([]netip.AddrPort, len(r.sockets))
	for i, s := range r.sockets {
		addrs[i] = s.Addr()
	}
	return addrs
}

// Sockets returns the sockets by the address that each is bound to, so that
// their drops can be collected.
func (r *Receiver) Sockets() map[string]*ingest.UDP {
	sockets := make(map[string]*ingest.UDP, len(r.sockets))
	for _, s := range r.sockets {
		sockets[s.Addr().String()] = s
	}
	return sockets
}

// Truncated is how many lines were longer than Config.MaxMessageBytes. They are
// handed on, so that they have another outcome besides.
func (r *Receiver) Truncated() uint64 { return r.truncated.Load() }

// Close closes the sockets of a Receiver that is not run. Run closes them
// itself.
func (r *Receiver) Close() error {
	var errs []error
	for _, s := range r.sockets {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// Run receives until ctx ends. It returns when all that was received before
// then is handed on, for which the handler has five seconds, and closes the
// sockets.
func (r *Receiver) Run(ctx context.Context) error {
	lasting, stop := outliving(ctx)
	defer stop()
	group, running := errgroup.WithContext(ctx)
	for _, socket := range r.sockets {
		l := &listener{Receiver: r, parse: r.parser.Parse}
		group.Go(func() error {
			return socket.Run(running, func(ds []ingest.Datagram) { l.handle(lasting, ds) })
		})
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
