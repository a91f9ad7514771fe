package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/pdaltagent/pdaltagent/cmd/internal/site"
	"github.com/pdaltagent/pdaltagent/mibs"
	"github.com/pdaltagent/pdaltagent/mibs/snmptt"
)

// largestConf bounds what is read of an snmptt.conf, in octets.
const largestConf = 64 << 20

// convert prints the rules that an snmptt.conf stands for.
func (m *mibBrowser) convert(ctx context.Context, file string) error {
	text, err := readConf(file)
	if err != nil {
		return err
	}
	events, faults := snmptt.Parse(text)
	if len(events) == 0 {
		return fmt.Errorf("%s: no line begins with EVENT: is it an snmptt.conf?", file)
	}
	c := converter{ctx: ctx, library: m.library, file: file, taken: map[string]bool{}, modules: map[string]map[string]mibs.Definition{}}
	for _, f := range faults {
		c.lost(f.Line, "%s", f.Text)
	}
	drafts := c.convert(events)
	about := []string{
		fmt.Sprintf("%s from %s, as 'pdagentd mib convert %s' makes them.", count(len(drafts), "rule"), filepath.Base(file), filepath.Base(file)),
		"What could not be carried over is told above its rule. Here the first rule that matches wins; where SNMPTT would " +
			"apply several events to a trap, all but the last have continue: true. What both ends of a problem tell of has " +
			"become one rule with a resolve where their names and their index say so.",
	}
	writeDrafts(m.stdout, about, drafts)
	for _, l := range c.losses {
		fmt.Fprintln(m.stderr, l)
	}
	fmt.Fprintf(m.stderr, "%s: %s, %s, %s not carried over\n",
		file, count(len(events), "event"), count(len(drafts), "rule"), count(len(c.losses), "line"))
	return nil
}

func readConf(file string) (string, error) {
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("there is no file %s", file)
	case err != nil:
		return "", site.Unreadable(file, err)
	case info.IsDir():
		return "", fmt.Errorf("%s is a folder: name an snmptt.conf in it", file)
	case info.Size() > largestConf:
		return "", fmt.Errorf("%s has %d MiB: no snmptt.conf is as large", file, info.Size()>>20)
	}
	data, err := os.ReadFile(file) //nolint:gosec // the operator names it
	if err != nil {
		return "", site.Unreadable(file, err)
	}
	return strings.ToValidUTF8(string(data), "�"), nil
}

// converter makes rules of SNMPTT's events.
type converter struct {
	ctx     context.Context
	library *mibs.Library
	file    string
	taken   map[string]bool // ids
	modules map[string]map[string]mibs.Definition
	losses  []string
	event   *eventDraft // the one that is converted
}

// eventDraft is an event on its way.
type eventDraft struct {
	*snmptt.Event
	draft
	note    *mibs.Definition // nil: the modules do not know it
	objects []string         // of its varbinds, in their order: from the modules, else from its description
	trap    string
}

// lost tells what could not be carried over.
func (c *converter) lost(line int, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	c.losses = append(c.losses, fmt.Sprintf("%s:%d: %s", c.file, line, text))
	if c.event != nil {
		c.event.comments = append(c.event.comments, "Not carried over: "+text)
	}
}

func (c *converter) convert(events []snmptt.Event) []draft {
	all := make([]*eventDraft, 0, len(events))
	seen := map[string]int{} // lines of events by what they say
	for i := range events {
		key := meaningOf(events[i])
		if line, ok := seen[key]; ok {
			c.lost(events[i].Line, "EVENT %s, which is the same as that of line %d", events[i].Name, line)
			continue
		}
		seen[key] = events[i].Line
		if e := c.convert1(&events[i]); e != nil {
			all = append(all, e)
		}
	}
	// SNMPTT tries exact OIDs before wildcards, wherever they stand.
	slices.SortStableFunc(all, func(a, b *eventDraft) int { return breadth(a.trap) - breadth(b.trap) })
	last := map[string]*eventDraft{}
	for _, e := range all {
		if before := last[e.trap]; before != nil {
			before.further = true
		}
		last[e.trap] = e
	}
	return pairEvents(all)
}

// breadth orders OIDs: exact ones, those with stars, and what stands for all.
func breadth(trap string) int {
	switch {
	case trap == "*":
		return 2
	case strings.Contains(trap, "*"):
		return 1
	}
	return 0
}

// meaningOf is all that an event says, wherever it stands.
func meaningOf(e snmptt.Event) string {
	e.Line, e.Description, e.Matches, e.Replace = 0, nil, slices.Clone(e.Matches), slices.Clone(e.Replace)
	for i := range e.Matches {
		e.Matches[i].Line = 0
	}
	for i := range e.Replace {
		e.Replace[i].Line = 0
	}
	return fmt.Sprintf("%+v", e)
}

// convert1 makes a rule of an event, nil where its OID is not known.
func (c *converter) convert1(e *snmptt.Event) *eventDraft {
	d := &eventDraft{Event: e}
	c.event = d
	defer func() { c.event = nil }()
	d.comments = append(d.comments, describeEvent(e)...)
	if !c.find(d) {
		return nil
	}
	d.id = unique(kebab(e.Name), c.taken)
	d.match.traps = []string{d.trap}
	c.nodes(d)
	c.matches(d)
	switch strings.ToUpper(e.Category) {
	case "IGNORE":
		d.drop = true
		return d
	case "LOGONLY":
		d.suppress = true
	}
	c.summary(d)
	d.event = append(d.event,
		draftField{key: "severity", value: c.severity(d)},
		draftField{key: "custom_details", value: "${vb}"})
	if e.Category != "" && !strings.EqualFold(e.Category, "LOGONLY") {
		d.event = append(d.event, draftField{key: "class", value: literal(e.Category)})
	}
	for _, command := range e.PreExec {
		c.lost(e.Line, "PREEXEC of %s: %s", e.Name, programOf(command))
	}
	for _, command := range e.Exec {
		c.lost(e.Line, "EXEC of %s: %s", e.Name, programOf(command))
	}
	return d
}

// programOf is what a command runs, without its flags and what they say, among
// which there may be passwords.
func programOf(command string) string {
	words := strings.Fields(command)
	n := 0
	for n < min(len(words), 2) && !strings.ContainsAny(words[n][:1], "-$\"'") {
		n++
	}
	if n < len(words) {
		return strings.Join(append(words[:n:n], "…"), " ")
	}
	return command
}

// describeEvent is the description of an event, shortened, without the list of
// variables that snmpttconvertmib adds.
func describeEvent(e *snmptt.Event) (paragraphs []string) {
	text, lines := e.Name, e.Description
	if i := slices.Index(lines, "Variables:"); i >= 0 {
		lines = lines[:i]
	}
	if says := strings.Join(strings.Fields(strings.Join(lines, " ")), " "); says != "" {
		text += ": " + says
	}
	const most = 600
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + " …"
	}
	return []string{text}
}

// find says which trap an event is about, and what it carries.
func (c *converter) find(d *eventDraft) bool {
	d.trap = d.OID
	if strings.Contains(d.OID, "*") {
		return true
	}
	module, label, instance, err := c.library.Resolve(d.OID)
	numeric := d.OID != "" && '0' <= d.OID[0] && d.OID[0] <= '9'
	switch {
	case err == nil && instance == "":
		if n := c.definition(module, label); n != nil && n.Kind == "notification" {
			d.note, d.trap = n, module+"::"+label
		}
	case !numeric:
		c.lost(d.Line, "EVENT %s: %v", d.Name, err)
		return false
	default:
		if _, err := c.library.OID(d.OID); err != nil {
			c.lost(d.Line, "EVENT %s: %v", d.Name, err)
			return false
		}
	}
	d.objects = listedVariables(d.Description)
	if d.note != nil {
		d.objects = nil
		for i := range d.note.Objects {
			d.objects = append(d.objects, d.note.Objects[i].Label)
		}
	}
	return true
}

func (c *converter) definition(module, label string) *mibs.Definition {
	known, ok := c.modules[module]
	if !ok {
		known = map[string]mibs.Definition{}
		all, err := c.library.Definitions(c.ctx, module)
		for i := range all {
			known[all[i].Label] = all[i]
		}
		if err != nil {
			c.losses = append(c.losses, fmt.Sprintf("%s: %v", c.file, err))
		}
		c.modules[module] = known
	}
	if d, ok := known[label]; ok {
		return &d
	}
	return nil
}

// listedVariables finds the objects in a description that snmpttconvertmib
// made: a line "Variables:", and then "  1: ifIndex" and so on.
func listedVariables(description []string) (objects []string) {
	variable := regexp.MustCompile(`^(\d+): ([a-zA-Z][\w-]*)$`)
	listing := false
	for _, line := range description {
		line = strings.TrimSpace(line)
		listing = listing || line == "Variables:"
		if m := variable.FindStringSubmatch(line); m != nil && listing && m[1] == fmt.Sprint(len(objects)+1) {
			objects = append(objects, m[2])
		}
	}
	return objects
}

// severity is one of ours for one of SNMPTT's, which are free words.
func (c *converter) severity(d *eventDraft) string {
	switch word := strings.ToLower(d.Severity); word {
	case "critical", "error", "warning", "info":
		return word
	case "severe", "fatal", "emergency", "alert":
		return "critical"
	case "major":
		return "error"
	case "minor", "unknown", "":
		return "warning"
	case "normal", "ok", "informational", "information", "notice", "debug", "cleared", "clear", "indeterminate":
		return "info"
	}
	c.lost(d.Line, "the severity %q of %s, which has become warning", d.Severity, d.Name)
	return "warning"
}

// pairEvents makes one rule of the events that begin and end one problem: by
// their names, where the modules say that their index can be the same, and
// nothing else tells them apart.
func pairEvents(all []*eventDraft) (drafts []draft) {
	gone := map[*eventDraft]bool{}
	for _, end := range all {
		if !end.plain() || severityText(&end.draft) != "info" {
			continue
		}
		for _, begin := range all {
			if begin == end || gone[begin] || !begin.plain() || begin.note.Module != end.note.Module {
				continue
			}
			if ends(end.note.Label, begin.note.Label) && sameIndex(end.note, begin.note) {
				begin.resolve = &draftMatch{traps: []string{end.trap}}
				begin.comments = append(begin.comments, end.comments...)
				gone[end] = true
				break
			}
		}
	}
	for _, e := range all {
		if !gone[e] {
			drafts = append(drafts, e.draft)
		}
	}
	return drafts
}

// plain says whether nothing but its trap says whether the rule matches.
func (d *eventDraft) plain() bool {
	return d.note != nil && d.match.when == "" && len(d.match.from) == 0 && !d.further && !d.drop && !d.suppress && d.resolve == nil
}

func severityText(d *draft) string {
	for _, f := range d.event {
		if f.key == "severity" {
			return f.value
		}
	}
	return ""
}
