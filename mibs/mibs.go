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
	"strings"
)

// Modules are loaded SMI modules. It implements mapping.Namer.
type Modules struct {
	names   []string // of the modules, sorted
	byOID   map[string]*node
	byLabel map[string][]*node // ordered by module
	longest int                // length of the longest OID in byOID
}

// kind is what a node of the OID tree is.
type kind uint8

const (
	plain        kind = iota // OBJECT IDENTIFIER, OBJECT-IDENTITY, MODULE-IDENTITY
	notification             // NOTIFICATION-TYPE, TRAP-TYPE
	scalar
	column
	table // a table or its row: an object that has no instances
)

// node is one definition of one module.
type node struct {
	module, label, oid string

	kind    kind
	syntax  *syntax // of a scalar or column; never nil there
	index   []part  // of a column; nil: not known
	objects []string
}

// Notification is a notification that a module defines.
type Notification struct {
	Module, Label, OID string
	Objects            []string // labels, in the order in which they are sent
}

// Names returns the names of all modules, sorted.
func (m *Modules) Names() []string { return slices.Clone(m.names) }

// Notifications returns the notifications that a module defines, by OID. It
// is empty for a module that is not known.
func (m *Modules) Notifications(module string) []Notification {
	var found []Notification
	for _, nodes := range m.byLabel {
		for _, n := range nodes {
			if n.kind == notification && n.module == module {
				found = append(found, Notification{n.module, n.label, n.oid, slices.Clone(n.objects)})
			}
		}
	}
	slices.SortFunc(found, func(a, b Notification) int { return compareOIDs(a.OID, b.OID) })
	return found
}

// Name returns the module and label of the longest prefix of oid that is an
// object or a notification, and what follows it: the instance of an object.
// A table or a row is found only by its own OID, so that an unknown column
// is unknown. A notification is found both as enterprise.N and as
// enterprise.0.N, where only one of the two is defined.
func (m *Modules) Name(oid string) (module, label, instance string, ok bool) {
	n, instance := m.find(oid)
	if n == nil {
		return "", "", "", false
	}
	return n.module, n.label, instance, true
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
		if n, _ := m.find(oid); n != nil && n.syntax != nil {
			return n.syntax.signed(v)
		}
	case uint64:
		if n, _ := m.find(oid); n != nil && n.syntax != nil {
			return n.syntax.unsigned(v)
		}
	case []byte:
		if n, _ := m.find(oid); n != nil && n.syntax != nil {
			if s, ok := n.syntax.text(v); ok {
				return s
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
	n, instance := m.find(oid)
	if n == nil || n.kind == notification || n.kind == scalar && instance == "0" {
		return ""
	}
	if s, ok := decode(n.index, instance); ok {
		return s
	}
	return instance
}

// labelOf is what an OBJECT IDENTIFIER that came as a value points to, or
// empty.
func (m *Modules) labelOf(oid string) string {
	if n := m.byOID[oid]; n != nil {
		return n.label
	}
	n, instance := m.find(oid)
	switch {
	case n == nil:
		return ""
	case instance == "":
		return n.label
	}
	return n.label + "." + instance
}

// find returns the object or notification that the longest prefix of oid
// names, and the rest of oid.
func (m *Modules) find(oid string) (n *node, instance string) {
	for end := len(oid); end > 0; end = strings.LastIndexByte(oid[:end], '.') {
		if end > m.longest {
			continue
		}
		n := m.byOID[oid[:end]]
		switch {
		case n == nil || n.kind == plain:
		case end == len(oid):
			return n, ""
		case n.kind != table:
			return n, oid[end+1:]
		}
	}
	return m.otherForm(oid), ""
}

// otherForm finds the notification that is defined as enterprise.N where oid
// is enterprise.0.N, or the other way round: RFC 3584 section 3.1 and older
// practice differ in how the OID of an SNMPv1 trap is made.
func (m *Modules) otherForm(oid string) *node {
	last := strings.LastIndexByte(oid, '.')
	if last < 0 || len(oid) > m.longest+2 {
		return nil
	}
	buf := make([]byte, 0, 128) // stays on the stack
	if parent, ok := strings.CutSuffix(oid[:last], ".0"); ok {
		buf = append(append(buf, parent...), oid[last:]...)
	} else {
		buf = append(append(append(buf, oid[:last]...), ".0"...), oid[last:]...)
	}
	if n := m.byOID[string(buf)]; n != nil && n.kind == notification {
		return n
	}
	return nil
}
