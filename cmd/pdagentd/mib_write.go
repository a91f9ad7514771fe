package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
)

// draft is a rule that a command writes for an engineer to edit.
type draft struct {
	id       string
	comments []string // paragraphs
	match    draftMatch
	resolve  *draftMatch
	set      []draftField // expressions
	event    []draftField // templates; a severity may be a ladder
	drop     bool
	suppress bool
	further  bool // continue: true
}

type draftMatch struct {
	traps []string
	from  []string
	when  string
}

// draftField is a key with its value: a text, or a mapping.
type draftField struct {
	key, value string
	mapping    []draftField
}

// writeDrafts writes a rule file.
func writeDrafts(w io.Writer, about []string, drafts []draft) {
	for _, paragraph := range about {
		comment(w, "", paragraph)
	}
	if len(drafts) == 0 {
		fmt.Fprintln(w, "rules: []")
		return
	}
	fmt.Fprintln(w, "rules:")
	for i := range drafts {
		if i > 0 {
			fmt.Fprintln(w)
		}
		drafts[i].write(w)
	}
}

func (d *draft) write(w io.Writer) {
	for _, paragraph := range d.comments {
		comment(w, "  ", paragraph)
	}
	fmt.Fprintf(w, "  - id: %s\n", quoted(d.id))
	label := "match:  "
	if d.resolve == nil {
		label = "match:"
	}
	fmt.Fprintf(w, "    %s %s\n", label, d.match.flow())
	if d.resolve != nil {
		fmt.Fprintf(w, "    resolve: %s\n", d.resolve.flow())
	}
	if len(d.set) > 0 {
		fmt.Fprintln(w, "    set:")
		for _, f := range d.set {
			fmt.Fprintf(w, "      %s: %s\n", f.key, quoted(f.value))
		}
	}
	for _, flag := range []struct {
		key string
		on  bool
	}{{"drop", d.drop}, {"suppress", d.suppress}, {"continue", d.further}} {
		if flag.on {
			fmt.Fprintf(w, "    %s: true\n", flag.key)
		}
	}
	if d.drop {
		return
	}
	fmt.Fprintln(w, "    event:")
	for _, f := range d.event {
		fmt.Fprintf(w, "      %s: %s\n", f.key, f.flow())
	}
}

func (m *draftMatch) flow() string {
	var keys []string
	list := func(key string, values []string) {
		texts := make([]string, len(values))
		for i, v := range values {
			texts[i] = quoted(v)
		}
		switch len(texts) {
		case 0:
		case 1:
			keys = append(keys, key+": "+texts[0])
		default:
			keys = append(keys, key+": ["+strings.Join(texts, ", ")+"]")
		}
	}
	list("trap", m.traps)
	list("from", m.from)
	if m.when != "" {
		list("when", []string{m.when})
	}
	return "{ " + strings.Join(keys, ", ") + " }"
}

func (f *draftField) flow() string {
	if f.mapping == nil {
		return quoted(f.value)
	}
	parts := make([]string, len(f.mapping))
	for i, m := range f.mapping {
		parts[i] = m.key + ": " + quoted(m.value)
	}
	return "{ " + strings.Join(parts, ", ") + " }"
}

// quoted writes a YAML scalar: as it is where that is safe anywhere, else in
// quotes.
func quoted(s string) string {
	plain := s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:") == "" &&
		unicode.IsLetter(rune(s[0])) && !strings.HasSuffix(s, ":")
	switch strings.ToLower(s) {
	case "true", "false", "yes", "no", "on", "off", "null", "y", "n":
		plain = s == "true" // of a ladder, where it is an expression
	}
	switch {
	case plain:
		return s
	case strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == '\ufeff' }):
		return strconv.QuoteToASCII(strings.ToValidUTF8(s, "\ufffd"))
	}
	return "'" + strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "'", "''") + "'"
}

// comment writes a paragraph as a comment.
func comment(w io.Writer, indent, text string) {
	if text == "" {
		fmt.Fprintf(w, "%s#\n", indent)
	}
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == '\ufeff' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\ufffd"))
	for _, line := range wrapped(text, 112-len(indent)) {
		fmt.Fprintf(w, "%s# %s\n", indent, line)
	}
}

// literal makes a text safe to stand in a template.
func literal(s string) string { return strings.ReplaceAll(s, "${", "$${") }

// kebab writes a name as ids are written: linkDown is link-down.
func kebab(name string) string { return strings.Join(wordsOf(name), "-") }

// wordsOf takes a name apart, in lower case: cpqDa3LogDrvFailed is cpq, da3,
// log, drv, failed. What cannot be part of an id is left out.
func wordsOf(name string) (words []string) {
	var word []rune
	end := func() {
		if len(word) > 0 {
			words = append(words, strings.ToLower(string(word)))
			word = nil
		}
	}
	runes := []rune(name)
	for i, r := range runes {
		switch {
		case r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r):
			end()
			continue
		case unicode.IsUpper(r) && i > 0:
			before, after := runes[i-1], rune(0)
			if i+1 < len(runes) {
				after = runes[i+1]
			}
			if unicode.IsLower(before) || unicode.IsDigit(before) || unicode.IsUpper(before) && unicode.IsLower(after) {
				end()
			}
		}
		word = append(word, r)
	}
	end()
	return words
}
