package mibs

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// treeOf plants a tree, and returns what each node is by its OID.
func treeOf(oids ...string) (t tree, nodes map[string]uint32) {
	var packed [][]byte
	texts := map[string]string{}
	for _, oid := range oids {
		arcs, _ := appendArcs(nil, oid)
		p := packArcs(nil, arcs)
		packed, texts[string(p)] = append(packed, p), oid
	}
	slices.SortFunc(packed, bytes.Compare)
	t, at := plant(packed)
	nodes = map[string]uint32{}
	for i, p := range packed {
		nodes[texts[string(p)]] = at[i]
	}
	return t, nodes
}

func TestEveryOIDHasItsNode(t *testing.T) {
	oids := []string{
		"0", "1", "1.3", "1.3.6.1", "1.3.6.1.4.1.9", "1.3.6.1.4.1.9.1.251", "1.3.6.1.4.1.9.1.252", "1.3.6.1.4.1.9.1.253",
		"1.3.6.1.4.1.9.1.255", "1.3.6.1.4.1.9.1.256", "1.3.6.1.4.1.9.1.65535", "1.3.6.1.4.1.9.1.65536", "1.3.6.1.4.1.9.1.16777216",
		"1.3.6.1.4.1.9.1.4294967295", "2.999.1", "1.3.6.1.4.1.9.7", "1.3.6.1.4.1.9.1000",
	}
	tree, nodes := treeOf(oids...)
	for _, oid := range oids {
		if got, ok := tree.node(oid); !ok || got != nodes[oid] {
			t.Errorf("%s is node %d %t, want %d", oid, got, ok, nodes[oid])
		}
		if got := tree.oid(nodes[oid]); got != oid {
			t.Errorf("node of %s is called %s", oid, got)
		}
	}
	for _, oid := range []string{"", "3", "1.3.6.1.4.1.9.8", "1.3.6.1.4.1.9.1.254", "1.3.6.1.4.1.9.1.251.1", "1..3", "x", "1.4294967296", "-1"} {
		if got, ok := tree.node(oid); ok {
			t.Errorf("%q is node %d", oid, got)
		}
	}
}

func TestPackedOIDsCompareAsOIDsDo(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // no secret
	arc := func() uint32 {
		return []uint32{0, 1, 251, 252, 253, 255, 256, 65535, 65536, 1 << 24, 1<<32 - 1}[random.IntN(11)]
	}
	for range 20_000 {
		var a, b []uint32
		for range random.IntN(4) {
			a = append(a, arc())
		}
		for range random.IntN(4) {
			b = append(b, arc())
		}
		if got, want := bytes.Compare(packArcs(nil, a), packArcs(nil, b)), slices.Compare(a, b); got != want {
			t.Fatalf("%v and %v: %d, want %d", a, b, got, want)
		}
		var back []uint32
		for p := packArcs(nil, a); len(p) > 0; {
			var arc uint32
			arc, p = unpackArc(p)
			back = append(back, arc)
		}
		if diff := cmp.Diff(a, back); diff != "" {
			t.Fatal(diff)
		}
	}
}
