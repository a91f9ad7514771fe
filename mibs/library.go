package mibs

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/golangsnmp/gomib"
	"github.com/golangsnmp/gomib/mib"
)

// Library is Modules together with where their texts are, for commands that
// show them to people. Its methods read files again, which may have changed
// since.
type Library struct {
	*Modules

	folders, builtIn *source
}

// Definition is what a module says of one of its names. What it does not say
// is empty.
type Definition struct {
	Module, Label, OID string
	Kind               string // "notification", "scalar", "column", "table", "row" or "node"
	Syntax             string // "DisplayString (OCTET STRING, 0..255 octets)"
	Hint, Units        string
	Access, Status     string
	Description        string
	Reference          string
	Enums              []NamedNumber // of an enumeration or of BITS
	Index              []string      // of a row, a column or a table: MODULE::label, after "IMPLIED " where it is
	Augments           string        // the row that this one adds to
	Columns            []string      // of a table or a row: labels
	Objects            []Definition  // of a notification, in the order in which they are sent
	Tags               Tags          // of a notification
}

// NamedNumber is a label of an enumeration, or the name of a bit.
type NamedNumber struct {
	Number int64
	Label  string
}

// Definition returns what a module says of a label. The error names the mend.
func (l *Library) Definition(ctx context.Context, module, label string) (Definition, error) {
	all, err := l.Definitions(ctx, module)
	if err != nil {
		return Definition{}, err
	}
	for _, d := range all {
		if d.Label == label {
			return d, nil
		}
	}
	return Definition{}, fmt.Errorf("no %s in %s any more: were its files changed?", label, module)
}

// Definitions returns what a module says of its names, in the order of their
// OIDs. The error is that of ctx, or says that there is no such module, and
// names the mend.
func (l *Library) Definitions(ctx context.Context, module string) ([]Definition, error) {
	if _, ok := l.module(module); !ok {
		return nil, l.noModule(module, nil)
	}
	var all []Definition
	known := map[string]bool{}
	for _, sources := range [][]gomib.Source{{l.folders, l.builtIn}, {l.builtIn}} {
		model, err := read(ctx, []string{module}, sources...)
		if err != nil {
			return nil, fmt.Errorf("module %s: %w", module, err)
		}
		for _, d := range definitions(model, module, l.tags(module)) {
			if !known[d.Label] {
				known[d.Label] = true
				all = append(all, d)
			}
		}
	}
	slices.SortFunc(all, func(a, b Definition) int { return compareOIDs(a.OID, b.OID) })
	return all, nil
}

// Resolve returns the module and label that a name or an OID stands for, and
// what follows it. The error names the mend.
func (l *Library) Resolve(name string) (module, label, instance string, err error) {
	oid, err := l.OID(name)
	if err != nil {
		return "", "", "", err
	}
	if m, rest, ok := strings.Cut(name, "::"); ok {
		label, instance, _ = strings.Cut(rest, ".")
		return m, label, instance, nil // which may be another name than the best one
	}
	if d := l.exactly(oid); d != nil {
		return l.modules[d.module].Name, l.label(d), "", nil
	}
	if module, label, instance, ok := l.Name(oid); ok {
		return module, label, instance, nil
	}
	return "", "", "", fmt.Errorf("no module defines %s or an object that it begins with", oid)
}

// tags returns the comments on a module's notifications.
func (l *Library) tags(module string) map[string]Tags {
	found, err := gomib.Multi(l.folders, l.builtIn).Find(module)
	if err != nil {
		return nil
	}
	return tagsIn(string(found.Content))
}

func definitions(model *mib.Mib, name string, tags map[string]Tags) (all []Definition) {
	module := model.Module(name)
	if module == nil {
		return nil
	}
	for _, o := range module.Objects() {
		if o.OID() != nil {
			all = append(all, describe(o))
		}
	}
	for _, n := range module.Notifications() {
		if n.OID() == nil {
			continue
		}
		d := Definition{
			Module: name, Label: n.Name(), OID: n.OID().String(), Kind: "notification", Status: n.Status().String(),
			Description: tidy(n.Description()), Reference: tidy(n.Reference()), Tags: tags[n.Name()],
		}
		for _, o := range n.Objects() {
			d.Objects = append(d.Objects, describe(o))
		}
		all = append(all, d)
	}
	for n := range model.Nodes() {
		if n.Name() != "" && n.Module() == module && isPlain(n) {
			all = append(all, Definition{Module: name, Label: n.Name(), OID: n.OID().String(), Kind: "node"})
		}
	}
	return all
}

func describe(o *mib.Object) Definition {
	d := Definition{
		Module: o.Module().Name(), Label: o.Name(), OID: o.OID().String(), Kind: o.Kind().String(),
		Syntax: syntaxText(o), Hint: hintOf(o), Units: o.Units(), Access: o.Access().String(), Status: o.Status().String(),
		Description: tidy(o.Description()), Reference: tidy(o.Reference()),
	}
	for _, v := range slices.Concat(o.EffectiveEnums(), o.EffectiveBits()) {
		d.Enums = append(d.Enums, NamedNumber{v.Value, asWritten(v.Label)})
	}
	row := o
	switch {
	case o.IsColumn():
		row = o.Row()
	case o.IsTable():
		row = o.Entry()
	case !o.IsRow():
		return d
	}
	if row == nil {
		return d
	}
	for _, e := range row.EffectiveIndexes() {
		name := e.Object.Name()
		if e.Object.Module() != nil {
			name = e.Object.Module().Name() + "::" + name
		}
		if e.Implied {
			name = "IMPLIED " + name
		}
		d.Index = append(d.Index, name)
	}
	if a := row.Augments(); a != nil {
		d.Augments = a.Name()
	}
	if !o.IsColumn() {
		for _, c := range row.Columns() {
			d.Columns = append(d.Columns, c.Name())
		}
	}
	return d
}

// syntaxText says what values an object has, without the labels of an
// enumeration.
func syntaxText(o *mib.Object) string {
	t := o.Type()
	if t == nil {
		return ""
	}
	name, base := t.Name(), t.EffectiveBase().String()
	if name == "INTEGER" {
		name = ""
	}
	var limits []string
	for _, r := range o.EffectiveSizes() {
		limits = append(limits, r.String())
	}
	unit := " octets"
	if len(limits) == 0 {
		unit = ""
		for _, r := range o.EffectiveRanges() {
			limits = append(limits, r.String())
		}
	}
	in := strings.Join(limits, " or ")
	switch {
	case in != "":
		in += unit
	case name == "" || name == base:
		return base
	}
	if name == "" || name == base {
		return base + " (" + in + ")"
	}
	if in != "" {
		in = ", " + in
	}
	return name + " (" + base + in + ")"
}

// tidy makes paragraphs of a description, which modules indent.
func tidy(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" && b.Len() > 0 && !strings.HasSuffix(b.String(), "\n\n"):
			b.WriteString("\n\n")
		case line != "":
			if s := b.String(); s != "" && !strings.HasSuffix(s, "\n") {
				b.WriteByte(' ')
			}
			b.WriteString(line)
		}
	}
	return strings.TrimSpace(strings.ToValidUTF8(b.String(), "�"))
}

// compareOIDs orders well-formed OIDs by their numbers.
func compareOIDs(a, b string) int {
	for a != "" && b != "" {
		x, n := cutArc(a)
		y, k := cutArc(b)
		switch {
		case n == 0 || k == 0 || x < y:
			return -1
		case x > y:
			return 1
		}
		a, b = a[n:], b[k:]
	}
	return len(a) - len(b)
}
