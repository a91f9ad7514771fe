//go:build linux

package ingest

import (
	"testing"
	"time"
)

// BenchmarkUDP sends datagrams of 200 bytes, some at a time, and reads them.
// ns/op includes the sender, "ns/datagram" is the receiver's alone, up to the
// return of what has been handled.
func BenchmarkUDP(b *testing.B) {
	const some = 2048
	u := listen(b, "127.0.0.1:0")
	conn := dial(b, u, "127.0.0.1")
	r, waiting := newReader(), newBacklog()
	datagram := make([]byte, 200)
	var reading time.Duration
	read := 0
	b.ReportAllocs()
	for read < b.N {
		for range some {
			_, _ = conn.Write(datagram)
		}
		begin := time.Now()
		for n := 0; n < some; {
			if err := u.socket.use(func(fd int) error { return u.socket.read(r, fd) }); err != nil {
				b.Fatal(err)
			}
			waiting.put(r.batch())
			a := waiting.take()
			n += len(a.datagrams)
			waiting.release(a)
		}
		reading += time.Since(begin)
		read += some
	}
	b.ReportMetric(float64(reading.Nanoseconds())/float64(read), "ns/datagram")
}
