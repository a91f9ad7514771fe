package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/pdaltagent/pdaltagent/mibs/snmptt"
)

// summary makes a summary of FORMAT and REGEX.
func (c *converter) summary(d *eventDraft) {
	parts := snmptt.Parts(d.Format)
	replacements := c.replacements(d)
	if len(replacements) == 0 {
		var text strings.Builder
		for _, p := range parts {
			if p.Variable == "" {
				text.WriteString(literal(p.Text))
			} else {
				text.WriteString(c.template(d, p.Variable))
			}
		}
		c.field(d, strings.Join(strings.Fields(text.String()), " "))
		return
	}
	var terms []string
	for _, p := range parts {
		if p.Variable == "" {
			terms = append(terms, strconv.Quote(p.Text))
			continue
		}
		terms = append(terms, templateParts(c.template(d, p.Variable))...)
	}
	if len(terms) == 0 {
		return
	}
	expression := strings.Join(terms, " + ")
	for _, r := range replacements {
		expression = fmt.Sprintf("replace(%s, %s, %s)", expression, strconv.Quote(r.Pattern), strconv.Quote(r.With))
	}
	d.set = append(d.set, draftField{key: "text", value: expression})
	c.field(d, "${text}")
}

func (c *converter) field(d *eventDraft, summary string) {
	if summary != "" {
		d.event = append(d.event, draftField{key: "summary", value: summary})
	}
}

// templateParts takes a template apart into expressions that can be added.
func templateParts(template string) (terms []string) {
	for template != "" {
		before, after, found := strings.Cut(template, "${")
		if before != "" {
			terms = append(terms, strconv.Quote(before))
		}
		if !found {
			return terms
		}
		expression, rest, _ := strings.Cut(after, "}")
		terms, template = append(terms, "string("+expression+")"), rest
	}
	return terms
}

// replacements are those REGEX lines that find plain text, for which rules
// have replace().
func (c *converter) replacements(d *eventDraft) (plain []snmptt.Replacement) {
	for _, r := range d.Replace {
		pattern, ok := plainText(r.Pattern)
		with, okWith := plainText(r.With)
		if r.Evaluate || r.IgnoreCase || pattern == "" || !ok || !okWith {
			c.lost(r.Line, "REGEX (%s)(%s): rules replace plain text only; extract takes values apart", r.Pattern, r.With)
			continue
		}
		plain = append(plain, snmptt.Replacement{Pattern: pattern, With: with})
	}
	return plain
}

// plainText is the text that a regular expression finds, where that is only
// one: backslashes before punctuation are taken away.
func plainText(pattern string) (text string, ok bool) {
	escaped := regexp.MustCompile(`\\([^A-Za-z0-9])`)
	if strings.ContainsAny(escaped.ReplaceAllString(pattern, ""), `\.+*?|[]{}^$`) {
		return "", false
	}
	return escaped.ReplaceAllString(pattern, "$1"), true
}

// template is the template of a variable.
func (c *converter) template(d *eventDraft, variable string) string {
	if expression := c.expression(d, variable); expression != "" {
		return "${" + expression + "}"
	}
	switch c0 := variable[0]; {
	case variable == "Fn" || variable == "Fr" || variable == "Ft" || variable == "Ff":
		return " "
	case variable == "Fa" || variable == "Fz":
		return ""
	case variable == "c":
		return literal(d.Category)
	case variable == "s":
		return literal(d.Severity)
	case variable == "N":
		return literal(d.Name)
	case variable == "i":
		return literal("." + d.OID)
	case variable == "G":
		return strconv.Itoa(generic(d.OID))
	case variable == "S" && strings.Contains(d.OID, "*"):
		return `${last(split(trap.oid, "."))}`
	case variable == "S":
		return specific(d.OID)
	case variable == "*" || variable[1:] == "*":
		return "${vb}"
	case c0 == '+' || c0 == '-' || c0 == 'v':
		return c.named(d, c0, variable[1:])
	}
	c.lost(d.Line, "$%s in FORMAT of %s", variable, d.Name)
	return ""
}

// named is a varbind with its name: $+3, $-3 and $v3.
func (c *converter) named(d *eventDraft, how byte, number string) string {
	n, err := strconv.Atoi(number)
	name := "variable" + number
	if err == nil && 0 < n && n <= len(d.objects) {
		name = d.objects[n-1]
	}
	if how == 'v' {
		return name
	}
	return name + ":${" + c.varbind(d, number) + "}"
}

// expression is what rules call a variable, empty where it is no value of a
// message.
func (c *converter) expression(d *eventDraft, variable string) string {
	switch variable {
	case "A", "R", "r":
		return "source"
	case "aA", "aR", "ar":
		return "ip"
	case "e", "E":
		return "trap.enterprise"
	case "j":
		return `split(trap.enterprise ?? "", ".")[6]`
	case "O":
		return "trap.name"
	case "o":
		return "trap.oid"
	case "T":
		return "trap.uptime"
	case "x":
		return `received_at.Format("2006-01-02")`
	case "X":
		return `received_at.Format("15:04:05")`
	case "@":
		return "received_at.Unix()"
	case "#":
		return "len(vb)"
	}
	if variable[0] >= '0' && variable[0] <= '9' {
		return c.varbind(d, variable)
	}
	return ""
}

// varbind is the varbind at a position: by its name where that is known, else
// by the position itself.
func (c *converter) varbind(d *eventDraft, number string) string {
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || n > len(d.objects) || d.note == nil {
		return fmt.Sprintf("vb[%q]", number)
	}
	label := d.objects[n-1]
	for i, other := range d.objects {
		if other == label && i != n-1 {
			return fmt.Sprintf("vb[%q]", number) // one name for several
		}
	}
	if strings.Contains(label, "-") {
		return fmt.Sprintf("vb[%q]", label)
	}
	return "vb." + label
}

// generic is the generic-trap that SNMPv1 has for an OID: 0 for vendors'.
func generic(oid string) int {
	if rest, ok := strings.CutPrefix(oid, "1.3.6.1.6.3.1.1.5."); ok {
		if n, err := strconv.Atoi(rest); err == nil && 1 <= n && n <= 6 {
			return n - 1
		}
	}
	return 0
}

// specific is the specific-trap: 0 for the generic ones.
func specific(oid string) string {
	if strings.HasPrefix(oid, "1.3.6.1.6.3.1.1.5.") {
		return "0"
	}
	return oid[strings.LastIndexByte(oid, '.')+1:]
}
