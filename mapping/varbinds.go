package mapping

import (
	"net/netip"
	"strings"
)

// names looks up the names of the varbinds, once for a message.
func (s *scope) names() []named {
	if s.hasName {
		return s.named
	}
	s.hasName, s.named = true, s.named[:0]
	if s.m.Trap == nil {
		return nil
	}
	for i := range s.m.Trap.Varbinds {
		v := named{Varbind: &s.m.Trap.Varbinds[i]}
		if module, label, instance, ok := s.rules.namer.Name(v.OID); ok {
			v.module, v.label, v.instance = module, label, instance
		}
		s.named = append(s.named, v)
	}
	return s.named
}

// is says whether a rule means v by name: "ifName", "IF-MIB::ifName",
// "ifName.517" or its OID.
func (v *named) is(name string) bool {
	if v.label == "" || name == "" || '0' <= name[0] && name[0] <= '9' {
		return name == v.OID
	}
	if rest, ok := strings.CutPrefix(name, v.module); ok && strings.HasPrefix(rest, "::") {
		name = rest[2:]
	}
	rest, ok := strings.CutPrefix(name, v.label)
	return ok && (rest == "" || rest[0] == '.' && rest[1:] == v.instance)
}

// varbind is vb.name: the value of the first varbind of that name, or, where
// name is an OID that no varbind has, of the first one below it.
func (s *scope) varbind(name string) any {
	name = strings.TrimPrefix(name, ".")
	for i, v := range s.names() {
		if v.is(name) {
			return s.meaning(&s.named[i])
		}
	}
	if i := s.below(name); i >= 0 {
		return s.meaning(&s.names()[i])
	}
	return nil
}

// below returns the index of the first varbind whose OID starts with that of
// an object; -1: there is none.
func (s *scope) below(oid string) int {
	if s.m.Trap == nil || !isOID(oid) {
		return -1
	}
	for i := range s.m.Trap.Varbinds {
		if rest, ok := strings.CutPrefix(s.m.Trap.Varbinds[i].OID, oid); ok && strings.HasPrefix(rest, ".") {
			return i
		}
	}
	return -1
}

// nth is vb["3"]: the value of the varbind at a position, the first of which
// is 1.
func (s *scope) nth(n int) any {
	if all := s.names(); 0 < n && n <= len(all) {
		return s.meaning(&s.named[n-1])
	}
	return nil
}

// meaning is what a varbind's value means, in types that expressions know.
func (s *scope) meaning(v *named) any { return plain(s.rules.namer.Value(v.OID, v.Value)) }

// plain makes a value of a varbind one of nil, bool, int64, uint64, float64
// or string.
func plain(v any) any {
	switch v := v.(type) {
	case []byte:
		return octets(v)
	case netip.Addr:
		return address(v)
	case nil, bool, int64, uint64, float64, string:
		return v
	}
	return text(v)
}

// rawVarbind is vb_raw[oid]: the value as it came.
func (s *scope) rawVarbind(oid string) any {
	if s.m.Trap == nil {
		return nil
	}
	oid = strings.TrimPrefix(oid, ".")
	for _, v := range s.m.Trap.Varbinds {
		if v.OID == oid {
			return plain(v.Value)
		}
	}
	if i := s.below(oid); i >= 0 {
		return plain(s.m.Trap.Varbinds[i].Value)
	}
	return nil
}

// varbinds is vb as a whole: values by label, further instances of a label
// with their instance, and by OID what has no name.
func (s *scope) varbinds() any {
	if s.m.Trap == nil {
		return nil
	}
	all := make(map[string]any, len(s.m.Trap.Varbinds))
	for i, v := range s.names() {
		key := v.label
		if key == "" {
			key = v.OID
		} else if _, taken := all[key]; taken && v.instance != "" {
			key += "." + v.instance
		}
		if _, taken := all[key]; !taken {
			all[key] = s.meaning(&s.named[i])
		}
	}
	return all
}

func (s *scope) rawVarbinds() any {
	if s.m.Trap == nil {
		return nil
	}
	all := make(map[string]any, len(s.m.Trap.Varbinds))
	for _, v := range s.m.Trap.Varbinds {
		if _, taken := all[v.OID]; !taken {
			all[v.OID] = plain(v.Value)
		}
	}
	return all
}

// index is the instance of the trap's objects: that of its first varbind that
// is a column of a table. Where no module knows one it is guessed, so that
// different objects of an unknown table are not taken for one.
func (s *scope) index() string {
	for _, v := range s.names() {
		if v.label == "" {
			continue
		}
		if index := s.rules.namer.Index(v.OID); index != "" {
			return index
		}
	}
	return s.guessedIndex()
}

// guessedIndex is what the OIDs of the varbinds that no module knows end with,
// all alike: columns of one row differ before their instance. A single one is
// named by its whole OID. What ends with 0 is a scalar, and tells no objects
// apart.
func (s *scope) guessedIndex() string {
	common, n := "", 0
	for _, v := range s.names() {
		if v.label != "" || strings.HasSuffix(v.OID, ".0") {
			continue
		}
		if n++; n == 1 {
			common = v.OID
		} else if v.OID != common {
			common = commonEnd(common, v.OID)
		}
	}
	return common
}

// commonEnd returns the parts that two OIDs end with, both alike.
func commonEnd(a, b string) string {
	n, at := 0, 0 // bytes that are alike; those of whole parts
	for n < len(a) && n < len(b) && a[len(a)-1-n] == b[len(b)-1-n] {
		if a[len(a)-1-n] == '.' {
			at = n
		}
		n++
	}
	if n == len(b) && n < len(a) && a[len(a)-1-n] == '.' || n == len(a) && n < len(b) && b[len(b)-1-n] == '.' {
		at = n
	}
	return a[len(a)-at:]
}

// trapName is the notification's MODULE::name, or its OID where no module
// names it.
func (s *scope) trapName() string {
	oid := s.m.Trap.OID
	module, label, instance, ok := s.rules.namer.Name(oid)
	if !ok {
		return oid
	}
	return qualified(module, label, instance)
}

func qualified(module, label, instance string) string {
	if instance == "" {
		return module + "::" + label
	}
	return module + "::" + label + "." + instance
}
