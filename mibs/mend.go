package mibs

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/golangsnmp/gomib/mib"
)

// mend puts right what is known to be wrong with the texts of modules that
// the parser did not understand. It says whether there was anything, so that
// it is worth to read the group again.
func (g *group) mend(model *mib.Mib) (changed bool) {
	var faulty []string
	for _, d := range model.Diagnostics() {
		if d.Code == "parse-error" && !slices.Contains(faulty, d.Module) {
			faulty = append(faulty, d.Module)
		}
	}
	for _, name := range faulty {
		m := g.folders.module(name)
		if m == nil || m.mended {
			continue
		}
		found, err := g.folders.Find(name)
		if err != nil {
			continue
		}
		text := mendText(string(found.Content))
		g.folders.replace(name, []byte(text))
		changed = changed || !bytes.Equal(found.Content, []byte(text))
	}
	return changed
}

// mendedPrefix begins names that stand for others, which the parser would not
// take.
const mendedPrefix = "mended-"

// asWritten returns the name that a module has for one of ours.
func asWritten(name string) string { return strings.TrimPrefix(name, mendedPrefix) }

// mendText returns the text of a module without what vendors often get wrong,
// line by line where it was. It is not for modules that can be read as they
// are.
func mendText(text string) string {
	m := mender{text: mendQuotes(text)}
	m.tokens = scan(m.text)
	for i := range m.tokens {
		switch m.at(i) {
		case "FROM":
			m.endImports(i)
		case "SYNTAX":
			m.typeName(i)
		case "SEQUENCE":
			if m.at(i-1) == "::=" {
				m.upperCase(i - 2)
			}
		case "DEFVAL":
			m.defaultValue(i)
		case "ENTERPRISE":
			m.enterprise(i)
		case "{":
			m.enumeration(i)
		}
	}
	return m.done()
}

// mender gathers changes of a text, in their order.
type mender struct {
	text    string
	tokens  []token
	changes []change
	made    int // enterprises that were given a name
}

type change struct {
	start, end int
	with       string
}

// at returns a token's text, empty where there is none.
func (m *mender) at(i int) string {
	if i < 0 || i >= len(m.tokens) {
		return ""
	}
	return m.tokens[i].text
}

// replace has the tokens from i to before end replaced.
func (m *mender) replace(i, end int, with string) {
	m.changes = append(m.changes, change{m.tokens[i].start, m.tokens[end-1].end, with})
}

func (m *mender) done() string {
	slices.SortStableFunc(m.changes, func(a, b change) int { return a.start - b.start })
	var b strings.Builder
	at := 0
	for _, c := range m.changes {
		if c.start < at {
			continue // within another change
		}
		b.WriteString(m.text[at:c.start])
		b.WriteString(c.with)
		// Lines stay where they are.
		b.WriteString(strings.Repeat("\n", strings.Count(m.text[c.start:c.end], "\n")))
		at = c.end
	}
	b.WriteString(m.text[at:])
	return b.String()
}

// endImports ends IMPORTS before the first definition where ";" is missing.
func (m *mender) endImports(from int) {
	next := m.at(from + 2)
	defines := slices.Contains([]string{"MODULE-IDENTITY", "OBJECT", "OBJECT-TYPE", "OBJECT-IDENTITY", "NOTIFICATION-TYPE", "TRAP-TYPE", "::="}, m.at(from+3))
	if after := m.at(from + 4); next == ";" || !defines || after == "," || after == "FROM" {
		return
	}
	m.replace(from+1, from+2, m.at(from+1)+";")
}

// typeName gives a row's type the capital letter that types begin with.
func (m *mender) typeName(syntax int) {
	i := syntax + 1
	if m.at(i) == "SEQUENCE" && m.at(i+1) == "OF" {
		i += 2
	}
	m.upperCase(i)
}

func (m *mender) upperCase(i int) {
	if name := m.at(i); name != "" && 'a' <= name[0] && name[0] <= 'z' {
		m.replace(i, i+1, strings.ToUpper(name[:1])+name[1:])
	}
}

// defaultValue takes a DEFVAL out, which nobody here reads.
func (m *mender) defaultValue(i int) {
	if m.at(i+1) != "{" {
		return
	}
	depth := 0
	for end := i + 1; end < len(m.tokens) && end < i+1000; end++ {
		switch m.at(end) {
		case "{":
			depth++
		case "}":
			depth--
		}
		if depth == 0 {
			m.replace(i, end+1, "")
			return
		}
	}
}

// enterprise gives the OID that stands in a TRAP-TYPE a name of its own:
// ENTERPRISE { iso(1) org(3) … }.
func (m *mender) enterprise(i int) {
	if m.at(i-1) != "TRAP-TYPE" || m.at(i+1) != "{" || i < 2 {
		return
	}
	end := i + 1
	for end < len(m.tokens) && m.at(end) != "}" {
		end++
	}
	if end == len(m.tokens) || end == i+2 {
		return
	}
	m.made++
	name := fmt.Sprintf("%s%d", mendedPrefix, m.made)
	oid := strings.Join(strings.Fields(m.text[m.tokens[i+1].start:m.tokens[end].end]), " ")
	if end == i+3 { // { acme }, which needs no name
		m.replace(i+1, end+1, m.at(i+2))
		return
	}
	m.replace(i-2, i-1, name+" OBJECT IDENTIFIER ::= "+oid+" "+m.at(i-2))
	m.replace(i+1, end+1, name)
}

// enumeration mends labels that are none, and commas. open is the brace that
// it begins with.
func (m *mender) enumeration(open int) {
	switch m.at(open - 1) {
	case "Unsigned32", "Gauge32", "Gauge", "Counter32", "Integer32":
		if m.at(open+2) == "(" {
			m.replace(open-1, open, "INTEGER")
		}
	case "INTEGER", "BITS":
	default:
		return
	}
	for i := open + 1; i < len(m.tokens) && m.at(i) != "}"; {
		label := i
		for i < len(m.tokens) && !slices.Contains([]string{"(", ",", "}"}, m.at(i)) {
			i++
		}
		if m.at(i) == "," && i == label { // one too many
			m.replace(i, i+1, "")
			i++
			continue
		}
		if m.at(i) != "(" || m.at(i+2) != ")" || i == label {
			return
		}
		m.label(label, i)
		i += 3
		switch {
		case m.at(i) == "," && m.at(i+1) == "}":
			m.replace(i, i+1, "")
			i++
		case m.at(i) == ",":
			i++
		case m.at(i) != "}":
			m.replace(i-1, i, "),")
		}
	}
}

// label mends a label of an enumeration, the tokens from i to before end.
func (m *mender) label(i, end int) {
	written := m.text[m.tokens[i].start:m.tokens[end-1].end]
	c := written[0]
	plain := 'a' <= c && c <= 'z' && !strings.HasPrefix(written, "read-") && !strings.HasPrefix(written, "write-") &&
		!strings.HasPrefix(written, "not-") && !strings.HasPrefix(written, "accessible-")
	name := strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '-'
	}, written)
	name = strings.Trim(strings.ReplaceAll(name, "--", "-"), "-")
	if !plain || name != written {
		m.replace(i, end, mendedPrefix+name)
	}
}

// mendQuotes makes quotes within strings apostrophes: a string ends where a
// clause may follow it.
func mendQuotes(text string) string {
	b := []byte(text)
	for i := 0; i < len(text); {
		switch {
		case strings.HasPrefix(text[i:], "--"):
			i = lineEnd(text, i)
		case text[i] == '"':
			end, inner := closing(text, i)
			for _, q := range inner {
				b[q] = '\''
			}
			i = end
		default:
			i++
		}
	}
	return string(b)
}

// closing returns where the string that begins at i ends, and which quotes are
// within it: none where the end is not to be found in reach.
func closing(text string, i int) (end int, inner []int) {
	const reach = 40 // quotes
	for end = stringEnd(text, i); end < len(text) && !endsString(text[end:]); end = stringEnd(text, end-1) {
		inner = append(inner, end-1)
		if len(inner) > reach {
			return stringEnd(text, i), nil
		}
	}
	return end, inner
}

// endsString says whether what follows a quote may follow a string.
func endsString(rest string) bool {
	for {
		rest = strings.TrimLeft(rest, " \t\r\n\f")
		if !strings.HasPrefix(rest, "--") {
			break
		}
		rest = rest[lineEnd(rest, 0):]
	}
	n := 0
	for n < len(rest) && isWord(rest[n]) {
		n++
	}
	word := rest[:n]
	return rest == "" || strings.ContainsRune("},;)", rune(rest[0])) || strings.HasPrefix(rest, "::=") ||
		slices.Contains(clauses(), word)
}

// clauses are the words that may follow a string.
func clauses() []string {
	return []string{
		"ACCESS", "AUGMENTS", "CONTACT-INFO", "CREATION-REQUIRES", "DEFVAL", "DESCRIPTION", "DISPLAY-HINT", "END", "ENTERPRISE",
		"GROUP", "INCLUDES", "INDEX", "LAST-UPDATED", "MANDATORY-GROUPS", "MAX-ACCESS", "MIN-ACCESS", "MODULE", "NOTIFICATIONS",
		"OBJECT", "OBJECTS", "ORGANIZATION", "PRODUCT-RELEASE", "REFERENCE", "REVISION", "STATUS", "SUPPORTS", "SYNTAX", "UNITS",
		"VARIABLES", "VARIATION", "WRITE-SYNTAX",
	}
}
