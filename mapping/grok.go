package mapping

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxExtractBytes is how much of a text an extraction looks at.
const maxExtractBytes = 64 << 10

// Grok is a compiled extraction pattern: RE2 (package regexp) in which
// %{NAME} stands for a pattern of the library, %{NAME:field} gives what it
// fits a name, and %{NAME:field:int} or :float a number. Named groups give
// names too.
type Grok struct {
	re     *regexp.Regexp
	groups []group
}

type group struct {
	index   int
	field   string
	convert string // "", "int" or "float"
}

// GrokError says what is wrong with a pattern, and where.
type GrokError struct {
	Offset  int // in characters
	Message string
}

// Error returns the message.
func (e *GrokError) Error() string { return e.Message }

// CompileGrok compiles a pattern. Its errors are *GrokError.
func CompileGrok(pattern string) (*Grok, error) { return compileGrok(pattern, library()) }

func compileGrok(pattern string, lib map[string]string) (*Grok, error) {
	var re strings.Builder
	var converts, fields []string
	for rest := pattern; rest != ""; {
		i := reference(rest)
		if i < 0 {
			re.WriteString(rest)
			break
		}
		re.WriteString(rest[:i])
		offset := utf8.RuneCountInString(pattern[:len(pattern)-len(rest)+i])
		rest = rest[i:]
		end := strings.IndexByte(rest, '}')
		if end < 0 {
			return nil, &GrokError{offset, "this %{ has no closing }"}
		}
		name, field, convert, err := parseReference(rest[2:end], lib)
		if err != nil {
			return nil, &GrokError{offset, err.Error()}
		}
		if field == "" {
			re.WriteString("(?:" + lib[name] + ")")
		} else {
			re.WriteString("(?P<" + grokGroup + strconv.Itoa(len(fields)) + ">" + lib[name] + ")")
			fields, converts = append(fields, field), append(converts, convert)
		}
		rest = rest[end+1:]
	}
	compiled, err := regexp.Compile(re.String())
	if err != nil {
		return nil, &GrokError{0, notRE2(err)}
	}
	return newGrok(compiled, fields, converts)
}

// notRE2 says what is wrong with a regular expression.
func notRE2(err error) string {
	return "not a regular expression (RE2): " + strings.TrimPrefix(err.Error(), "error parsing regexp: ")
}

// grokGroup names the groups that references make, which, unlike RE2's own
// names, may say the same field more than once.
const grokGroup = "pdgrok"

func newGrok(re *regexp.Regexp, fields, converts []string) (*Grok, error) {
	g := &Grok{re: re}
	for i, name := range re.SubexpNames() {
		if name == "" {
			continue
		}
		field, convert := name, ""
		if n, err := strconv.Atoi(strings.TrimPrefix(name, grokGroup)); err == nil && n < len(fields) && name == grokGroup+strconv.Itoa(n) {
			field, convert = fields[n], converts[n]
		}
		g.groups = append(g.groups, group{i, field, convert})
	}
	return g, nil
}

// reference returns the index of the first %{ in s that no backslash takes
// the meaning from; -1: there is none.
func reference(s string) int {
	for i := 0; i+1 < len(s); i++ {
		switch {
		case s[i] == '\\':
			i++
		case s[i] == '%' && s[i+1] == '{':
			return i
		}
	}
	return -1
}

// parseReference takes NAME:field:type apart.
func parseReference(s string, lib map[string]string) (name, field, convert string, err error) {
	name, rest, _ := strings.Cut(s, ":")
	field, convert, _ = strings.Cut(rest, ":")
	switch {
	case lib[name] == "":
		return "", "", "", fmt.Errorf("unknown pattern %%{%s}%s", name, DidYouMean(name, names(lib)))
	case field != "" && !isName(field):
		return "", "", "", fmt.Errorf("%q is not a name: letters, digits and _", field)
	case convert != "" && convert != "int" && convert != "float" && convert != "string":
		return "", "", "", fmt.Errorf("unknown type %q: int, float or string", convert)
	}
	return name, field, convert, nil
}

func isName(s string) bool {
	for i, c := range []byte(s) {
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// Fields returns the names that the pattern gives, each once.
func (g *Grok) Fields() []string {
	var fields []string
	for _, group := range g.groups {
		if !contains(fields, group.field) {
			fields = append(fields, group.field)
		}
	}
	return fields
}

// Match gives the fields of s to set, which keep parts of s, and returns
// whether the pattern fits. A field of several groups is that of the first
// one that took part. Only the first 64 KiB of s are looked at.
func (g *Grok) Match(s string, set func(field string, value any)) bool {
	s = clip(s, maxExtractBytes)
	if len(g.groups) == 0 {
		return g.re.MatchString(s)
	}
	at := g.re.FindStringSubmatchIndex(s)
	if at == nil {
		return false
	}
	for i := len(g.groups) - 1; i >= 0; i-- {
		group := g.groups[i]
		if from := at[2*group.index]; from >= 0 {
			set(group.field, group.value(s[from:at[2*group.index+1]]))
		}
	}
	return true
}

// value converts what a group fitted; nil where it is not such a number.
func (g group) value(s string) any {
	switch g.convert {
	case "int":
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return int(n)
		}
		return nil
	case "float":
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			return f
		}
		return nil
	}
	return s
}
