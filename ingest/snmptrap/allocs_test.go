//go:build gosnmp_nodebug && !race

package snmptrap

import (
	"testing"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// TestATrapCostsFewAllocations breaks when the codec is built with its debug
// logging, or when we stop using memory again.
func TestATrapCostsFewAllocations(t *testing.T) {
	const most = 40 // 32 of them are the codec's; it takes 98 with its debug logging
	l := newListener(t, Config{Communities: []ingest.Secret{"public"}}, quiet())
	batch := []ingest.Datagram{datagram(linkDown6())}
	got := testing.AllocsPerRun(1000, func() { l.decode(batch) })
	if len(l.messages) != 1 || got > most {
		t.Errorf("%v allocations for a trap of 6 varbinds, want at most %v", got, most)
	}
}
