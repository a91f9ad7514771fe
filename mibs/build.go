package mibs

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"slices"
	"strings"
	"sync"
)

// builder gathers definitions and makes Modules of them. Only addModel may be
// called from any goroutine.
//
// What grows with the modules is in blocks, which stay where they are: tables
// that grow would be twice in memory while they do.
type builder struct {
	mu       sync.Mutex
	modules  []Module
	byName   map[string]uint32 // index of modules
	builtIn  map[string]bool
	bytes    [][]byte // labels and packed OIDs
	found    [][]finding
	notes    []carried
	syntaxes []*syntax
	kinds    map[[sha256.Size]byte]uint32 // index of syntaxes by the hash of all that they say
	indexes  [][]part
	clauses  map[string]uint32 // index of indexes by the syntaxes of their parts
	words    map[string]any    // labels of enumerations and bits
}

const (
	bytesBlock = 1 << 18 // octets in a block of builder.bytes
	foundBlock = 1 << 12 // findings in a block of builder.found
)

// finding is a definition that a module was found to have.
type finding struct {
	label, oid       uint32 // where they begin
	labelLen, oidLen uint8
	kind             kind
	rank             uint8 // how good a definition of its OID it is
	module           uint32
	syntax, index    uint32
	order            uint32 // of its module: an earlier one wins
}

// span is a part of builder.bytes.
type span struct {
	start  uint32
	length uint8
}

// carried is the objects of a notification.
type carried struct {
	module  uint32
	label   span
	objects []objectName
}

type objectName struct {
	module uint32
	label  span
}

func newBuilder(builtIn []string) *builder {
	b := &builder{
		byName:  map[string]uint32{},
		builtIn: map[string]bool{},
		kinds:   map[[sha256.Size]byte]uint32{},
		clauses: map[string]uint32{},
		words:   map[string]any{},
	}
	for _, name := range builtIn {
		b.builtIn[name] = true
	}
	return b
}

// module returns the index of a module, which it adds where it is new.
func (b *builder) module(name string) uint32 {
	i, ok := b.byName[name]
	if !ok {
		i = uint32(len(b.modules))
		name = strings.Clone(name)
		b.modules = append(b.modules, Module{Name: name})
		b.byName[name] = i
	}
	return i
}

// keep copies text, of at most 255 octets.
func (b *builder) keep(text string) span {
	last := len(b.bytes) - 1
	if last < 0 || len(b.bytes[last])+len(text) > bytesBlock {
		b.bytes = append(b.bytes, make([]byte, 0, bytesBlock))
		last++
	}
	s := span{uint32(last*bytesBlock + len(b.bytes[last])), uint8(len(text))}
	b.bytes[last] = append(b.bytes[last], text...)
	return s
}

func (b *builder) text(s span) []byte {
	return b.bytes[s.start/bytesBlock][s.start%bytesBlock:][:s.length]
}

func (b *builder) label(f *finding) []byte { return b.text(span{f.label, f.labelLen}) }

func (b *builder) oid(f *finding) []byte { return b.text(span{f.oid, f.oidLen}) }

func (b *builder) at(i uint32) *finding { return &b.found[i/foundBlock][i%foundBlock] }

// word returns a label as a value, the same for all that are the same.
func (b *builder) word(s string) any {
	w, ok := b.words[s]
	if !ok {
		s = strings.Clone(s)
		w = s
		b.words[s] = w
	}
	return w
}

// add adds a definition. What has more text than a label or an OID can is
// none.
func (b *builder) add(f finding, label string, arcs []uint32) {
	packed := packArcs(make([]byte, 0, 64), arcs)
	if len(label) > 0xff || len(packed) > 0xff || len(packed) == 0 {
		return
	}
	l, o := b.keep(label), b.keep(string(packed))
	f.label, f.labelLen, f.oid, f.oidLen = l.start, l.length, o.start, o.length
	last := len(b.found) - 1
	if last < 0 || len(b.found[last]) == foundBlock {
		b.found = append(b.found, make([]finding, 0, foundBlock))
		last++
	}
	b.found[last] = append(b.found[last], f)
}

// done makes Modules of what was added.
func (b *builder) done() *Modules {
	b.sortModules()
	m := &Modules{modules: b.modules, syntaxes: b.syntaxes, indexes: b.indexes}
	order := b.sorted()
	m.defs = make([]definition, len(order))
	labels := make([]byte, 0, 20*len(order))
	var last uint32 // where the label begins that was written last
	for i, n := range order {
		f := b.at(n)
		if i == 0 || !bytes.Equal(b.label(f), b.label(b.at(order[i-1]))) {
			last = uint32(len(labels))
			labels = append(labels, b.label(f)...)
		}
		m.defs[i] = definition{label: last, length: f.labelLen, module: f.module, kind: f.kind, syntax: f.syntax, index: f.index}
	}
	m.labels = string(labels)
	b.plantTree(m, order)
	b.listNotifications(m, order)
	count(m)
	return m
}

// sortModules puts modules in the order of their names.
func (b *builder) sortModules() {
	moved := make([]uint32, len(b.modules))
	slices.SortFunc(b.modules, func(x, y Module) int { return strings.Compare(x.Name, y.Name) })
	for i, m := range b.modules {
		moved[b.byName[m.Name]] = uint32(i)
	}
	for _, block := range b.found {
		for i := range block {
			block[i].module = moved[block[i].module]
		}
	}
	for i := range b.notes {
		b.notes[i].module = moved[b.notes[i].module]
		for j := range b.notes[i].objects {
			b.notes[i].objects[j].module = moved[b.notes[i].objects[j].module]
		}
	}
}

// sorted returns what was found in the order of labels and modules, without
// what was found of a module's label again: by a built-in module, which is
// added after those of folders.
func (b *builder) sorted() []uint32 {
	var order []uint32
	for i, block := range b.found {
		order = slices.Grow(order, len(block))
		for j := range block {
			order = append(order, uint32(i*foundBlock+j))
		}
	}
	name := func(x, y uint32) int {
		f, g := b.at(x), b.at(y)
		return cmp.Or(bytes.Compare(b.label(f), b.label(g)), cmp.Compare(f.module, g.module))
	}
	slices.SortFunc(order, func(x, y uint32) int {
		return cmp.Or(name(x, y), cmp.Compare(x, y))
	})
	return slices.CompactFunc(order, func(x, y uint32) bool { return name(x, y) == 0 })
}

// plantTree gives the OIDs of definitions, which are those of order, a tree.
// An OID is what the best of its definitions says, the first where several are
// as good: modules define each other's objects anew.
func (b *builder) plantTree(m *Modules, order []uint32) {
	byOID := make([]uint32, len(order))
	for i := range byOID {
		byOID[i] = uint32(i)
	}
	oid := func(def uint32) []byte { return b.oid(b.at(order[def])) }
	slices.SortFunc(byOID, func(x, y uint32) int {
		f, g := b.at(order[x]), b.at(order[y])
		return cmp.Or(bytes.Compare(b.oid(f), b.oid(g)), cmp.Compare(g.rank, f.rank), cmp.Compare(f.order, g.order), cmp.Compare(x, y))
	})
	oids := make([][]byte, 0, len(byOID))
	for _, def := range byOID {
		if len(oids) == 0 || !bytes.Equal(oid(def), oids[len(oids)-1]) {
			oids = append(oids, oid(def))
		}
	}
	tree, nodes := plant(oids)
	tree.defs = slices.Repeat([]uint32{none}, len(tree.arcs))
	tree.internet, _ = tree.node("1.3.6.1")
	at := -1
	for _, def := range byOID {
		if at < 0 || !bytes.Equal(oid(def), oids[at]) {
			at++
			tree.defs[nodes[at]] = def
		}
		m.defs[def].node = nodes[at]
	}
	m.tree = tree
}

// listNotifications fills in what notifications carry. An object that is not
// known is left out.
func (b *builder) listNotifications(m *Modules, order []uint32) {
	find := func(module uint32, label span) (def uint32, ok bool) {
		text := b.text(label)
		i, ok := slices.BinarySearchFunc(order, text, func(n uint32, text []byte) int {
			f := b.at(n)
			return cmp.Or(bytes.Compare(b.label(f), text), cmp.Compare(f.module, module))
		})
		return uint32(i), ok
	}
	seen := map[uint32]bool{}
	for _, c := range b.notes {
		def, ok := find(c.module, c.label)
		if !ok || seen[def] || m.defs[def].kind != notice {
			continue
		}
		seen[def] = true
		n := notification{def: def, objects: uint32(len(m.objects))}
		for _, o := range c.objects {
			if d, ok := find(o.module, o.label); ok {
				m.objects = append(m.objects, d)
			}
		}
		n.end = uint32(len(m.objects))
		m.notes = append(m.notes, n)
	}
	oid := func(n notification) []byte { return b.oid(b.at(order[n.def])) }
	slices.SortFunc(m.notes, func(x, y notification) int {
		return cmp.Or(cmp.Compare(m.defs[x.def].module, m.defs[y.def].module), bytes.Compare(oid(x), oid(y)), cmp.Compare(x.def, y.def))
	})
	m.notes, m.objects = slices.Clip(m.notes), slices.Clip(m.objects)
}

func count(m *Modules) {
	for i := range m.defs {
		of := &m.modules[m.defs[i].module]
		switch m.defs[i].kind {
		case notice:
			of.Notifications++
		case scalar, column:
			of.Objects++
		case plain, table:
		}
	}
}
