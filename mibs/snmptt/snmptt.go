// Package snmptt reads the configuration files of SNMPTT, the SNMP Trap
// Translator: snmptt.conf in, its events out, with their MATCH, REGEX, NODES
// and FORMAT lines taken apart. It promises to read any text: what it does not
// understand is a Fault with its line, and the rest is used.
package snmptt

import (
	"fmt"
	"strings"
)

// Event is an EVENT with the lines that follow it.
type Event struct {
	Line     int
	Name     string
	OID      string // as written, without a leading dot: numbers, "1.3.6.*", "*", or a name
	Category string
	Severity string

	Format      string
	Exec        []string // without variables filled in
	PreExec     []string
	Nodes       []string // hosts, addresses, CIDRs, ranges "a-b" and files "/path"
	NotNodes    bool     // NODES MODE=NEG: all but these
	Matches     []Match
	MatchAll    bool // MATCH MODE=and; else one of them is enough
	Replace     []Replacement
	Description []string // lines between SDESC and EDESC
}

// Kind is what a Match compares with.
type Kind int

// The kinds of SNMPTT's matches.
const (
	Regexp   Kind = iota // Pattern is Perl's
	Equal                // a number
	Between              // numbers From and To
	Greater              // than a number
	Less                 // than a number
	Bits                 // any bit of a number is set
	Address              // an address
	Range                // addresses From to To
	Network              // a CIDR
	Anything             // not understood: Pattern is as written
)

// Match is a condition on one variable.
type Match struct {
	Line       int
	Variable   string // without the dollar sign: "3", "*", "aA"
	Not        bool
	Kind       Kind
	Pattern    string
	IgnoreCase bool
	From, To   string // numbers or addresses; one alone is in From
}

// Replacement is a REGEX line: what it finds in the text of FORMAT and EXEC
// becomes something else.
type Replacement struct {
	Line            int
	Pattern, With   string
	IgnoreCase, All bool
	Evaluate        bool // With is Perl
}

// Fault is a line that is not understood.
type Fault struct {
	Line int
	Text string
}

// Parse reads a configuration.
func Parse(text string) (events []Event, faults []Fault) {
	p := parser{}
	for i, line := range strings.Split(text, "\n") {
		p.line = i + 1
		p.read(strings.TrimRight(line, "\r"))
	}
	if p.describing > 0 {
		p.fault("EDESC is missing for the SDESC of line %d: all that follows is description", p.describing)
	}
	return p.events, p.faults
}

type parser struct {
	line       int
	describing int // line of the SDESC that is open; 0: none
	events     []Event
	faults     []Fault
}

func (p *parser) fault(format string, args ...any) {
	p.faults = append(p.faults, Fault{p.line, fmt.Sprintf(format, args...)})
}

func (p *parser) read(line string) {
	word, rest := cutWord(strings.TrimLeft(line, " \t"))
	if p.describing > 0 {
		switch {
		case word == "EDESC":
			p.describing = 0
		case len(p.events) > 0:
			e := &p.events[len(p.events)-1]
			e.Description = append(e.Description, strings.TrimSpace(line))
		}
		return
	}
	switch {
	case word == "" || word[0] == '#' || word == "MIB:": // which snmpttconvertmib writes above its events
	case word == "EVENT":
		p.event(rest)
	case word == "SDESC":
		p.describing = p.line
	case len(p.events) == 0:
		p.fault("%s comes before the first EVENT", word)
	default:
		p.of(&p.events[len(p.events)-1], word, rest)
	}
}

// of reads a line that belongs to an event.
func (p *parser) of(e *Event, word, rest string) {
	switch word {
	case "FORMAT":
		if e.Format != "" {
			p.fault("a second FORMAT of %s: the first one is used", e.Name)
			return
		}
		e.Format = rest
	case "EXEC":
		e.Exec = append(e.Exec, rest)
	case "PREEXEC":
		e.PreExec = append(e.PreExec, rest)
	case "NODES":
		p.nodes(e, rest)
	case "MATCH":
		p.match(e, rest)
	case "REGEX":
		p.regex(e, rest)
	default:
		p.fault("%s is no keyword of SNMPTT", word)
	}
}

// event reads name, OID, "category" and severity.
func (p *parser) event(rest string) {
	e := Event{Line: p.line}
	e.Name, rest = cutWord(rest)
	e.OID, rest = cutWord(rest)
	e.OID = strings.TrimPrefix(e.OID, ".")
	if quoted, ok := strings.CutPrefix(rest, `"`); ok {
		e.Category, rest, _ = strings.Cut(quoted, `"`)
	} else {
		e.Category, rest = cutWord(rest)
	}
	e.Severity = strings.TrimSpace(rest)
	if e.OID == "" {
		p.fault("EVENT wants a name, an OID, a category in quotes and a severity")
		return
	}
	p.events = append(p.events, e)
}

func (p *parser) nodes(e *Event, rest string) {
	for _, node := range strings.Fields(rest) {
		mode, ok := strings.CutPrefix(strings.ToUpper(node), "MODE=")
		switch {
		case !ok:
			e.Nodes = append(e.Nodes, node)
		case mode == "NEG" || mode == "POS":
			e.NotNodes = mode == "NEG"
		default:
			p.fault("NODES %s: the modes are POS and NEG", node)
		}
	}
}

func (p *parser) match(e *Event, rest string) {
	rest = strings.TrimSpace(rest)
	if mode, ok := strings.CutPrefix(strings.ToLower(strings.ReplaceAll(rest, " ", "")), "mode="); ok {
		if mode != "and" && mode != "or" {
			p.fault("MATCH %s: the modes are or and and", rest)
		}
		e.MatchAll = mode == "and"
		return
	}
	variable, condition, ok := strings.Cut(rest, ":")
	name, dollar := strings.CutPrefix(strings.TrimSpace(variable), "$")
	if !ok || !dollar || name == "" || strings.ContainsAny(name, " \t") {
		p.fault("MATCH %s: write $variable: condition", rest)
		return
	}
	m := conditionOf(strings.TrimSpace(condition))
	m.Line, m.Variable = p.line, name
	if m.Kind == Anything {
		p.fault("MATCH %s: the condition is not understood", rest)
	}
	e.Matches = append(e.Matches, m)
}

// regex reads (pattern)(text)flags. Parentheses of a pattern have a backslash
// or are captures, which are in pairs.
func (p *parser) regex(e *Event, rest string) {
	r := Replacement{Line: p.line}
	pattern, rest, ok := cutGroup(strings.TrimSpace(rest))
	with, flags, ok2 := cutGroup(strings.TrimSpace(rest))
	if !ok || !ok2 || strings.Trim(strings.TrimSpace(flags), "ige") != "" {
		p.fault("REGEX wants (pattern)(text) and the flags i, g and e")
		return
	}
	r.Pattern, r.With = pattern, with
	r.IgnoreCase, r.All, r.Evaluate = strings.Contains(flags, "i"), strings.Contains(flags, "g"), strings.Contains(flags, "e")
	e.Replace = append(e.Replace, r)
}

func cutWord(s string) (word, rest string) {
	i := strings.IndexAny(s, " \t")
	if i < 0 {
		return s, ""
	}
	return s[:i], strings.TrimLeft(s[i:], " \t")
}

// cutGroup cuts "(…)" off the beginning of s.
func cutGroup(s string) (group, rest string, ok bool) {
	if s == "" || s[0] != '(' {
		return "", s, false
	}
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return s[1:i], s[i+1:], true
			}
		}
	}
	return "", s, false
}
