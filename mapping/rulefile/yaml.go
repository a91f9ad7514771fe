package rulefile

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	yaml "go.yaml.in/yaml/v4"

	"github.com/pdaltagent/pdaltagent/mapping"
)

// Bounds of a file, so that anchors cannot make it endless.
const (
	maxDepth   = 100
	maxAliased = 100_000 // nodes that aliases repeat
)

// source is a YAML file while it is read.
type source struct {
	name   string
	data   string
	lines  []int  // where each line starts in data
	given  []File // files of tables that need not be read from disk
	faults mapping.Faults
}

func newSource(name string, data []byte) *source {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	s := &source{name: name, data: string(data), lines: []int{0}}
	for i, c := range data {
		if c == '\n' {
			s.lines = append(s.lines, i+1)
		}
	}
	return s
}

func (s *source) fault(at mapping.Place, message string) {
	s.faults = append(s.faults, mapping.Fault{Place: at, Message: message})
}

// documents returns the content of each of the file's documents.
func (s *source) documents() []*yaml.Node {
	l, err := yaml.NewLoader(strings.NewReader(s.data))
	if err != nil {
		s.fault(mapping.Place{File: s.name}, err.Error())
		return nil
	}
	var docs []*yaml.Node
	for {
		var n yaml.Node
		err := l.Load(&n)
		if errors.Is(err, io.EOF) {
			return docs
		}
		if err != nil {
			s.syntax(err)
			return docs
		}
		aliased := 0
		if len(n.Content) == 1 && s.bounded(n.Content[0], 0, false, &aliased) {
			docs = append(docs, n.Content[0])
		}
	}
}

// bounded says whether n, with its aliases followed, is neither endless nor
// huge.
func (s *source) bounded(n *yaml.Node, depth int, inAlias bool, aliased *int) bool {
	if n.Kind == yaml.AliasNode {
		inAlias, n = true, n.Alias
	}
	if inAlias {
		*aliased++
	}
	if n == nil || depth > maxDepth || *aliased > maxAliased {
		s.fault(mapping.Place{File: s.name}, "the file is nested too deep, or its aliases repeat too much")
		return false
	}
	for _, c := range n.Content {
		if !s.bounded(c, depth+1, inAlias, aliased) {
			return false
		}
	}
	return true
}

// syntax notes a syntax error, with a hint where it is a common one.
func (s *source) syntax(err error) {
	var all *yaml.LoadErrors
	var one *yaml.LoadError
	switch {
	case errors.As(err, &all) && len(all.Errors) > 0:
		for _, e := range all.Errors {
			s.fault(s.mark(e), e.Message+s.hint(e))
		}
	case errors.As(err, &one):
		s.fault(s.mark(one), one.Message+s.hint(one))
	default:
		s.fault(mapping.Place{File: s.name}, err.Error())
	}
}

func (s *source) mark(e *yaml.LoadError) mapping.Place {
	return mapping.Place{File: s.name, Line: e.Mark.Line, Column: e.Mark.Column}
}

// hint names the mend of what YAML makes easy to get wrong.
func (s *source) hint(e *yaml.LoadError) string {
	from, line := s.line(e.Mark.Line), s.line(e.Mark.Line)
	if e.ContextMark.Line > 0 {
		from = s.line(e.ContextMark.Line)
	}
	at := skipColumns(line, e.Mark.Column)
	switch {
	case strings.Contains(e.Message, "cannot start any token") && strings.HasPrefix(at, "\t"):
		return ": indent with spaces, not with tabs"
	case strings.Contains(e.Message, "cannot start any token"):
		return ": a text that starts with one of % @ ` needs quotes"
	case strings.Contains(e.Message, "unknown anchor"), strings.Contains(e.Message, "alphabetic or numeric character"):
		return ": a text that starts with * or & needs quotes"
	case strings.Contains(e.Message, "mapping values are not allowed"):
		return `: a text that has ": " in it needs quotes`
	case strings.Contains(e.Message, "expected ',' or '}'"), strings.Contains(e.Message, "expected ',' or ']'"):
		if strings.Contains(from+line, "${") {
			return ": inside { } and [ ] a text with ${…} needs quotes: '${source}'"
		}
		return `: inside { } and [ ] a text with one of , { } [ ] or ": " in it needs quotes`
	}
	return ""
}

// line returns the nth line, counted from 1, without its end.
func (s *source) line(n int) string {
	if n < 1 || n > len(s.lines) {
		return ""
	}
	rest := s.data[s.lines[n-1]:]
	rest, _, _ = strings.Cut(rest, "\n")
	return rest
}

// skipColumns returns s from a column on, counted from 1.
func skipColumns(s string, column int) string {
	for ; column > 1 && s != ""; column-- {
		_, n := utf8.DecodeRuneInString(s)
		s = s[n:]
	}
	return s
}

// place returns where n stands.
func (s *source) place(n *yaml.Node) mapping.Place {
	return mapping.Place{File: s.name, Line: n.Line, Column: n.Column}
}

// text returns a scalar with its place and how it stands in the file.
func (s *source) text(n *yaml.Node) mapping.Text {
	return mapping.Text{Value: n.Value, Place: s.place(n), Raw: s.raw(n)}
}

// raw returns the file from n on, as far as n's text may reach.
func (s *source) raw(n *yaml.Node) string {
	if n.Line < 1 || n.Line > len(s.lines) {
		return ""
	}
	from := s.lines[n.Line-1]
	for c := n.Column; c > 1 && from < len(s.data); c-- {
		_, size := utf8.DecodeRuneInString(s.data[from:])
		from += size
	}
	to := min(len(s.data), from+3*len(n.Value)+256)
	return s.data[from:to]
}

// follow returns what an alias stands for.
func follow(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}
