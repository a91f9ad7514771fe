// Package snmptrap receives SNMP notifications over UDP: v1, v2c and v3 traps,
// and v2c and v3 INFORMs. What comes in is a datagram; what goes out is an
// ingest.Message with a Trap in SNMPv2's form, whatever version it was sent in.
//
// It promises that every datagram ends in exactly one counted outcome, that
// no datagram can crash the program, that a refused one costs little, that an
// INFORM is answered only when the Handler says that it is durable, and that a
// v3 message is taken only if its user, its authenticity and its time are what
// RFC 3414 asks, and only once.
package snmptrap

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"time"

	"github.com/gosnmp/gosnmp"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// grace is how long after the end of Run's context what was received before
// is still handed on, and INFORMs are still answered.
const grace = 5 * time.Second

// Receiver receives traps on one or more sockets.
type Receiver struct {
	sockets    []*ingest.UDP
	handler    ingest.Handler
	tally      *ingest.Tally
	plain      *gosnmp.GoSNMP // decodes v3 messages that are not secured
	admit      admission
	security   *security // nil: v3 is not taken
	quarantine *ingest.Quarantine
	refused    *complaints
	panics     *complaints
	log        *slog.Logger
	informs    *semaphore.Weighted // held by batches whose INFORMs are not answered yet
}

// New binds every address of conf, whose passphrases are resolved. What is
// received is handed to handler, in batches, from one goroutine for each
// address.
func New(ctx context.Context, conf Config, handler ingest.Handler, tally *ingest.Tally, log *slog.Logger) (*Receiver, error) {
	r, err := newReceiver(conf, log)
	if err != nil {
		return nil, err
	}
	r.handler, r.tally = handler, tally
	for _, address := range conf.Listen {
		socket, err := ingest.ListenUDP(ctx, address)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("snmp: %w", err), r.Close())
		}
		r.sockets = append(r.sockets, socket)
		log.Info("listening for traps", "address", socket.Addr(), "receive_buffer_bytes", socket.ReceiveBuffer())
	}
	if s := r.security; s != nil {
		log.Info("SNMPv3 is taken", "users", len(conf.Users), "engine_id", hex.EncodeToString([]byte(s.own.id)), "engine_boots", s.own.boots)
	}
	return r, nil
}

// newReceiver returns a Receiver without sockets.
func newReceiver(conf Config, log *slog.Logger) (*Receiver, error) {
	if err := conf.resolved().Validate(); err != nil {
		return nil, err
	}
	security, err := newSecurity(conf)
	if err != nil {
		return nil, err
	}
	return &Receiver{
		plain:      &gosnmp.GoSNMP{Version: gosnmp.Version3},
		admit:      admission{communities: conf.Communities, allow: conf.Allow},
		security:   security,
		quarantine: conf.Quarantine,
		refused:    &complaints{log: log},
		panics:     &complaints{log: log},
		log:        log,
		informs:    semaphore.NewWeighted(math.MaxInt64),
	}, nil
}

// Decode returns the message that a Receiver of conf would make of d, without
// binding, counting, logging or keeping anything. The error says what d would
// count as, and why. v3 INFORMs do not decode: they are for one start of one
// engine.
func Decode(conf Config, d ingest.Datagram) (ingest.Message, error) {
	conf.StateDir, conf.Quarantine = "", nil
	r, err := newReceiver(conf, slog.New(slog.DiscardHandler))
	if err != nil {
		return ingest.Message{}, err
	}
	l := newListener(r, nil)
	d.Data = bytes.Clone(d.Data)
	if refused := l.decodeOne(&d); refused.outcome != accepted {
		return ingest.Message{}, fmt.Errorf("%s: %s", refused.outcome, refused.reason)
	}
	return l.messages[0], nil
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
// then is handed on and the INFORMs among it are answered, for which it waits
// up to five seconds, and closes the sockets.
func (r *Receiver) Run(ctx context.Context) error {
	lasting := outliving(ctx)
	group, running := errgroup.WithContext(ctx)
	for _, socket := range r.sockets {
		l := newListener(r, socket)
		group.Go(func() error {
			return socket.Run(running, func(ds []ingest.Datagram) { l.handle(lasting, ds) })
		})
	}
	err := group.Wait()
	waiting, stop := context.WithTimeout(lasting, grace)
	defer stop()
	if r.informs.Acquire(waiting, math.MaxInt64) != nil {
		r.log.Warn("stopped before all informs were durable: their senders will repeat them")
	}
	return errors.Join(err, r.Close())
}

// outliving returns a context that ends a while after ctx.
func outliving(ctx context.Context) context.Context {
	lasting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	return lasting
}
