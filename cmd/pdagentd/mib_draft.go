package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pdaltagent/pdaltagent/mibs"
)

// draft is the rule of a problem.
func (p *problem) draft() draft {
	n := &p.begin[0]
	d := draft{id: kebab(n.Label)}
	for i := range p.begin {
		d.match.traps = append(d.match.traps, n.Module+"::"+p.begin[i].Label)
		d.comments = append(d.comments, about(&p.begin[i]))
	}
	for i := range p.end {
		end := &p.end[i]
		if d.resolve == nil {
			d.resolve = &draftMatch{}
		}
		d.resolve.traps = append(d.resolve.traps, end.Module+"::"+end.Label)
		if says := firstSentence(end.Description); says != "" {
			d.comments = append(d.comments, "Its end, "+end.Label+": "+says)
		}
	}
	if objects := carries(n); objects != "" {
		d.comments = append(d.comments, objects)
	}
	severity := draftField{key: "severity"}
	if state := stateOf(n); state != nil && len(p.end) == 0 && len(p.begin) == 1 {
		d.byState(state, &severity)
	}
	if severity.mapping == nil {
		severity.value = severityOf(n.Tags.Severity, n.Tags.State, n.Label, n.Description)
	}
	d.event = append(d.event, draftField{key: "summary", value: summaryOf(n)}, severity)
	if component := componentOf(n); component != "" {
		d.event = append(d.event, draftField{key: "component", value: component})
	}
	d.event = append(d.event, draftField{key: "custom_details", value: "${vb}"})
	return d
}

// about is the description of a notification, shortened.
func about(n *mibs.Definition) string {
	text := strings.ReplaceAll(n.Description, "\n\n", " ")
	const most = 500
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + " …"
	}
	head := n.Label
	if n.Tags.Type != "" {
		head += " (" + n.Tags.Type + ")"
	}
	if text != "" {
		head += ": " + text
	}
	if n.Status == "obsolete" || n.Status == "deprecated" {
		head += " This notification is " + n.Status + "."
	}
	return head
}

func firstSentence(text string) string {
	text, _, _ = strings.Cut(text, "\n\n")
	sentence, rest, ok := strings.Cut(text, ". ")
	if ok && rest != "" {
		sentence += "."
	}
	const most = 200
	if runes := []rune(sentence); len(runes) > most {
		return string(runes[:most]) + " …"
	}
	return sentence
}

// carries lists the objects of a notification with the words that they have
// for values.
func carries(n *mibs.Definition) string {
	var objects []string
	for i := range n.Objects {
		o := &n.Objects[i]
		text := "vb." + o.Label
		if labels := labelsOf(o); len(labels) > 0 {
			more := ""
			if len(labels) > 8 {
				labels, more = labels[:8], " …"
			}
			text += " (" + strings.Join(labels, ", ") + more + ")"
		}
		objects = append(objects, text)
	}
	if len(objects) == 0 {
		return ""
	}
	text := "Carries " + strings.Join(objects, ", ") + "."
	if c := indexColumn(n); c != nil && len(c.Index) > 0 {
		text += " index: " + indexText(c) + "."
	}
	return text
}

func labelsOf(o *mibs.Definition) (labels []string) {
	for _, v := range o.Enums {
		labels = append(labels, v.Label)
	}
	return labels
}

// summaryOf is what a tag says, else the words of the name and the values of
// the first objects.
func summaryOf(n *mibs.Definition) string {
	if s, ok := tagSummary(n); ok {
		return "${source}: " + s
	}
	text, separator := "${source}: "+strings.Join(telling(n.Label), " "), ": "
	for _, o := range shown(n) {
		text += separator + readable(o.Label, n.Label) + " " + value(o)
		separator = ", "
	}
	return text
}

// shown are the objects of a notification that a summary has room for: those
// that say something before mere numbers.
func shown(n *mibs.Definition) []*mibs.Definition {
	const most = 4
	var objects []*mibs.Definition
	for i := range n.Objects {
		objects = append(objects, &n.Objects[i])
	}
	for i := len(objects) - 1; i >= 0 && len(objects) > most; i-- {
		if o := objects[i]; len(o.Enums) == 0 && !strings.Contains(o.Syntax, "OCTET STRING") {
			objects = slices.Delete(objects, i, i+1)
		}
	}
	return objects[:min(len(objects), most)]
}

// readable is the words of an object's name, without those that it begins
// with as its notification does: the vendor, the module, the part.
func readable(label, notification string) string {
	words, shared := wordsOf(label), wordsOf(notification)
	for len(words) > 1 && len(shared) > 0 && words[0] == shared[0] {
		words, shared = words[1:], shared[1:]
	}
	return strings.Join(words, " ")
}

// value is the template of an object's value.
func value(o *mibs.Definition) string {
	if strings.Trim(o.Label, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == "" {
		return "${vb." + o.Label + "}"
	}
	return fmt.Sprintf("${vb[%q]}", o.Label)
}

// tagSummary fills the objects into the summary that a tag gives.
func tagSummary(n *mibs.Definition) (text string, ok bool) {
	rest, arguments := n.Tags.Summary, n.Tags.Arguments
	if rest == "" {
		return "", false
	}
	var b strings.Builder
	for {
		before, after, found := strings.Cut(rest, "%")
		b.WriteString(literal(before))
		if !found {
			return b.String(), true
		}
		verb := strings.TrimLeft(after, "0123456789.-l")
		switch {
		case strings.HasPrefix(after, "%"):
			b.WriteByte('%')
			rest = after[1:]
		case verb == "" || !strings.ContainsRune("sdxXuic", rune(verb[0])):
			b.WriteByte('%')
			rest = after
		case len(arguments) == 0 || arguments[0] >= len(n.Objects):
			return "", false
		default:
			b.WriteString(value(&n.Objects[arguments[0]]))
			arguments, rest = arguments[1:], verb[1:]
		}
	}
}

// componentOf is what names the part that has the problem: an object called
// so, else the index, else what looks like one.
func componentOf(n *mibs.Definition) string {
	named := ""
	for i := range n.Objects {
		o := &n.Objects[i]
		words := wordsOf(o.Label)
		if len(words) == 0 || len(o.Enums) > 0 {
			continue
		}
		switch last := words[len(words)-1]; last {
		case "name", "descr", "alias", "label":
			if indexColumn(n) != nil && o.Kind == "column" && slices.Equal(o.Index, indexColumn(n).Index) {
				return strings.TrimSuffix(value(o), "}") + " ?? index}"
			}
			if named == "" {
				named = value(o)
			}
		case "index", "id", "number", "slot", "port":
			if named == "" {
				named = value(o)
			}
		}
	}
	if indexColumn(n) != nil {
		return "${index}"
	}
	return named
}

// state is an enumeration that says whether there is a problem at all.
type state struct {
	expression string
	good       []string
	all        []string
}

// stateOf returns the one object of a notification that has good and bad
// states, or nil.
func stateOf(n *mibs.Definition) *state {
	var found *state
	for i := range n.Objects {
		o := &n.Objects[i]
		good, bad := []string{}, 0
		for _, label := range labelsOf(o) {
			switch worst(wordsOf(label)) {
			case "critical", "error", "warning":
				bad++
			default:
				if slices.Contains([]string{"ok", "normal", "up", "good", "cleared", "clear", "online", "healthy", "operational", "noalarm", "noerror", "established", "full", "twoway"}, strings.ToLower(label)) {
					good = append(good, label)
				}
			}
		}
		if len(good) == 0 || bad == 0 || strings.HasPrefix(o.Syntax, "BITS") {
			continue
		}
		if found != nil {
			return nil // which of them it is, only an engineer knows
		}
		found = &state{strings.TrimSuffix(strings.TrimPrefix(value(o), "${"), "}"), good, labelsOf(o)}
	}
	return found
}

// byState makes the rule end its problem with a good state, and say how bad
// it is by the others.
func (d *draft) byState(s *state, severity *draftField) {
	list := func(labels []string) string {
		quoted := make([]string, len(labels))
		for i, label := range labels {
			quoted[i] = fmt.Sprintf("%q", label)
		}
		if len(labels) == 1 {
			return "== " + quoted[0]
		}
		return "in [" + strings.Join(quoted, ", ") + "]"
	}
	d.resolve = &draftMatch{when: s.expression + " " + list(s.good)}
	d.match.when = "not (" + d.resolve.when + ")"
	if len(s.good) == 1 {
		d.match.when = s.expression + " != " + fmt.Sprintf("%q", s.good[0])
	}
	byRung := map[string][]string{}
	for _, label := range s.all {
		if rung := worst(wordsOf(label)); rung == "critical" || rung == "error" {
			byRung[rung] = append(byRung[rung], label)
		}
	}
	for _, rung := range []string{"critical", "error"} {
		if labels := byRung[rung]; len(labels) > 0 {
			severity.mapping = append(severity.mapping, draftField{key: rung, value: s.expression + " " + list(labels)})
		}
	}
	severity.mapping = append(severity.mapping, draftField{key: "warning", value: "true"})
}
