package mibs

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// OID returns the OID that a name stands for: "IF-MIB::linkDown", "linkDown"
// where only one module defines it, or a prefix of either with an instance,
// "IF-MIB::ifDescr.5". Numbers pass, with or without a leading dot, and come
// back as the notification's own OID where they are its other form
// (enterprise.0.N for enterprise.N or the other way round).
//
// An error names the mend: a near name, or the modules to choose from.
func (m *Modules) OID(name string) (string, error) {
	if name == "" {
		return "", errors.New("an empty name has no OID")
	}
	if c := name[0]; c == '.' || '0' <= c && c <= '9' {
		return m.numeric(name)
	}
	module, rest, qualified := strings.Cut(name, "::")
	if !qualified {
		module, rest = "", name
	}
	label, instance, _ := strings.Cut(rest, ".")
	n, err := m.lookUp(module, label)
	if err != nil {
		return "", err
	}
	if label == rest {
		return n.oid, nil
	}
	if !isOID(instance) {
		return "", fmt.Errorf("%s: %q is no instance: write numbers joined by dots after %s", name, instance, label)
	}
	return n.oid + "." + instance, nil
}

func (m *Modules) numeric(name string) (string, error) {
	oid := strings.TrimPrefix(name, ".")
	if !isOID(oid) {
		return "", fmt.Errorf("%s is no OID: write numbers up to 4294967295 joined by dots, or MODULE::name", name)
	}
	if m.byOID[oid] == nil {
		if n := m.otherForm(oid); n != nil {
			return n.oid, nil
		}
	}
	return oid, nil
}

// lookUp finds what a label stands for in a module, or in any where module is
// empty.
func (m *Modules) lookUp(module, label string) (*node, error) {
	all := m.byLabel[label]
	if module == "" {
		return m.onlyOne(label, all)
	}
	if i := slices.IndexFunc(all, func(n *node) bool { return n.module == module }); i >= 0 {
		return all[i], nil
	}
	if _, ok := slices.BinarySearch(m.names, module); !ok {
		return nil, m.noModule(module, all)
	}
	if len(all) > 0 {
		return nil, fmt.Errorf("no %s in %s; did you mean %s?", label, module, m.either(all))
	}
	near := nearest(label, func(yield func(string) bool) {
		for l, nodes := range m.byLabel {
			if slices.ContainsFunc(nodes, func(n *node) bool { return n.module == module }) && !yield(l) {
				return
			}
		}
	})
	if near == "" {
		return nil, fmt.Errorf("no %s in %s", label, module)
	}
	return nil, fmt.Errorf("no %s in %s; did you mean %s::%s?", label, module, module, near)
}

func (m *Modules) onlyOne(label string, all []*node) (*node, error) {
	if len(all) == 0 {
		near := nearest(label, func(yield func(string) bool) {
			for l := range m.byLabel {
				if !yield(l) {
					return
				}
			}
		})
		if near == "" {
			return nil, fmt.Errorf("no module defines %s; is its file in a folder named by mibs:?", label)
		}
		return nil, fmt.Errorf("no module defines %s; did you mean %s?", label, m.either(m.byLabel[near]))
	}
	for _, n := range all[1:] {
		if n.oid != all[0].oid {
			return nil, fmt.Errorf("%s has several meanings; write %s", label, m.either(all))
		}
	}
	return all[0], nil
}

func (m *Modules) noModule(module string, all []*node) error {
	const mend = "put its file in a folder named by mibs:"
	if len(all) > 0 {
		return fmt.Errorf("no module %s; did you mean %s? else %s", module, m.either(all), mend)
	}
	if near := nearest(module, slices.Values(m.names)); near != "" {
		return fmt.Errorf("no module %s; did you mean %s? else %s", module, near, mend)
	}
	return fmt.Errorf("no module %s; %s", module, mend)
}

// either joins the names of nodes, those of one OID under its best name.
func (m *Modules) either(nodes []*node) string {
	var names []string
	for _, n := range nodes {
		if best := m.byOID[n.oid]; best.label == n.label {
			n = best
		}
		if name := n.module + "::" + n.label; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if more := len(names) - 3; more > 1 {
		names = append(names[:3], fmt.Sprintf("one of %d more", more))
	}
	return strings.Join(names, " or ")
}

// isOID says whether s is numbers of 32 bits joined by dots.
func isOID(s string) bool {
	for {
		arc, rest, more := strings.Cut(s, ".")
		if _, err := strconv.ParseUint(arc, 10, 32); err != nil {
			return false
		}
		if !more {
			return true
		}
		s = rest
	}
}

// compareOIDs orders well-formed OIDs by their numbers.
func compareOIDs(a, b string) int {
	for a != "" && b != "" {
		var x, y string
		x, a, _ = strings.Cut(a, ".")
		y, b, _ = strings.Cut(b, ".")
		if c := cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y)); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}
