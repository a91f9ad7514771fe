package spool

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/mapping"
)

// same compares events, zones and nil slices included.
func same(want, got any) string {
	return cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{}), cmp.Comparer(func(a, b []byte) bool {
		return (a == nil) == (b == nil) && bytes.Equal(a, b)
	}))
}

// TestEveryFieldOfAnEventIsCarried fails when mapping.Event gets a field that
// appendEvent and setField do not know.
func TestEveryFieldOfAnEventIsCarried(t *testing.T) {
	r := filler{rand.New(rand.NewPCG(1, 2)), 0}
	typ := reflect.TypeFor[mapping.Event]()
	for i := range typ.NumField() {
		var e mapping.Event
		r.fill(reflect.ValueOf(&e).Elem().Field(i))
		got, err := parseEvent(appendEvent(nil, &e))
		if err != nil {
			t.Fatalf("%s: %v", typ.Field(i).Name, err)
		}
		if diff := same(&e, got); diff != "" {
			t.Errorf("%s is not carried:\n%s", typ.Field(i).Name, diff)
		}
	}
}

// TestEachGateIsCarried does the same for what an event points to, one field at
// a time, with the others zero.
func TestEachGateIsCarried(t *testing.T) {
	r := filler{rand.New(rand.NewPCG(1, 2)), 0}
	typ := reflect.TypeFor[mapping.Gates]()
	for i := range typ.NumField() {
		want := &mapping.Event{Gates: new(mapping.Gates)}
		for range 2 { // first none of them, then this one
			got, err := parseEvent(appendEvent(nil, want))
			if err != nil {
				t.Fatalf("%s: %v", typ.Field(i).Name, err)
			}
			if diff := same(want, got); diff != "" {
				t.Errorf("%s is not carried:\n%s", typ.Field(i).Name, diff)
			}
			r.fill(reflect.ValueOf(want.Gates).Elem().Field(i))
		}
	}
}

func TestEventsComeBackAsTheyWere(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	r := filler{rand.New(rand.NewPCG(seed, 0)), 0.3}
	for range 2000 {
		e := r.event()
		body := appendEvent(nil, e)
		got, err := parseEvent(body)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		clear(body) // an event keeps nothing of what it was read from
		if diff := same(e, got); diff != "" {
			t.Fatalf("seed %d:\n%s", seed, diff)
		}
		if zone := got.ReceivedAt.Location(); zone != time.UTC {
			t.Fatalf("seed %d: zone %s", seed, zone)
		}
	}
}

func TestEmptyIsNotNil(t *testing.T) {
	got, err := parseEvent(appendEvent(nil, &mapping.Event{Body: []byte{}}))
	if err != nil || got.Body == nil || got.Payload != nil {
		t.Fatalf("body %#v, payload %#v, error %v", got.Body, got.Payload, err)
	}
}

func TestFieldsOfANewerVersionAreSkipped(t *testing.T) {
	want := aTrap(1)
	body := appendBytes(nil, 1000, []byte("from the future"))
	body = appendBytes(appendEvent(body, want), 1001, []byte{})
	got, err := parseEvent(body)
	if err != nil {
		t.Fatal(err)
	}
	if diff := same(want, got); diff != "" {
		t.Fatal(diff)
	}
}

func TestMalformedRecordsAreErrors(t *testing.T) {
	f := func(body, want string) {
		t.Helper()
		raw, err := hex.DecodeString(strings.ReplaceAll(body, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		if e, err := parseEvent(raw); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v and error %v, want %q", body, e, err, want)
		}
	}
	f("05", "longer than its record")
	f("05 02 41", "longer than its record")
	f("ffffffffffffffffffff01 00", "longer than its record")
	f("05 ffffffffffffffffff01", "longer than its record")
	f("01 03 414243", "field 1")
	f("02 03 414243", "field 2")
	f("02 0c 00 00 00 00 00 00 00 00 ff ff ff ff", "field 2")
	f("04 03 414243", "field 4")
	f("14 03 06 02 01", "field 20")
	f("14 02 06 00", "field 20: field 6: no number")
	f("14 03 06 01 80", "field 20: field 6: no number")
	f("14 04 06 02 02 02", "field 20: field 6: no number")
}

// goldenEvents have every field; they were spooled into testdata/golden.hex,
// which is never written again: a new field gets a file of its own.
func goldenEvents() []*mapping.Event {
	trap := aTrap(1)
	trap.Key = "0123456789abcdef0123456789abcdef"
	posted := anEvent(2)
	posted.Protocol, posted.Source = ingest.HTTP, netip.MustParseAddr("fe80::1%eth0")
	posted.API, posted.Posted = ingest.Nagios, true
	posted.Payload, posted.Body, posted.ContentType = []byte{}, []byte("type=PROBLEM&host=a"), "application/x-www-form-urlencoded"
	gated := anEvent(4)
	gated.Gates = &mapping.Gates{
		Threshold:    mapping.Threshold{Count: 200, Within: time.Minute},
		Maintenance:  &mapping.Window{Name: "LON1 patching", Until: time.Date(2026, 3, 1, 4, 0, 0, 0, time.UTC)},
		UnlessOpen:   "link-down/core1/1",
		Hold:         time.Minute,
		Repeat:       10 * time.Minute,
		ResolveAfter: time.Hour,
		Storm:        mapping.Storm{Alerts: 100, Within: time.Minute},
		Flapping:     mapping.Flapping{Changes: 6, Within: 15 * time.Minute, Quiet: 5 * time.Minute},
	}
	return []*mapping.Event{trap, posted, anEvent(3), gated}
}

const goldenNumber = 1772330584123456789

// TestTheFormatStaysAsItIs keeps an upgraded daemon able to read what an older
// one spooled. When it fails, do not change testdata: give a new field a new
// number, or bump formatVersion and read both.
func TestTheFormatStaysAsItIs(t *testing.T) {
	s := &Spool{}
	ends, err := s.encode(goldenEvents())
	if err != nil {
		t.Fatal(err)
	}
	s.frame(ends, &segment{salt: goldenNumber, end: headerBytes})
	got := hex.Dump(append(appendHeader(nil, goldenNumber), s.batch...))
	want, err := os.ReadFile("testdata/golden.hex")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Fatalf("the file format has changed:\n%s", diff)
	}
}

func TestAnOlderSpoolIsRead(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, segmentName(goldenNumber)), unhex(t, "testdata/golden.hex"))
	s, _ := openTest(t, Config{Dir: dir})
	if diff := same(goldenEvents(), drain(t, s)); diff != "" {
		t.Fatal(diff)
	}
}

// unhex reads what hex.Dump wrote.
func unhex(t *testing.T, path string) (b []byte) {
	t.Helper()
	dump, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(dump)) {
		digits, _, _ := strings.Cut(line[8:], "|")
		part, err := hex.DecodeString(strings.Join(strings.Fields(digits), ""))
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, part...)
	}
	return b
}

func FuzzEvent(f *testing.F) {
	r := filler{rand.New(rand.NewPCG(5, 6)), 0.5}
	f.Add(appendEvent(nil, aTrap(1)))
	for range 8 {
		f.Add(appendEvent(nil, r.event()))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := parseEvent(body)
		if err != nil {
			return
		}
		again, err := parseEvent(appendEvent(nil, e))
		if err != nil {
			t.Fatal(err)
		}
		if diff := same(e, again); diff != "" {
			t.Fatal(diff)
		}
	})
}
