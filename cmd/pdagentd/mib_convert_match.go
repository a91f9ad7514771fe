package main

import (
	"bufio"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/pdaltagent/pdaltagent/mibs"
	"github.com/pdaltagent/pdaltagent/mibs/snmptt"
)

// nodes makes from, or a condition, of NODES.
func (c *converter) nodes(d *eventDraft) {
	var from []string
	for _, node := range c.nodesOf(d) {
		first, last, isRange := strings.Cut(node, "-")
		a, err1 := netip.ParseAddr(first)
		b, err2 := netip.ParseAddr(last)
		switch {
		case isRange && err1 == nil && err2 == nil && a.BitLen() == b.BitLen() && a.Compare(b) <= 0:
			for _, p := range prefixes(a, b) {
				from = append(from, p.String())
			}
		default:
			from = append(from, node)
		}
	}
	if !d.NotNodes {
		d.match.from = from
		return
	}
	var names []string
	for _, node := range from {
		if strings.Contains(node, "/") {
			c.lost(d.Line, "NODES MODE=NEG with %s: from cannot be negated; put a rule with drop: true and from: %s before this one", node, node)
			continue
		}
		names = append(names, strconv.Quote(node))
	}
	if len(names) > 0 {
		list := "[" + strings.Join(names, ", ") + "]"
		d.match.when = "not (source in " + list + " or ip in " + list + ")"
	}
}

// nodesOf lists nodes, with those of files in place of their files.
func (c *converter) nodesOf(d *eventDraft) (nodes []string) {
	for _, node := range d.Nodes {
		if !strings.HasPrefix(node, "/") {
			nodes = append(nodes, node)
			continue
		}
		f, err := os.Open(node) //nolint:gosec // the operator's own configuration names it
		if err != nil {
			c.lost(d.Line, "NODES %s: %v: the rule matches whatever the source; add its hosts to from", node, err)
			continue
		}
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			if line := strings.TrimSpace(lines.Text()); !strings.HasPrefix(line, "#") {
				nodes = append(nodes, strings.Fields(line)...)
			}
		}
		if err := lines.Err(); err != nil {
			c.lost(d.Line, "NODES %s: %v", node, err)
		}
		f.Close() //nolint:errcheck // was read
	}
	return nodes
}

// prefixes covers the addresses from a to b.
func prefixes(a, b netip.Addr) (all []netip.Prefix) {
	for a.IsValid() && a.Compare(b) <= 0 {
		bits := a.BitLen()
		for bits > 0 {
			p := netip.PrefixFrom(a, bits-1).Masked()
			if p.Addr() != a || lastAddress(p).Compare(b) > 0 {
				break
			}
			bits--
		}
		p := netip.PrefixFrom(a, bits)
		all = append(all, p)
		a = lastAddress(p).Next()
	}
	return all
}

// lastAddress is the last address of a prefix.
func lastAddress(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// matches makes a condition of MATCH lines.
func (c *converter) matches(d *eventDraft) {
	var conditions []string
	for _, m := range d.Matches {
		condition := c.condition(d, m)
		if condition == "" {
			c.lost(m.Line, "MATCH $%s: %s", m.Variable, m.Pattern)
			continue
		}
		if m.Not {
			condition = "not (" + condition + ")"
		}
		conditions = append(conditions, condition)
	}
	if len(conditions) == 0 {
		return
	}
	operator := " or "
	if d.MatchAll {
		operator = " and "
	}
	all := strings.Join(conditions, operator)
	if d.match.when != "" {
		all = d.match.when + " and (" + all + ")"
	}
	d.match.when = all
}

// condition is a condition on one variable, empty where rules cannot say it.
func (c *converter) condition(d *eventDraft, m snmptt.Match) string {
	v := c.matched(d, m.Variable)
	if v == "" {
		return ""
	}
	number := "int(" + v + ")"
	switch m.Kind {
	case snmptt.Regexp:
		pattern := m.Pattern
		if m.IgnoreCase {
			pattern = "(?i)" + pattern
		}
		if _, err := regexp.Compile(pattern); err != nil {
			return "" // Perl has more than RE2
		}
		return fmt.Sprintf("string(%s) matches %s", v, strconv.Quote(pattern))
	case snmptt.Equal, snmptt.Between, snmptt.Greater, snmptt.Less:
		if labels, ok := c.labelled(d, m); ok {
			if len(labels) == 1 {
				return v + " == " + labels[0]
			}
			return v + " in [" + strings.Join(labels, ", ") + "]"
		}
		switch m.Kind {
		case snmptt.Equal:
			return fmt.Sprintf("string(%s) == %q", v, m.From)
		case snmptt.Between:
			return fmt.Sprintf("%s >= %s and %s <= %s", number, m.From, number, m.To)
		case snmptt.Greater:
			return number + " > " + m.From
		default:
			return number + " < " + m.From
		}
	case snmptt.Bits:
		return fmt.Sprintf("bitand(%s, %s) != 0", number, m.From)
	case snmptt.Address:
		return fmt.Sprintf("string(%s) == %q", v, m.From)
	default: // ranges and networks of addresses
		return ""
	}
}

// matched is the expression of a variable that MATCH names.
func (c *converter) matched(d *eventDraft, variable string) string {
	if e := c.expression(d, variable); e != "" {
		return e
	}
	switch variable {
	case "*", "+*", "-*":
		return "toJSON(vb)"
	case "c":
		return strconv.Quote(d.Category)
	case "s":
		return strconv.Quote(d.Severity)
	case "N":
		return strconv.Quote(d.Name)
	}
	return ""
}

// labelled is the labels of an enumeration that a condition on its numbers is
// true for: rules see labels where SNMPTT sees numbers.
func (c *converter) labelled(d *eventDraft, m snmptt.Match) (labels []string, ok bool) {
	n, err := strconv.Atoi(m.Variable)
	if err != nil || d.note == nil || n < 1 || n > len(d.note.Objects) {
		return nil, false
	}
	o := &d.note.Objects[n-1]
	if len(o.Enums) == 0 {
		return nil, false
	}
	for _, e := range o.Enums {
		if holds(m, e) {
			labels = append(labels, strconv.Quote(e.Label))
		}
	}
	return labels, true
}

func holds(m snmptt.Match, e mibs.NamedNumber) bool {
	from, err := strconv.ParseInt(m.From, 10, 64)
	if err != nil {
		return false
	}
	switch m.Kind {
	case snmptt.Equal:
		return e.Number == from
	case snmptt.Greater:
		return e.Number > from
	case snmptt.Less:
		return e.Number < from
	default:
		to, err := strconv.ParseInt(m.To, 10, 64)
		return err == nil && from <= e.Number && e.Number <= to
	}
}
