// Package mibs knows what SMI modules say about object identifiers. SMI
// modules come in: those that are built in (folder smi) and those of folders
// that the operator names. Names, meanings and indexes of OIDs come out.
//
// It promises that a module that cannot be read is a Warning and never a stop,
// that no module of a folder takes away a name that is built in, and that
// Modules never change once loaded: all methods may be called from any
// goroutine, and never panic, whatever they are given.
//
// OIDs are dotted decimal without a leading dot throughout.
package mibs

import (
	"net/netip"
	"slices"
	"sort"
	"strings"
)

// Modules are loaded SMI modules. It implements mapping.Namer.
//
// It is a few flat tables, about 70 octets for each definition, most of which
// hold no pointers: there may be half a million definitions, which the
// collector must not look at.
type Modules struct {
	modules  []Module     // by name
	tree     tree         // what OIDs are
	defs     []definition // by label, then by module
	labels   string       // all labels, one after the other
	syntaxes []*syntax
	indexes  [][]part       // INDEX clauses
	notes    []notification // by module, then by OID
	objects  []uint32       // definitions that notifications carry
}

// Module is a module that is loaded.
type Module struct {
	Name          string
	File          string // "smi/NAME.mib" for a built-in one
	Objects       int    // scalars and columns
	Notifications int
}

// kind is what a node of the OID tree is.
type kind uint8

const (
	plain  kind = iota // OBJECT IDENTIFIER, OBJECT-IDENTITY, MODULE-IDENTITY
	notice             // NOTIFICATION-TYPE, TRAP-TYPE
	scalar
	column
	table // a table or its row: an object that has no instances
)

// definition is a name that one module gives to an OID.
type definition struct {
	label  uint32 // where it begins in labels
	node   uint32 // of the tree
	module uint32
	syntax uint32 // of a scalar or column, else none
	index  uint32 // of a column; none: not known
	length uint8  // of the label
	kind   kind
}

// notification is what there is to say of a definition of that kind.
type notification struct {
	def, objects, end uint32 // its objects are objects[objects:end]
}

// Notification is a notification that a module defines.
type Notification struct {
	Module, Label, OID string
	Objects            []string // labels, in the order in which they are sent
}

// Names returns the names of all modules, sorted.
func (m *Modules) Names() []string {
	names := make([]string, len(m.modules))
	for i := range m.modules {
		names[i] = m.modules[i].Name
	}
	return names
}

// List returns all modules, by name.
func (m *Modules) List() []Module { return slices.Clone(m.modules) }

// Notifications returns the notifications that a module defines, by OID. It
// is empty for a module that is not known.
func (m *Modules) Notifications(module string) []Notification {
	i, ok := m.module(module)
	if !ok {
		return nil
	}
	low := sort.Search(len(m.notes), func(n int) bool { return m.defs[m.notes[n].def].module >= i })
	var found []Notification
	for _, note := range m.notes[low:] {
		d := &m.defs[note.def]
		if d.module != i {
			break
		}
		n := Notification{Module: module, Label: m.label(d), OID: m.tree.oid(d.node)}
		for _, o := range m.objects[note.objects:note.end] {
			n.Objects = append(n.Objects, m.label(&m.defs[o]))
		}
		found = append(found, n)
	}
	return found
}

// module returns the index of a module.
func (m *Modules) module(name string) (i uint32, ok bool) {
	n, ok := slices.BinarySearchFunc(m.modules, name, func(m Module, name string) int { return strings.Compare(m.Name, name) })
	return uint32(n), ok
}

func (m *Modules) label(d *definition) string { return m.labels[d.label:][:d.length] }

// syntax returns the syntax of an object, or nil.
func (m *Modules) syntax(d *definition) *syntax {
	if d == nil || d.syntax == none {
		return nil
	}
	return m.syntaxes[d.syntax]
}

// Name returns the module and label of the longest prefix of oid that is an
// object or a notification, and what follows it: the instance of an object.
// A table or a row is found only by its own OID, so that an unknown column
// is unknown. A notification is found both as enterprise.N and as
// enterprise.0.N, where only one of the two is defined.
func (m *Modules) Name(oid string) (module, label, instance string, ok bool) {
	d, instance := m.find(oid)
	if d == nil {
		return "", "", "", false
	}
	return m.modules[d.module].Name, m.label(d), instance, true
}

// Value returns what v means as a value of the object at oid:
//
//   - an integer of an enumeration: its label, as string;
//   - an integer with DISPLAY-HINT "d-N": v / 10^N, as float64; with "x", "o"
//     or "b": its digits, as string;
//   - octets of BITS: the names of the set bits joined by commas, as string,
//     a bit without a name as its number;
//   - octets of an Internet address: the address, as string;
//   - octets with a DISPLAY-HINT: the text, where the hint fits;
//   - an OBJECT IDENTIFIER, whatever oid is: the label of what it names, with
//     the instance of an object: "upsAlarmOnBattery", "ifOperStatus.517".
//
// It returns v itself in all other cases: among them octets without a hint,
// octets that are no text where the hint says text, and what is not known.
func (m *Modules) Value(oid string, v any) any {
	switch v := v.(type) {
	case string:
		if label := m.labelOf(v); label != "" {
			return label
		}
	case int64:
		if s := m.syntax(m.object(oid)); s != nil {
			return s.signed(v)
		}
	case uint64:
		if s := m.syntax(m.object(oid)); s != nil {
			return s.unsigned(v)
		}
	case []byte:
		if s := m.syntax(m.object(oid)); s != nil {
			if text, ok := s.text(v); ok {
				return text
			}
		}
	case nil, float64, netip.Addr:
	}
	return v
}

// Index returns the instance of the columnar object at oid, decoded by its
// table's INDEX clause, parts joined by dots. It is the raw instance where
// the clause is not known or does not fit, and empty for a scalar and for what
// is not known.
func (m *Modules) Index(oid string) string {
	d, instance := m.find(oid)
	if d == nil || d.kind == notice || d.kind == scalar && instance == "0" {
		return ""
	}
	if d.index != none {
		if s, ok := decode(m.indexes[d.index], instance); ok {
			return s
		}
	}
	return instance
}

// labelOf is what an OBJECT IDENTIFIER that came as a value points to, or
// empty.
func (m *Modules) labelOf(oid string) string {
	if d := m.exactly(oid); d != nil {
		return m.label(d)
	}
	d, instance := m.find(oid)
	switch {
	case d == nil:
		return ""
	case instance == "":
		return m.label(d)
	}
	return m.label(d) + "." + instance
}

// exactly returns what an OID itself is, or nil.
func (m *Modules) exactly(oid string) *definition {
	node, ok := m.tree.node(oid)
	if !ok || m.tree.defs[node] == none {
		return nil
	}
	return &m.defs[m.tree.defs[node]]
}

func (m *Modules) object(oid string) *definition {
	d, _ := m.find(oid)
	return d
}

// find returns the object or notification that the longest prefix of oid
// names, and the rest of oid.
func (m *Modules) find(oid string) (d *definition, instance string) {
	node, rest := m.tree.start(oid)
	for rest != "" {
		arc, n := cutArc(rest)
		child, ok := m.tree.child(node, arc)
		if n == 0 || !ok {
			break
		}
		node, rest = child, rest[n:]
		at := m.tree.defs[node]
		if at == none || m.defs[at].kind == plain {
			continue
		}
		if rest == "" {
			return &m.defs[at], ""
		}
		if m.defs[at].kind != table {
			d, instance = &m.defs[at], rest
		}
	}
	if d == nil {
		d = m.otherForm(oid)
	}
	return d, instance
}

// otherForm finds the notification that is defined as enterprise.N where oid
// is enterprise.0.N, or the other way round: RFC 3584 section 3.1 and older
// practice differ in how the OID of an SNMPv1 trap is made.
func (m *Modules) otherForm(oid string) *definition {
	last := strings.LastIndexByte(oid, '.')
	if last < 0 {
		return nil
	}
	arc, n := cutArc(oid[last+1:])
	parent, zero := strings.CutSuffix(oid[:last], ".0")
	node, ok := m.tree.node(parent)
	if !zero && ok {
		node, ok = m.tree.child(node, 0)
	}
	if n == 0 || !ok {
		return nil
	}
	if node, ok = m.tree.child(node, arc); !ok || m.tree.defs[node] == none {
		return nil
	}
	if d := &m.defs[m.tree.defs[node]]; d.kind == notice {
		return d
	}
	return nil
}
