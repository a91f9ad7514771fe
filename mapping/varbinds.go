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

// varbind is vb.name: the value of the first varbind of that name.
func (s *scope) varbind(name string) any {
	for i, v := range s.names() {
		if v.is(name) {
			return s.meaning(&s.named[i])
		}
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
// is a column of a table.
func (s *scope) index() string {
	for _, v := range s.names() {
		if v.label == "" {
			continue
		}
		if index := s.rules.namer.Index(v.OID); index != "" {
			return index
		}
	}
	return ""
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
