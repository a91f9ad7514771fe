package mibs

import (
	"fmt"
	"slices"
	"strings"

	"github.com/golangsnmp/gomib/mib"
)

// flattener turns gomib's model, which holds all text of the modules, into
// the little that naming and reading notifications takes. Strings are copied,
// so that the model can be collected.
type flattener struct {
	modules  *Modules
	builtIn  map[string]bool
	syntaxes map[string]*syntax // by all that they say
	strings  map[string]string
	ranks    map[*node]int
}

func newFlattener(builtIn []string) *flattener {
	f := &flattener{
		modules:  &Modules{byOID: map[string]*node{}, byLabel: map[string][]*node{}},
		builtIn:  map[string]bool{},
		syntaxes: map[string]*syntax{},
		strings:  map[string]string{},
		ranks:    map[*node]int{},
	}
	for _, name := range builtIn {
		f.builtIn[name] = true
	}
	return f
}

// add takes over what a model defines, except labels of a module that were
// added before.
func (f *flattener) add(model *mib.Mib) {
	for _, module := range model.Modules() {
		f.addModule(module)
	}
	for n := range model.Nodes() {
		if n.Name() != "" && n.Module() != nil && isPlain(n) {
			f.put(&node{module: n.Module().Name(), label: n.Name(), oid: n.OID().String()}, n.Module())
		}
	}
}

func (f *flattener) addModule(module *mib.Module) {
	if name := module.Name(); !slices.Contains(f.modules.names, name) {
		f.modules.names = append(f.modules.names, strings.Clone(name))
	}
	for _, o := range module.Objects() {
		if oid := o.OID(); oid != nil {
			f.put(f.object(o, &node{module: module.Name(), label: o.Name(), oid: oid.String()}), module)
		}
	}
	for _, t := range module.Notifications() {
		if oid := t.OID(); oid != nil {
			n := &node{module: module.Name(), label: t.Name(), oid: oid.String(), kind: notification}
			for _, o := range t.Objects() {
				n.objects = append(n.objects, f.intern(o.Name()))
			}
			f.put(n, module)
		}
	}
}

func isPlain(n *mib.Node) bool {
	return n.Object() == nil && n.Notification() == nil &&
		n.Group() == nil && n.Compliance() == nil && n.Capability() == nil
}

// done returns the modules, which must not change from then on.
func (f *flattener) done() *Modules {
	slices.Sort(f.modules.names)
	for _, nodes := range f.modules.byLabel {
		slices.SortFunc(nodes, func(a, b *node) int { return strings.Compare(a.module, b.module) })
	}
	return f.modules
}

// put files a node under its label, and under its OID where no better one
// has it: modules define each other's objects anew.
func (f *flattener) put(n *node, module *mib.Module) {
	n.module, n.label = f.intern(n.module), f.intern(n.label)
	same := f.modules.byLabel[n.label]
	if slices.ContainsFunc(same, func(s *node) bool { return s.module == n.module }) {
		return
	}
	f.modules.byLabel[n.label] = append(same, n)
	rank := f.rank(n, module)
	if held := f.modules.byOID[n.oid]; held == nil || rank > f.ranks[held] {
		f.modules.byOID[n.oid], f.ranks[n] = n, rank
		f.modules.longest = max(f.modules.longest, len(n.oid))
	}
}

// rank says how good a definition of an OID is: what has a meaning before a
// mere name, what is built in before what is not, SMIv2 before SMIv1.
func (f *flattener) rank(n *node, module *mib.Module) int {
	rank := 0
	if n.kind != plain {
		rank += 4
	}
	if f.builtIn[n.module] {
		rank += 2
	}
	if module.Language() == mib.LanguageSMIv2 {
		rank++
	}
	return rank
}

func (f *flattener) intern(s string) string {
	if held, ok := f.strings[s]; ok {
		return held
	}
	s = strings.Clone(s)
	f.strings[s] = s
	return s
}

func (f *flattener) object(o *mib.Object, n *node) *node {
	switch {
	case o.IsTable() || o.IsRow():
		n.kind = table
	case o.IsColumn():
		n.kind, n.syntax, n.index = column, f.syntax(o), f.index(o.Row())
	default:
		n.kind, n.syntax = scalar, f.syntax(o)
	}
	return n
}

// index returns nil where the INDEX clause of a row is not fully known.
func (f *flattener) index(row *mib.Object) []part {
	var parts []part
	for _, e := range row.EffectiveIndexes() {
		p := part{syntax: f.syntax(e.Object), implied: e.Implied}
		if p.base == other {
			return nil
		}
		p.typed = p.base == address && len(parts) > 0 && parts[len(parts)-1].base == addressType
		parts = append(parts, p)
	}
	return parts
}

// syntax returns the syntax of an object, the same for all that have the same.
func (f *flattener) syntax(o *mib.Object) *syntax {
	base, hint, size := baseOf(o), hintOf(o), 0
	if s := o.EffectiveSizes(); len(s) == 1 && s[0].Min == s[0].Max && 0 < s[0].Min && s[0].Min <= 0xffff {
		size = int(s[0].Min)
	}
	enums, bits := o.EffectiveEnums(), o.EffectiveBits()
	key := fmt.Sprint(base, hint, "\n", size, enums, bits)
	if s := f.syntaxes[key]; s != nil {
		return s
	}
	s := &syntax{base: base, size: size}
	switch base {
	case number, addressType:
		s.integer, s.enums = newIntegerHint(hint), f.labels(enums)
	case octetString:
		s.octets = newOctetHint(hint)
	case bitSet:
		s.bits = f.positions(bits)
	case address, ipAddress, objectID, other:
	}
	f.syntaxes[key] = s
	return s
}

func (f *flattener) labels(values []mib.NamedValue) map[int64]any {
	if len(values) == 0 {
		return nil
	}
	labels := make(map[int64]any, len(values))
	for _, v := range values {
		if _, taken := labels[v.Value]; !taken {
			labels[v.Value] = f.intern(v.Label)
		}
	}
	return labels
}

func (f *flattener) positions(values []mib.NamedValue) []string {
	bits := []string{}
	for _, v := range values {
		if v.Value < 0 || v.Value > 0xffff {
			continue
		}
		if more := int(v.Value) + 1 - len(bits); more > 0 {
			bits = append(bits, make([]string, more)...)
		}
		bits[v.Value] = f.intern(v.Label)
	}
	return bits
}

// hintOf returns the DISPLAY-HINT of an object. SMIv1 knows none, so that its
// conventions have those that SNMPv2-TC gave them.
func hintOf(o *mib.Object) string {
	if hint := o.EffectiveDisplayHint(); hint != "" {
		return hint
	}
	for t := o.Type(); t != nil; t = t.Parent() {
		switch t.Name() {
		case "DisplayString":
			return "255a"
		case "PhysAddress", "MacAddress":
			return "1x:"
		}
	}
	return ""
}

// baseOf says what kind of values an object has, and knows the conventions of
// RFC 4001 and RFC 2465 by their names: their syntax says too little.
func baseOf(o *mib.Object) base {
	if len(o.EffectiveBits()) > 0 {
		return bitSet
	}
	if o.Type() == nil {
		return other
	}
	for t := o.Type(); t != nil; t = t.Parent() {
		switch t.Name() {
		case "InetAddress", "InetAddressIPv4", "InetAddressIPv6", "InetAddressIPv4z", "InetAddressIPv6z", "Ipv6Address":
			return address
		case "InetAddressType":
			return addressType
		}
	}
	switch o.Type().EffectiveBase() {
	case mib.BaseInteger32, mib.BaseUnsigned32, mib.BaseCounter32, mib.BaseCounter64, mib.BaseGauge32, mib.BaseTimeTicks:
		return number
	case mib.BaseOctetString:
		return octetString
	case mib.BaseIpAddress:
		return ipAddress
	case mib.BaseObjectIdentifier:
		return objectID
	case mib.BaseBits:
		return bitSet
	case mib.BaseUnknown, mib.BaseOpaque, mib.BaseSequence:
	}
	return other
}
