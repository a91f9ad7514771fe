package mibs

import (
	"context"
	"testing"
)

func BenchmarkLoad(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Load(context.Background(), nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkName(b *testing.B) {
	m := builtIn(b)
	f := func(name, oid string) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m.Name(oid)
			}
		})
	}
	f("notification", "1.3.6.1.6.3.1.1.5.3")
	f("column", "1.3.6.1.2.1.2.2.1.8.517")
	f("address", "1.3.6.1.2.1.15.3.1.14.192.0.2.1")
	f("other_form", "1.3.6.1.2.1.15.7.0.1")
	f("unknown", "1.3.6.1.4.1.9.9.41.1.2.3.1.2.1705")
}

func BenchmarkValue(b *testing.B) {
	m := builtIn(b)
	f := func(name, oid string, v any) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m.Value(oid, v)
			}
		})
	}
	f("enumeration", "1.3.6.1.2.1.2.2.1.8.517", int64(2))
	f("integer", "1.3.6.1.2.1.2.2.1.1.517", int64(517))
	f("text", "1.3.6.1.2.1.2.2.1.2.517", []byte("GigabitEthernet0/1"))
	f("mac", "1.3.6.1.2.1.2.2.1.6.517", []byte{0, 0x1a, 0x2b, 0x3c, 0x4d, 0x5e})
	f("oid", "1.3.6.1.2.1.33.1.6.2.1.2.4", "1.3.6.1.2.1.33.1.6.3.2")
	f("unknown", "1.3.6.1.4.1.9.9.41.1.2.3.1.2.1705", []byte("x"))
}

func BenchmarkIndex(b *testing.B) {
	m := builtIn(b)
	f := func(name, oid string) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m.Index(oid)
			}
		})
	}
	f("integer", "1.3.6.1.2.1.2.2.1.8.517")
	f("address", "1.3.6.1.2.1.15.3.1.14.192.0.2.1")
	f("mac", "1.3.6.1.2.1.17.4.3.1.2.0.26.43.60.77.94")
}
