package mibs

import (
	"errors"
	"fmt"
	"slices"
	"sort"
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
	d, err := m.lookUp(module, label)
	if err != nil {
		return "", err
	}
	if label == rest {
		return m.tree.oid(d.node), nil
	}
	if !isOID(instance) {
		return "", fmt.Errorf("%s: %q is no instance: write numbers joined by dots after %s", name, instance, label)
	}
	return m.tree.oid(d.node) + "." + instance, nil
}

func (m *Modules) numeric(name string) (string, error) {
	oid := strings.TrimPrefix(name, ".")
	if !isOID(oid) {
		return "", fmt.Errorf("%s is no OID: write numbers up to 4294967295 joined by dots, or MODULE::name", name)
	}
	if m.exactly(oid) == nil {
		if d := m.otherForm(oid); d != nil {
			return m.tree.oid(d.node), nil
		}
	}
	return oid, nil
}

// labelled returns the definitions of a label, by module.
func (m *Modules) labelled(label string) []definition {
	low := sort.Search(len(m.defs), func(i int) bool { return m.label(&m.defs[i]) >= label })
	high := low
	for high < len(m.defs) && m.label(&m.defs[high]) == label {
		high++
	}
	return m.defs[low:high]
}

// lookUp finds what a label stands for in a module, or in any where module is
// empty.
func (m *Modules) lookUp(module, label string) (*definition, error) {
	all := m.labelled(label)
	if module == "" {
		return m.onlyOne(label, all)
	}
	i, ok := m.module(module)
	if !ok {
		return nil, m.noModule(module, all)
	}
	if n := slices.IndexFunc(all, func(d definition) bool { return d.module == i }); n >= 0 {
		return &all[n], nil
	}
	if len(all) > 0 {
		return nil, fmt.Errorf("no %s in %s; did you mean %s?", label, module, m.either(all))
	}
	near := nearest(label, func(yield func(string) bool) {
		for n := range m.defs {
			if d := &m.defs[n]; d.module == i && !yield(m.label(d)) {
				return
			}
		}
	})
	if near == "" {
		return nil, fmt.Errorf("no %s in %s", label, module)
	}
	return nil, fmt.Errorf("no %s in %s; did you mean %s::%s?", label, module, module, near)
}

func (m *Modules) onlyOne(label string, all []definition) (*definition, error) {
	if len(all) == 0 {
		near := nearest(label, func(yield func(string) bool) {
			for n := range m.defs {
				if !yield(m.label(&m.defs[n])) {
					return
				}
			}
		})
		if near == "" {
			return nil, fmt.Errorf("no module defines %s; is its file in a folder named by mibs:?", label)
		}
		return nil, fmt.Errorf("no module defines %s; did you mean %s?", label, m.either(m.labelled(near)))
	}
	for _, d := range all[1:] {
		if d.node != all[0].node {
			return nil, fmt.Errorf("%s has several meanings; write %s", label, m.either(all))
		}
	}
	return &all[0], nil
}

func (m *Modules) noModule(module string, all []definition) error {
	const mend = "put its file in a folder named by mibs:"
	if len(all) > 0 {
		return fmt.Errorf("no module %s; did you mean %s? else %s", module, m.either(all), mend)
	}
	if near := m.nearModule(module); near != "" {
		return fmt.Errorf("no module %s; did you mean %s? else %s", module, near, mend)
	}
	return fmt.Errorf("no module %s; %s", module, mend)
}

// nearModule is nearest for modules. The ending that nearly all of them have
// makes no two of them alike.
func (m *Modules) nearModule(module string) string {
	most := max(1, (len(strings.TrimSuffix(module, "-MIB"))+1)/3)
	return nearestWithin(most, module, slices.Values(m.Names()))
}

// either joins the names of definitions, those of one OID under its best name.
func (m *Modules) either(all []definition) string {
	var names []string
	for _, d := range all {
		if best := m.defs[m.tree.defs[d.node]]; m.label(&best) == m.label(&d) {
			d = best
		}
		if name := m.modules[d.module].Name + "::" + m.label(&d); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if more := len(names) - 3; more > 1 {
		names = append(names[:3], fmt.Sprintf("one of %d more", more))
	}
	return strings.Join(names, " or ")
}
