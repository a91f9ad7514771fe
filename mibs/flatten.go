package mibs

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/golangsnmp/gomib/mib"
)

// addModel takes over what the named modules of gomib's model define, or all
// modules where names is nil: the little that naming and reading notifications takes: the model holds all
// text of the modules. Strings are copied, so that it can be collected.
// first is where names begin among all modules.
func (b *builder) addModel(model *mib.Mib, names []string, first uint32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	orders := map[string]uint32{}
	for i, name := range names {
		orders[name] = first + uint32(i)
	}
	if names == nil {
		for _, module := range model.Modules() {
			orders[module.Name()] = first
		}
	}
	for _, module := range model.Modules() {
		if order, ok := orders[module.Name()]; ok {
			b.addModule(module, order)
		}
	}
	for n := range model.Nodes() {
		if n.Name() == "" || strings.HasPrefix(n.Name(), mendedPrefix) || n.Module() == nil || !isPlain(n) {
			continue
		}
		order, ok := orders[n.Module().Name()]
		if !ok {
			continue
		}
		b.add(b.finding(n.Module(), plain, order), n.Name(), n.OID())
	}
}

func (b *builder) addModule(module *mib.Module, order uint32) {
	i := b.module(module.Name())
	if m := &b.modules[i]; m.File == "" {
		m.File = strings.Clone(module.SourcePath())
	}
	for _, o := range module.Objects() {
		if oid := o.OID(); oid != nil {
			b.add(b.object(o, module, order), o.Name(), oid)
		}
	}
	for _, t := range module.Notifications() {
		oid := t.OID()
		if oid == nil || len(t.Name()) > 0xff {
			continue
		}
		b.add(b.finding(module, notice, order), t.Name(), oid)
		c := carried{module: i, label: b.keep(t.Name())}
		for _, o := range t.Objects() {
			if o.Module() != nil && len(o.Name()) <= 0xff {
				c.objects = append(c.objects, objectName{b.module(o.Module().Name()), b.keep(o.Name())})
			}
		}
		b.notes = append(b.notes, c)
	}
}

func isPlain(n *mib.Node) bool {
	return n.Object() == nil && n.Notification() == nil &&
		n.Group() == nil && n.Compliance() == nil && n.Capability() == nil
}

// finding starts a definition of a module. Its rank says how good it is: what
// has a meaning before a mere name, what is built in before what is not, SMIv2
// before SMIv1.
func (b *builder) finding(module *mib.Module, k kind, order uint32) finding {
	f := finding{order: order, module: b.module(module.Name()), kind: k, syntax: none, index: none}
	if k != plain {
		f.rank += 4
	}
	if b.builtIn[module.Name()] {
		f.rank += 2
	}
	if module.Language() == mib.LanguageSMIv2 {
		f.rank++
	}
	return f
}

func (b *builder) object(o *mib.Object, module *mib.Module, order uint32) finding {
	switch {
	case o.IsTable() || o.IsRow():
		return b.finding(module, table, order)
	case o.IsColumn():
		f := b.finding(module, column, order)
		f.syntax, f.index = b.syntax(o), b.index(o.Row())
		return f
	}
	f := b.finding(module, scalar, order)
	f.syntax = b.syntax(o)
	return f
}

// index returns the INDEX clause of a row, none where it is not fully known.
func (b *builder) index(row *mib.Object) uint32 {
	var parts []part
	var key []byte
	typed := false
	for _, e := range row.EffectiveIndexes() {
		i := b.syntax(e.Object)
		p := part{syntax: b.syntaxes[i], implied: e.Implied}
		if p.base == other {
			return none
		}
		typed = typed || p.base == addressType
		p.typed = p.base == address && typed
		parts = append(parts, p)
		key = binary.AppendUvarint(key, uint64(i)<<1|uint64(boolToInt(e.Implied)))
	}
	if len(parts) == 0 {
		return none
	}
	i, ok := b.clauses[string(key)]
	if !ok {
		i = uint32(len(b.indexes))
		b.indexes = append(b.indexes, parts)
		b.clauses[string(key)] = i
	}
	return i
}

func boolToInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// syntax returns the syntax of an object, the same for all that have the same.
func (b *builder) syntax(o *mib.Object) uint32 {
	base, hint, size := baseOf(o), hintOf(o), sizeOf(o)
	enums, bits := o.EffectiveEnums(), o.EffectiveBits()
	key := sha256.Sum256(fmt.Append(nil, base, hint, "\n", size, enums, bits))
	if i, ok := b.kinds[key]; ok {
		return i
	}
	s := &syntax{base: base, size: size, moment: hint == momentHint && base == octetString}
	switch base {
	case number, addressType:
		s.integer, s.enums = newIntegerHint(hint), b.labels(enums)
	case octetString:
		s.octets = newOctetHint(hint)
	case bitSet:
		s.bits = b.positions(bits)
	case address, ipAddress, objectID, other:
	}
	i := uint32(len(b.syntaxes))
	b.syntaxes = append(b.syntaxes, s)
	b.kinds[key] = i
	return i
}

// sizeOf returns how many octets an object always has, 0 where that varies.
func sizeOf(o *mib.Object) uint16 {
	if s := o.EffectiveSizes(); len(s) == 1 && s[0].Min == s[0].Max && 0 < s[0].Min && s[0].Min <= 0xffff {
		return uint16(s[0].Min)
	}
	return 0
}

// labels returns the labels of an enumeration, the first where a number has
// several.
func (b *builder) labels(values []mib.NamedValue) (e enumeration) {
	values = slices.DeleteFunc(slices.Clone(values), func(v mib.NamedValue) bool { return v.Value != int64(int32(v.Value)) })
	slices.SortStableFunc(values, func(x, y mib.NamedValue) int { return cmp.Compare(x.Value, y.Value) })
	values = slices.CompactFunc(values, func(x, y mib.NamedValue) bool { return x.Value == y.Value })
	for _, v := range values {
		e.values = append(e.values, int32(v.Value))
		e.labels = append(e.labels, b.word(asWritten(v.Label)))
	}
	e.values, e.labels = slices.Clip(e.values), slices.Clip(e.labels)
	return e
}

func (b *builder) positions(values []mib.NamedValue) []string {
	bits := []string{}
	for _, v := range values {
		if v.Value < 0 || v.Value > 0xffff {
			continue
		}
		if more := int(v.Value) + 1 - len(bits); more > 0 {
			bits = append(bits, make([]string, more)...)
		}
		bits[v.Value], _ = b.word(asWritten(v.Label)).(string)
	}
	return slices.Clip(bits)
}

// momentHint is the DISPLAY-HINT of DateAndTime, by which it is known whatever
// a module calls it.
const momentHint = "2d-1d-1d,1d:1d:1d.1d,1a1d:1d"

// hintOf returns the DISPLAY-HINT of an object. SMIv1 knows none, so that
// conventions of the names that SNMPv2-TC has, and vendors' own for MAC
// addresses, have the hints that it gave them.
func hintOf(o *mib.Object) string {
	if hint := o.EffectiveDisplayHint(); hint != "" {
		return hint
	}
	for t := o.Type(); t != nil; t = t.Parent() {
		switch name := strings.ToLower(t.Name()); {
		case name == "displaystring" || name == "ownerstring":
			return "255a"
		case name == "snmpadminstring" || name == "utf8string":
			return "255t"
		case name == "dateandtime":
			return momentHint
		case name == "physaddress" || name == "macaddress" || strings.HasSuffix(name, "macaddress") && sizeOf(o) == 6:
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
