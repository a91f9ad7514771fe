package snmptrap

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// forgedASecond is a flood that must not slow good traps by more than half.
const forgedASecond = 10_000

// forger returns traps of a user that exists, each from an engine that was
// never heard.
func forger(tb testing.TB) func() []byte {
	tb.Helper()
	e := trapOf(ops())
	e.user.AuthPassphrase = "forged passphrase"
	b := e.bytes(tb)
	at := bytes.Index(b, []byte(theirs)) + len(theirs) - 4
	n := uint32(0)
	return func() []byte {
		n++
		binary.BigEndian.PutUint32(b[at:], n)
		return b
	}
}

// good returns traps of one user and engine, each only once.
func good(tb testing.TB, n int) [][]byte {
	tb.Helper()
	e := trapOf(ops())
	traps := make([][]byte, n)
	for i := range traps {
		e.requestID = uint32(i)
		traps[i] = e.bytes(tb)
	}
	return traps
}

// TestForgedEnginesLeaveTimeForGoodTraps sends a tenth of a second's flood,
// and takes the best of ten, since machines that test are slow.
func TestForgedEnginesLeaveTimeForGoodTraps(t *testing.T) {
	l := offline(t, withUsers(ops()), quiet())
	l.outcome(good(t, 1)[0])
	forge := forger(t)
	least := time.Hour
	for range 10 {
		begin := time.Now()
		for range forgedASecond / 10 {
			l.decode([]ingest.Datagram{datagram(forge())})
		}
		least = min(least, time.Since(begin))
	}
	if perSecond := 10 * least; perSecond > time.Second/2 {
		t.Errorf("%d forged traps take %v", forgedASecond, perSecond)
	}
}

// BenchmarkGoodTraps decodes good v3 traps: alone, and while 10,000 a second
// come from forged engines, once with the limit for engines that were not
// heard before, once without.
func BenchmarkGoodTraps(b *testing.B) {
	f := func(name string, rate float64, limit int) {
		b.Run(name, func(b *testing.B) {
			l := offline(b, withUsers(ops()), quiet())
			l.security.unseen = newLimiter(uint16(limit), limit)
			traps, forge := good(b, 512), forger(b)
			work := make([]byte, 2048)
			forged := 0
			b.ResetTimer()
			cpu(b)
			begin := time.Now()
			for i := 0; i < b.N; i++ {
				if i%len(traps) == 0 {
					l.security.replays = newReplays(begin)
				}
				l.decode([]ingest.Datagram{datagram(work[:copy(work, traps[i%len(traps)])])})
				if len(l.messages) != 1 {
					b.Fatal(l.outcomes)
				}
				for ; float64(forged) < rate*time.Since(begin).Seconds(); forged++ {
					l.decode([]ingest.Datagram{datagram(forge())})
				}
			}
			b.ReportMetric(float64(forged)/time.Since(begin).Seconds(), "forged/s")
		})
	}
	f("alone", 0, unseenPerSource)
	f("flooded", forgedASecond, unseenPerSource)
	f("flooded, no limit", forgedASecond, 1<<16-1)
}

// BenchmarkSecured tells what a good v3 trap costs.
func BenchmarkSecured(b *testing.B) {
	f := func(u User) {
		e := trapOf(u)
		b.Run(u.Name, func(b *testing.B) {
			l := offline(b, withUsers(u), quiet())
			traps := make([][]byte, 512)
			for i := range traps {
				e.requestID = uint32(i)
				traps[i] = e.bytes(b)
			}
			work := make([]byte, 2048)
			b.ReportAllocs()
			b.ResetTimer()
			cpu(b)
			for i := 0; i < b.N; i++ {
				if i%len(traps) == 0 && l.security != nil {
					l.security.replays = newReplays(time.Now())
				}
				d := datagram(work[:copy(work, traps[i%len(traps)])])
				if l.decode([]ingest.Datagram{d}); len(l.messages) != 1 {
					b.Fatal(l.outcomes)
				}
			}
		})
	}
	f(guest())
	noPriv := ops()
	noPriv.Name, noPriv.Priv, noPriv.PrivPassphrase = "SHA256", "", ""
	f(noPriv)
	all := ops()
	all.Name = "SHA256-AES128"
	f(all)
	des := User{Name: "MD5-DES", Auth: "MD5", AuthPassphrase: "authenticate", Priv: "DES", PrivPassphrase: "encrypt-it"}
	f(des)
}
