package snmptrap

import (
	"context"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gosnmp/gosnmp"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// linkDown6 is a v2c linkDown with 6 varbinds, as routers send it.
func linkDown6() []byte {
	integer := []byte{2, 2, 2, 5}
	return sent(gosnmp.SNMPv2Trap, upTime(), linkDownOID(),
		varbind("1.3.6.1.2.1.2.2.1.1.517", integer),
		varbind("1.3.6.1.2.1.2.2.1.2.517", tlv(4, []byte("GigabitEthernet0/17"))),
		varbind("1.3.6.1.2.1.2.2.1.3.517", []byte{2, 1, 6}),
		varbind("1.3.6.1.4.1.9.2.2.1.1.20.517", tlv(4, []byte("administratively down"))))
}

// cpu starts to measure the CPU time that b takes, which is what counts on a
// machine that others use too.
func cpu(b *testing.B) {
	b.Helper()
	begin := cpuTime(b)
	b.Cleanup(func() { b.ReportMetric(float64(cpuTime(b)-begin)/float64(b.N), "cpu-ns/op") })
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkDecode(b *testing.B) {
	f := func(name string, size int, d []byte, want int) {
		l := offline(b, Config{Communities: []ingest.Secret{"public"}}, quiet())
		batch := make([]ingest.Datagram, size)
		for i := range batch {
			batch[i] = datagram(d)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			cpu(b)
			for i := 0; i < b.N; i += size {
				l.decode(batch)
			}
			if len(l.messages) != want*size {
				b.Fatal(l.outcomes)
			}
		})
	}
	f("v2c", 64, linkDown6(), 1)
	f("v1", 64, sentV1("192.0.2.7", 6, 17, varbind("1.3.6.1.2.1.2.2.1.1.517", []byte{2, 1, 5})), 1)
	refused := linkDown6()
	refused[13] ^= 1
	f("another community", 64, refused, 0)
	f("malformed", 64, linkDown6()[:90], 0)
}

// BenchmarkFlood sends at a steady rate over loopback, for at most 2 s.
func BenchmarkFlood(b *testing.B) {
	const (
		rate  = 100_000 // a second
		burst = rate / 1000
		most  = 2 * rate
	)
	var handed atomic.Int64
	r := run(b, Config{}, quiet(), func(_ context.Context, ms []ingest.Message, _ func(ingest.Receipt)) {
		handed.Add(int64(len(ms)))
	})
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(r.Addrs()[0]))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	d := linkDown6()
	sent := 0
	begin := time.Now()
	for time.Since(begin) < 2*time.Second && sent < most {
		due := int(time.Since(begin).Milliseconds()+1) * burst
		for ; sent < due; sent++ {
			_, _ = conn.Write(d)
		}
		time.Sleep(time.Millisecond)
	}
	took := time.Since(begin)
	r.stop()
	b.ReportMetric(float64(sent)/took.Seconds(), "traps/s")
	b.ReportMetric(float64(sent-int(handed.Load())), "lost")
}
