package mapping_test

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/pdaltagent/pdaltagent/mapping"
)

// object is what a module says about an OID.
type object struct {
	oid, module, label string
	column             bool
	enum               map[int64]string
	hint               func([]byte) string
}

// smi is a Namer over a few objects of real modules.
type smi struct{ byOID, byName map[string]*object }

var (
	_ mapping.Carrier = (*smi)(nil)
	_ mapping.Labeler = (*smi)(nil)
)

func newSMI() *smi {
	status := map[int64]string{1: "up", 2: "down", 3: "testing"}
	peer := map[int64]string{1: "idle", 2: "connect", 3: "active", 6: "established"}
	mac := func(b []byte) string {
		parts := make([]string, len(b))
		for i, c := range b {
			parts[i] = fmt.Sprintf("%x", c)
		}
		return strings.Join(parts, ":")
	}
	n := &smi{map[string]*object{}, map[string]*object{}}
	for _, o := range []object{
		{oid: "1.3.6.1.6.3.1.1.5.1", module: "SNMPv2-MIB", label: "coldStart"},
		{oid: "1.3.6.1.6.3.1.1.5.3", module: "IF-MIB", label: "linkDown"},
		{oid: "1.3.6.1.6.3.1.1.5.4", module: "IF-MIB", label: "linkUp"},
		{oid: "1.3.6.1.2.1.2.2.1.1", module: "IF-MIB", label: "ifIndex", column: true},
		{oid: "1.3.6.1.2.1.2.2.1.2", module: "IF-MIB", label: "ifDescr", column: true},
		{oid: "1.3.6.1.2.1.2.2.1.6", module: "IF-MIB", label: "ifPhysAddress", column: true, hint: mac},
		{oid: "1.3.6.1.2.1.2.2.1.7", module: "IF-MIB", label: "ifAdminStatus", column: true, enum: status},
		{oid: "1.3.6.1.2.1.2.2.1.8", module: "IF-MIB", label: "ifOperStatus", column: true, enum: status},
		{oid: "1.3.6.1.2.1.31.1.1.1.1", module: "IF-MIB", label: "ifName", column: true},
		{oid: "1.3.6.1.2.1.31.1.1.1.18", module: "IF-MIB", label: "ifAlias", column: true},
		{oid: "1.3.6.1.2.1.15.3.1.2", module: "BGP4-MIB", label: "bgpPeerState", column: true, enum: peer},
		{oid: "1.3.6.1.2.1.15.3.1.14", module: "BGP4-MIB", label: "bgpPeerLastError", column: true},
		{oid: "1.3.6.1.2.1.15.0.1", module: "BGP4-MIB", label: "bgpEstablishedNotification"},
		{oid: "1.3.6.1.2.1.15.0.2", module: "BGP4-MIB", label: "bgpBackwardTransNotification"},
		{oid: "1.3.6.1.2.1.15.7.1", module: "BGP4-MIB", label: "bgpEstablished"},
		{oid: "1.3.6.1.2.1.15.7.2", module: "BGP4-MIB", label: "bgpBackwardTransition"},
		{oid: "1.3.6.1.2.1.33.2.1", module: "UPS-MIB", label: "upsTrapOnBattery"},
		{oid: "1.3.6.1.2.1.33.2.4", module: "UPS-MIB", label: "upsTrapAlarmEntryRemoved"},
		{oid: "1.3.6.1.2.1.33.1.2.3", module: "UPS-MIB", label: "upsEstimatedMinutesRemaining"},
		{oid: "1.3.6.1.2.1.33.1.6.2.1.2", module: "UPS-MIB", label: "upsAlarmDescr", column: true},
		{oid: "1.3.6.1.2.1.33.1.6.3.2", module: "UPS-MIB", label: "upsAlarmOnBattery"},
		{oid: "1.3.6.1.2.1.1.5", module: "SNMPv2-MIB", label: "sysName"},
	} {
		n.byOID[o.oid], n.byName[o.module+"::"+o.label], n.byName[o.label] = &o, &o, &o
	}
	return n
}

func (n *smi) OID(name string) (string, error) {
	if o := n.byName[name]; o != nil {
		return o.oid, nil
	}
	if name != "" && '0' <= name[0] && name[0] <= '9' {
		return name, nil
	}
	var known []string
	for name := range n.byName {
		known = append(known, name)
	}
	return "", fmt.Errorf("no loaded module defines %q%s", name, mapping.DidYouMean(name, known))
}

func (n *smi) find(oid string) (*object, string) {
	for at := len(oid); at > 0; at = strings.LastIndexByte(oid[:at], '.') {
		if o := n.byOID[oid[:at]]; o != nil {
			return o, strings.TrimPrefix(oid[at:], ".")
		}
	}
	return nil, ""
}

func (n *smi) Name(oid string) (module, label, instance string, ok bool) {
	o, instance := n.find(oid)
	if o == nil {
		return "", "", "", false
	}
	return o.module, o.label, instance, true
}

func (n *smi) Value(oid string, v any) any {
	o, _ := n.find(oid)
	if o == nil {
		return v
	}
	switch v := v.(type) {
	case int64:
		if word := o.enum[v]; word != "" {
			return word
		}
	case []byte:
		if o.hint != nil {
			return o.hint(v)
		}
	case string:
		if named, instance := n.find(v); named != nil && instance == "" {
			return named.label
		}
	}
	return v
}

func (n *smi) Index(oid string) string {
	if o, instance := n.find(oid); o != nil && o.column {
		return instance
	}
	return ""
}

// Carries knows what a few notifications carry.
func (n *smi) Carries(oid string) (objects []string, ok bool) {
	carried := map[string][]string{
		"linkDown":         {"ifIndex", "ifAdminStatus", "ifOperStatus"},
		"linkUp":           {"ifIndex", "ifAdminStatus", "ifOperStatus"},
		"upsTrapOnBattery": {"upsEstimatedMinutesRemaining"},
	}
	o := n.byOID[oid]
	if o == nil || carried[o.label] == nil {
		return nil, false
	}
	for _, name := range carried[o.label] {
		objects = append(objects, n.byName[name].oid)
	}
	return objects, true
}

// HasLabel knows the labels of newSMI.
func (n *smi) HasLabel(label string) bool { return n.byName[label] != nil }

// NearLabel knows one misspelling.
func (n *smi) NearLabel(label string) string {
	if label == "ifAdminStaus" {
		return "ifAdminStatus"
	}
	return ""
}

// instance returns the OID of "label.instance", or of dotted decimal.
func (n *smi) instance(name string) string {
	label, instance, dotted := strings.Cut(name, ".")
	o := n.byName[label]
	if o == nil {
		return name
	}
	if !dotted {
		return o.oid
	}
	return o.oid + "." + instance
}

// number reads the value of an enumeration's word.
func (n *smi) number(oid, s string) (int64, bool) {
	if o, _ := n.find(oid); o != nil {
		for i, word := range o.enum {
			if word == s {
				return i, true
			}
		}
	}
	i, err := strconv.ParseInt(s, 10, 64)
	return i, err == nil
}
