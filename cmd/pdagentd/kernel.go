package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// drops collects what the kernel dropped, listener by listener, and warns of
// it.
type drops []map[string]*ingest.UDP

func dropsDesc() *prometheus.Desc {
	return prometheus.NewDesc("pdaltagent_kernel_drops_total",
		"Datagrams that the kernel dropped because a socket's receive buffer was full.", []string{"listener"}, nil)
}

// Describe is prometheus.Collector's.
func (drops) Describe(ch chan<- *prometheus.Desc) { ch <- dropsDesc() }

// Collect is prometheus.Collector's.
func (d drops) Collect(ch chan<- prometheus.Metric) {
	for _, sockets := range d {
		for listener, socket := range sockets {
			if n, err := socket.Drops(); err == nil {
				ch <- prometheus.MustNewConstMetric(dropsDesc(), prometheus.CounterValue, float64(n), listener)
			}
		}
	}
}

// How often drops are looked for, and how often a listener's are told of.
const (
	lookForDrops = 10 * time.Second
	tellOfDrops  = time.Minute
)

// socket is what is asked of an *ingest.UDP.
type socket interface {
	Drops() (uint64, error)
	ReceiveBuffer() int
	AskedBuffer() int
}

// Warn logs which listeners have got a small receive buffer, and from then on
// what the kernel drops, until ctx ends.
func (d drops) Warn(ctx context.Context, logger *slog.Logger) error {
	var all []*overflow
	for _, sockets := range d {
		for listener, s := range sockets {
			all = append(all, &overflow{listener: listener, socket: s, logger: logger})
		}
	}
	for _, o := range all {
		o.begin()
	}
	tick := time.NewTicker(lookForDrops)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			for _, o := range all {
				o.look(now)
			}
		}
	}
}

// overflow watches one socket.
type overflow struct {
	listener string
	socket   socket
	logger   *slog.Logger

	told   uint64    // drops that were told of
	toldAt time.Time // zero: never
}

// begin warns where the kernel has granted less than was asked for. What it
// grants is accounted double (socket(7)).
func (o *overflow) begin() {
	if o.small() {
		o.logger.Warn("the receive buffer is smaller than asked for, so that a burst may be lost: "+o.mend(),
			"listener", o.listener, "bytes", o.socket.ReceiveBuffer()/2, "asked", o.socket.AskedBuffer())
	}
}

func (o *overflow) small() bool { return o.socket.ReceiveBuffer() < o.socket.AskedBuffer() }

// look warns of what was dropped since it last did, once in a while.
func (o *overflow) look(now time.Time) {
	dropped, err := o.socket.Drops()
	if err != nil || dropped <= o.told || now.Sub(o.toldAt) < tellOfDrops {
		return
	}
	o.logger.Warn("the kernel has dropped datagrams, because the receive buffer was full: "+o.mend(),
		"listener", o.listener, "dropped", dropped-o.told, "dropped_in_all", dropped)
	o.told, o.toldAt = dropped, now
}

// mend says what helps against drops.
func (o *overflow) mend() string {
	if o.small() {
		return fmt.Sprintf("set net.core.rmem_max with 'sysctl -w net.core.rmem_max=%d', and in /etc/sysctl.d to keep it, and restart pdagentd", o.socket.AskedBuffer())
	}
	return "net.core.rmem_max is large enough; more comes than this machine can take: give it more processors, or send less to it"
}
