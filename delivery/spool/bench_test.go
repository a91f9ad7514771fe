package spool

import (
	"fmt"
	"testing"
	"time"

	"github.com/pdaltagent/pdaltagent/mapping"
)

func aBatch(n int) (events []*mapping.Event, bytes int64) {
	for i := range n {
		e := aTrap(i)
		e.Gates = &mapping.Gates{
			Storm:    mapping.Storm{Alerts: 100, Within: time.Minute},
			Flapping: mapping.Flapping{Changes: 6, Within: 15 * time.Minute, Quiet: 5 * time.Minute},
		}
		events = append(events, e)
		bytes += frameBytes + int64(len(appendEvent(nil, e)))
	}
	return events, bytes
}

// BenchmarkAppend is a batch an operation, with the disk and without its sync.
func BenchmarkAppend(b *testing.B) {
	f := func(name string, files filesystem, n int) {
		b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
			s, _ := openOn(b, files, Config{Dir: b.TempDir(), MaxBytes: 1 << 40})
			events, size := aBatch(n)
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				mustAppend(b, s, events...)
				if _, size := s.Len(); size > 256<<20 {
					b.StopTimer()
					for next(b, s, 1) != nil {
						_ = s.drop(0)
					}
					b.StartTimer()
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/event")
			b.ReportMetric(float64(size)/float64(n), "B/event")
		})
	}
	for _, n := range []int{1, 100, 1000} {
		f("fdatasync", disk{}, n)
	}
	for _, n := range []int{1, 100, 1000} {
		f("nosync", hasty{}, n)
	}
}

// BenchmarkSync is what of BenchmarkAppend is the disk's.
func BenchmarkSync(b *testing.B) {
	f, err := disk{}.Open(b.TempDir()+"/sync", 0o102)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	block := make([]byte, 1000)
	for at := int64(0); b.Loop(); at += int64(len(block)) {
		if _, err := f.WriteAt(block, at); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkNext is a batch of a thousand an operation, read and parsed.
func BenchmarkNext(b *testing.B) {
	s, _ := openTest(b, Config{Dir: b.TempDir()})
	events, size := aBatch(1000)
	mustAppend(b, s, events...)
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		if n := len(next(b, s, 1000)); n != 1000 {
			b.Fatal(n)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*1000), "ns/event")
}

// BenchmarkOpen checks 64 MB an operation.
func BenchmarkOpen(b *testing.B) {
	s, _ := openTest(b, Config{Dir: b.TempDir()})
	events, _ := aBatch(1000)
	for _, size := s.Len(); size < 64<<20; _, size = s.Len() {
		mustAppend(b, s, events...)
	}
	_, size := s.Len()
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		s = reopen(b, s)
	}
}
