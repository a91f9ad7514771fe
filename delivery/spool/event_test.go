package spool

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"time"

	"github.com/google/uuid"

	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/mapping"
)

// anEvent returns a small event, the nth.
func anEvent(n int) *mapping.Event {
	at := time.Date(2026, 3, 1, 2, 3, 4, 5_000+n, time.UTC)
	return &mapping.Event{
		ID:         uuid.UUID{6: 0x70, 8: 0x80, 12: byte(n >> 24), 13: byte(n >> 16), 14: byte(n >> 8), 15: byte(n)},
		ReceivedAt: at,
		Summary:    fmt.Sprintf("event %d", n),
	}
}

// theEvents returns small events from the nth on.
func theEvents(from, n int) []*mapping.Event {
	events := make([]*mapping.Event, n)
	for i := range events {
		events[i] = anEvent(from + i)
	}
	return events
}

// aTrap returns an event such as a rule makes of a trap.
func aTrap(n int) *mapping.Event {
	return &mapping.Event{
		ID:         uuid.UUID{6: 0x70, 8: 0x80, 14: byte(n >> 8), 15: byte(n)},
		ReceivedAt: time.Date(2026, 3, 1, 2, 3, 4, 123456789, time.UTC),
		Protocol:   ingest.SNMP,
		Source:     netip.MustParseAddr("192.0.2.7"),
		Host:       "sw1.example.net",
		Rule:       "link-down",
		Decision:   mapping.Queued,
		Route:      "noc",
		API:        ingest.EventsV2,
		Action:     mapping.Trigger,
		DedupKey:   "link-down/sw1.example.net/517",
		Severity:   mapping.Error,
		Summary:    "sw1.example.net ge-0/0/17 is down: uplink to core",
		Payload: []byte(`{"event_action":"trigger","dedup_key":"link-down/sw1.example.net/517","payload":{"summary":` +
			`"sw1.example.net ge-0/0/17 is down: uplink to core","source":"sw1.example.net","severity":"error","component":"ge-0/0/17","class":"link"}}`),
		Message: []byte(`{"protocol":"snmp","source":"192.0.2.7","trap":{"version":"2c","name":"IF-MIB::linkDown","oid":"1.3.6.1.6.3.1.1.5.3"},` +
			`"vb":{"ifIndex":517,"ifAdminStatus":"up","ifOperStatus":"down","ifName":"ge-0/0/17","ifAlias":"uplink to core"}}`),
	}
}

// filler fills a value with random ones. It knows the kinds that an event is
// made of, and panics at another, so that a new field is noticed here too.
type filler struct {
	*rand.Rand
	zero float64 // how often a field stays zero
}

func (f filler) event() *mapping.Event {
	e := new(mapping.Event)
	f.fields(reflect.ValueOf(e).Elem())
	return e
}

func (f filler) fields(v reflect.Value) {
	for i := range v.NumField() {
		if f.Float64() >= f.zero {
			f.fill(v.Field(i))
		}
	}
}

func (f filler) fill(v reflect.Value) {
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Unix(f.Int64N(1<<36)-1<<35, f.Int64N(1e9)).UTC()))
		return
	case netip.Addr:
		v.Set(reflect.ValueOf(f.address()))
		return
	case uuid.UUID:
		v.Set(reflect.ValueOf(uuid.UUID(f.bytes(16))))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(string(f.bytes(1 + f.IntN(40))))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(1 + f.Int64N(1<<31-1))
	case reflect.Uint, reflect.Uint32, reflect.Uint64:
		v.SetUint(1 + f.Uint64N(1<<31-1))
	case reflect.Float64:
		v.SetFloat(f.Float64() + 1)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem())
	case reflect.Struct:
		f.fields(v)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes(f.bytes(f.IntN(400)))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 1+f.IntN(3), 4))
		for i := range v.Len() {
			f.fill(v.Index(i))
		}
	default:
		panic(fmt.Sprintf("no random %s: teach it to the filler, and to appendEvent", v.Type()))
	}
}

func (f filler) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(f.Uint32())
	}
	return b
}

func (f filler) address() netip.Addr {
	switch f.IntN(4) {
	case 0:
		return netip.AddrFrom4([4]byte(f.bytes(4)))
	case 1:
		return netip.AddrFrom16([16]byte(f.bytes(16)))
	case 2:
		return netip.AddrFrom16(netip.AddrFrom4([4]byte(f.bytes(4))).As16())
	default:
		return netip.MustParseAddr("fe80::1%eth0")
	}
}
