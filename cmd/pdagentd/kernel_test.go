package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// full is a socket whose receive buffer is as it says.
type full struct {
	dropped uint64
	granted int
}

func (f *full) Drops() (uint64, error) { return f.dropped, nil }
func (f *full) ReceiveBuffer() int     { return f.granted }
func (f *full) AskedBuffer() int       { return 32 << 20 }

// TestDropsAreToldWithTheirMend, once a minute and listener, with what was
// dropped since.
func TestDropsAreToldWithTheirMend(t *testing.T) {
	var log bytes.Buffer
	s := &full{granted: 425_984}
	o := overflow{listener: "udp://:9162", socket: s, logger: slog.New(slog.NewTextHandler(&log, nil))}
	said := func(want ...string) {
		t.Helper()
		if len(want) == 0 && log.Len() > 0 {
			t.Errorf("it says %s", log.String())
		}
		for _, words := range want {
			if !strings.Contains(log.String(), words) || strings.Count(log.String(), "\n") != 1 {
				t.Errorf("it says %s, want %s", log.String(), words)
			}
		}
		log.Reset()
	}
	const mend = "net.core.rmem_max=33554432"
	o.begin()
	said("level=WARN", "udp://:9162", "bytes=212992", mend)
	at := time.Now()
	o.look(at)
	said()
	s.dropped = 7
	o.look(at.Add(10 * time.Second))
	said("udp://:9162", "dropped=7 ", mend)
	s.dropped = 20
	o.look(at.Add(20 * time.Second))
	said()
	o.look(at.Add(70 * time.Second))
	said("dropped=13 dropped_in_all=20")
	o.look(at.Add(200 * time.Second))
	said()

	s.granted = 64 << 20
	o.begin()
	said()
	s.dropped = 30
	o.look(at.Add(300 * time.Second))
	said("large enough")
}
