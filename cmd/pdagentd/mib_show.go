package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/pdaltagent/pdaltagent/mibs"
)

// show prints what a module says of an object or a notification.
func (m *mibBrowser) show(ctx context.Context, name string) error {
	module, label, instance, err := m.library.Resolve(name)
	if err != nil {
		return err
	}
	d, err := m.library.Definition(ctx, module, label)
	if err != nil {
		return err
	}
	p := page{w: m.stdout, width: columnsOf(m.stdout)}
	fmt.Fprintf(m.stdout, "%s::%s\n", d.Module, d.Label)
	p.field("OID", d.OID)
	p.field("is", m.whatIs(&d))
	p.syntax(&d)
	p.field("index", indexText(&d))
	if instance != "" {
		p.field("instance", m.instanceText(&d, instance))
	}
	p.field("status", statusText(&d))
	p.tags(&d)
	p.paragraphs("says", d.Description)
	p.paragraphs("see", d.Reference)
	p.objects("carries", d.Objects)
	columns, err := m.columns(ctx, &d)
	p.objects("columns", columns)
	return err
}

// whatIs says what a definition is, and what it belongs to.
func (m *mibBrowser) whatIs(d *mibs.Definition) string {
	parent := d.OID
	if i := strings.LastIndexByte(parent, '.'); i > 0 {
		parent = parent[:i]
	}
	switch d.Kind {
	case "column", "row":
		if _, label, _, err := m.library.Resolve(parent); err == nil {
			return "a " + d.Kind + " of " + label
		}
	case "node":
		return "a name for an OID, without values"
	}
	return "a " + d.Kind
}

// instanceText is an instance as it came and, where that is another text, as
// rules see it.
func (m *mibBrowser) instanceText(d *mibs.Definition, instance string) string {
	if index := m.library.Index(d.OID + "." + instance); index != "" && index != instance {
		return instance + ", which rules see as index " + strconv.Quote(index)
	}
	return instance
}

// columns returns the columns of a table or a row.
func (m *mibBrowser) columns(ctx context.Context, d *mibs.Definition) (columns []mibs.Definition, err error) {
	if len(d.Columns) == 0 {
		return nil, nil
	}
	all, err := m.library.Definitions(ctx, d.Module)
	for _, label := range d.Columns {
		for i := range all {
			if all[i].Label == label {
				columns = append(columns, all[i])
			}
		}
	}
	return columns, err
}

func indexText(d *mibs.Definition) string {
	parts := make([]string, len(d.Index))
	for i, part := range d.Index {
		implied, name, ok := strings.Cut(part, " ")
		if !ok {
			implied, name = "", part
		}
		if module, label, ok := strings.Cut(name, "::"); ok && module == d.Module {
			name = label
		}
		parts[i] = strings.TrimSpace(implied + " " + name)
	}
	text := strings.Join(parts, ", ")
	if d.Augments != "" {
		text += ", as it augments " + d.Augments
	}
	return text
}

func statusText(d *mibs.Definition) string {
	if d.Access == "" || d.Kind == "table" || d.Kind == "row" {
		return d.Status
	}
	return d.Status + ", " + d.Access
}

// page prints fields with their names in a column of their own.
type page struct {
	w     io.Writer
	width int
}

// margin is the width of the column of names.
const margin = 12

func (p *page) field(name, text string) {
	for i, line := range wrapped(text, p.width-margin) {
		if i > 0 {
			name = ""
		}
		fmt.Fprintf(p.w, "  %-*s%s\n", margin-2, name, line)
	}
}

// paragraphs prints a text of several paragraphs.
func (p *page) paragraphs(name, text string) {
	for i, paragraph := range strings.Split(text, "\n\n") {
		if i > 0 {
			fmt.Fprintln(p.w)
			name = ""
		}
		p.field(name, paragraph)
	}
}

// syntax prints what values an object has.
func (p *page) syntax(d *mibs.Definition) {
	text := d.Syntax
	if d.Units != "" {
		text += ", in " + d.Units
	}
	p.field("syntax", text)
	if d.Hint != "" {
		p.field("hint", d.Hint)
	}
	p.field("values", enumText(d))
}

func enumText(d *mibs.Definition) string {
	values := make([]string, len(d.Enums))
	for i, v := range d.Enums {
		values[i] = fmt.Sprintf("%s(%d)", v.Label, v.Number)
	}
	return strings.Join(values, ", ")
}

// tags prints what comments on a notification say.
func (p *page) tags(d *mibs.Definition) {
	p.field("severity", d.Tags.Severity)
	p.field("state", d.Tags.State)
	p.field("summary", d.Tags.Summary)
}

// objects prints a line for each of several objects.
func (p *page) objects(name string, all []mibs.Definition) {
	longest := 0
	for i := range all {
		longest = max(longest, len(all[i].Label))
	}
	for i := range all {
		d := &all[i]
		what := d.Syntax
		if len(d.Enums) > 0 {
			what = enumText(d)
		}
		lines := wrapped(what, max(p.width-margin-longest-2, 30))
		for j, line := range lines {
			label := d.Label
			if j > 0 {
				label = ""
			}
			fmt.Fprintf(p.w, "  %-*s%-*s  %s\n", margin-2, name, longest, label, line)
			name = ""
		}
	}
}

// wrapped breaks a text into lines of at most width characters, where it has
// spaces.
func wrapped(text string, width int) (lines []string) {
	line, length := "", 0
	for word := range strings.FieldsSeq(text) {
		n := len([]rune(word))
		if line != "" && length+1+n > width {
			lines = append(lines, line)
			line, length = "", 0
		}
		if line != "" {
			line, length = line+" ", length+1
		}
		line, length = line+word, length+n
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// columnsOf returns the width of a terminal, 100 of what is none.
func columnsOf(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil && size.Col >= 40 {
			return int(size.Col)
		}
	}
	return 100
}
