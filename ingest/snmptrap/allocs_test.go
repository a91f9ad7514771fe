//go:build gosnmp_nodebug && !race

package snmptrap

import (
	"testing"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// TestATrapCostsFewAllocations breaks when we stop using memory again.
func TestATrapCostsFewAllocations(t *testing.T) {
	const most = 4 // one for each value that is no small number
	l := offline(t, Config{Communities: []ingest.Secret{"public"}}, quiet())
	batch := []ingest.Datagram{datagram(linkDown6())}
	got := testing.AllocsPerRun(1000, func() { l.decode(batch) })
	if len(l.messages) != 1 || got > most {
		t.Errorf("%v allocations for a trap of 6 varbinds, want at most %v", got, most)
	}
}

// TestASecuredTrapCostsFewAllocations breaks when the codec is built with its
// debug logging, with which it takes twice as many.
func TestASecuredTrapCostsFewAllocations(t *testing.T) {
	const most = 60
	l := offline(t, withUsers(ops()), quiet())
	traps := good(t, 102)
	next := 0
	got := testing.AllocsPerRun(100, func() {
		l.decode([]ingest.Datagram{datagram(traps[next])})
		next++
	})
	if len(l.messages) != 1 || got > most {
		t.Errorf("%v allocations for a secured trap, want at most %v; %v", got, most, l.outcomes)
	}
}
