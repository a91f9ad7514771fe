package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/pdaltagent/pdaltagent/mapping"
)

// The fields of an event's gates, which are numbered as those of events are.
const (
	gateThresholdCount  = 1
	gateThresholdWithin = 2
	gateWindowName      = 3 // never left out of a window
	gateWindowUntil     = 4
	gateUnlessOpen      = 5
	gateHold            = 6
	gateRepeat          = 7
	gateResolveAfter    = 8
	gateStormAlerts     = 9
	gateStormWithin     = 10
	gateFlappingChanges = 11
	gateFlappingWithin  = 12
	gateFlappingQuiet   = 13
)

// appendGates appends a field that holds fields.
func appendGates(b []byte, field uint64, g *mapping.Gates) []byte {
	if g == nil {
		return b
	}
	v := make([]byte, 0, 128)
	v = appendNumber(v, gateThresholdCount, int64(g.Threshold.Count))
	v = appendNumber(v, gateThresholdWithin, int64(g.Threshold.Within))
	if w := g.Maintenance; w != nil {
		v = appendBytes(v, gateWindowName, []byte(w.Name))
		v = appendTime(v, gateWindowUntil, w.Until)
	}
	v = appendText(v, gateUnlessOpen, g.UnlessOpen)
	v = appendNumber(v, gateHold, int64(g.Hold))
	v = appendNumber(v, gateRepeat, int64(g.Repeat))
	v = appendNumber(v, gateResolveAfter, int64(g.ResolveAfter))
	v = appendNumber(v, gateStormAlerts, int64(g.Storm.Alerts))
	v = appendNumber(v, gateStormWithin, int64(g.Storm.Within))
	v = appendNumber(v, gateFlappingChanges, int64(g.Flapping.Changes))
	v = appendNumber(v, gateFlappingWithin, int64(g.Flapping.Within))
	v = appendNumber(v, gateFlappingQuiet, int64(g.Flapping.Quiet))
	return appendBytes(b, field, v)
}

func parseGates(b []byte) (*mapping.Gates, error) {
	g := new(mapping.Gates)
	return g, parseFields(b, func(field uint64, value []byte) error { return setGate(g, field, value) })
}

// setGate sets a field of g.
func setGate(g *mapping.Gates, field uint64, value []byte) (err error) {
	switch field {
	case gateThresholdCount:
		err = setNumber(&g.Threshold.Count, value)
	case gateThresholdWithin:
		err = setNumber(&g.Threshold.Within, value)
	case gateWindowName:
		window(g).Name = string(value)
	case gateWindowUntil:
		window(g).Until, err = parseTime(value)
	case gateUnlessOpen:
		g.UnlessOpen = string(value)
	case gateHold:
		err = setNumber(&g.Hold, value)
	case gateRepeat:
		err = setNumber(&g.Repeat, value)
	case gateResolveAfter:
		err = setNumber(&g.ResolveAfter, value)
	case gateStormAlerts:
		err = setNumber(&g.Storm.Alerts, value)
	case gateStormWithin:
		err = setNumber(&g.Storm.Within, value)
	case gateFlappingChanges:
		err = setNumber(&g.Flapping.Changes, value)
	case gateFlappingWithin:
		err = setNumber(&g.Flapping.Within, value)
	case gateFlappingQuiet:
		err = setNumber(&g.Flapping.Quiet, value)
	}
	return err
}

// window returns the maintenance window of g, which it gets where it has none.
func window(g *mapping.Gates) *mapping.Window {
	if g.Maintenance == nil {
		g.Maintenance = new(mapping.Window)
	}
	return g.Maintenance
}

// appendNumber appends a number or a duration, in nanoseconds.
func appendNumber(b []byte, field uint64, value int64) []byte {
	if value == 0 {
		return b
	}
	var v [binary.MaxVarintLen64]byte
	return appendBytes(b, field, v[:binary.PutVarint(v[:], value)])
}

func setNumber[N int | time.Duration](to *N, value []byte) error {
	v, n := binary.Varint(value)
	if n != len(value) || n == 0 {
		return errors.New("no number")
	}
	if *to = N(v); int64(*to) != v {
		return fmt.Errorf("%d is too large a number for this machine", v)
	}
	return nil
}
