package mibs

import (
	"context"
	"testing"
	"unicode/utf8"
)

func FuzzNamesAndValues(f *testing.F) {
	f.Add("1.3.6.1.2.1.2.2.1.8.517", "ifDescr.5", []byte("eth0"), int64(1))
	f.Add("1.3.6.1.2.1.15.7.0.1", "IF-MIB::linkDwn", []byte{4, 0}, int64(-1))
	f.Add("1.3.6.1.2.1.131.1.1.1.5.1", ".1.3", []byte{0xff, 0xff}, int64(6))
	f.Add("1.3.6.1.2.1.207.1.1.1.1.6.5.10.1", "::", []byte{192, 0, 2, 1}, int64(1<<62))
	f.Add("..", ".", []byte(nil), int64(0))
	m := builtIn(f)
	f.Fuzz(func(t *testing.T, oid, name string, octets []byte, n int64) {
		module, label, instance, ok := m.Name(oid)
		if ok && (module == "" || label == "" || len(instance) >= len(oid)) {
			t.Errorf("Name(%q) = %q %q %q", oid, module, label, instance)
		}
		for _, v := range []any{octets, n, uint64(n), oid, nil} {
			if s, ok := m.Value(oid, v).(string); ok && utf8.ValidString(oid) && !utf8.ValidString(s) {
				t.Errorf("Value(%q, %v) = %q is no UTF-8", oid, v, s)
			}
		}
		m.Index(oid)
		if got, err := m.OID(name); err == nil && !isOID(got) {
			t.Errorf("OID(%q) = %q", name, got)
		}
	})
}

// Every instance of a column ends as an index, whatever its arcs.
func FuzzIndex(f *testing.F) {
	f.Add("5.10.1")
	f.Add("0.26.43.60.77.94")
	f.Add("4294967295.1")
	m := builtIn(f)
	f.Fuzz(func(t *testing.T, instance string) {
		if instance == "" {
			return
		}
		for i := range m.defs {
			d := &m.defs[i]
			if d.kind == column && m.Index(m.tree.oid(d.node)+"."+instance) == "" && isOID(instance) {
				t.Errorf("%s.%s has no index", m.label(d), instance)
			}
		}
	})
}

func FuzzDisplayHint(f *testing.F) {
	f.Add("2d-1d-1d,1d:1d:1d.1d,1a1d:1d", []byte("\x07\xc8\x05\x1a\x0d\x1e\x0f\x00-\x04\x00"))
	f.Add("*1d./1d ", []byte("\x02\x01\x02\x09\x08"))
	f.Add("255t", []byte("B\xfcro"))
	f.Add("*0x:", []byte("\xff\xff"))
	f.Fuzz(func(t *testing.T, hint string, octets []byte) {
		newIntegerHint(hint)
		if h := newOctetHint(hint); h != nil {
			if s, ok := h.format(octets); ok && utf8.ValidString(hint) && !utf8.ValidString(s) {
				t.Errorf("%q of %x is %q: no UTF-8", hint, octets, s)
			}
		}
	})
}

// Whatever a file holds is a module or a warning.
func FuzzModuleText(f *testing.F) {
	f.Add([]byte(vendorModule))
	f.Add([]byte(oldModule))
	f.Add([]byte("A { iso 1 } DEFINITIONS IMPLICIT TAGS ::= BEGIN END"))
	f.Add([]byte("A DEFINITIONS ::= BEGIN b TEXTUAL-CONVENTION END"))
	f.Add([]byte("A DEFINITIONS ::= BEGIN B DEFINITIONS ::= BEGIN"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s := newSource()
		warnings := s.index("fuzz", text, true)
		if len(s.names) == 0 {
			if len(warnings) == 0 {
				t.Error("neither a module nor a warning")
			}
			return
		}
		b := newBuilder(nil)
		for _, w := range readFolders(context.Background(), b, s, s) {
			if w.File != "fuzz" {
				t.Error(w)
			}
		}
		m := b.done()
		for _, name := range m.Names() {
			m.Notifications(name)
		}
	})
}
