package mibs

import (
	"regexp"
	"strconv"
	"strings"
)

// Tags are comments on a notification that tell a manager what to make of it,
// as vendors write them for Novell's, HP's and others': --#SEVERITY MAJOR.
type Tags struct {
	Type      string
	Summary   string // with %s and %d for Arguments, in their order
	Arguments []int  // of the notification's objects, the first of which is 0
	Severity  string // as written: INFORMATIONAL, MAJOR, …
	State     string // as written: OPERATIONAL, DEGRADED, …
	Category  string
}

// tagsIn finds the tags of the notifications in a module's text, by label.
// The parser leaves comments out.
func tagsIn(text string) map[string]Tags {
	if !strings.Contains(text, "#") {
		return nil
	}
	type start struct {
		label string
		at    int
	}
	var starts []start
	tokens := scan(text)
	for i := 1; i < len(tokens); i++ {
		if t := tokens[i].text; t != "TRAP-TYPE" && t != "NOTIFICATION-TYPE" {
			continue
		}
		if before := tokens[i-1]; isWord(before.text[0]) && before.text != "IMPORTS" {
			starts = append(starts, start{before.text, before.start})
		}
	}
	tag := regexp.MustCompile(`--[ \t]*#[ \t]*([A-Za-z]+)[ \t]*([^\r\n]*)`)
	all := map[string]Tags{}
	for i, s := range starts {
		end := len(text)
		if i+1 < len(starts) {
			end = starts[i+1].at
		}
		var tags Tags
		for _, m := range tag.FindAllStringSubmatch(text[s.at:end], -1) {
			tags.set(strings.ToUpper(m[1]), strings.TrimSpace(m[2]))
		}
		all[s.label] = tags
	}
	return all
}

func (t *Tags) set(name, value string) {
	text := strings.TrimSpace(strings.Trim(value, `"`))
	switch name {
	case "TYPE":
		t.Type = text
	case "SUMMARY": // goes on in further ones
		t.Summary = strings.TrimSpace(t.Summary + " " + text)
	case "SEVERITY":
		t.Severity = text
	case "STATE":
		t.State = text
	case "CATEGORY":
		t.Category = text
	case "ARGUMENTS":
		t.Arguments = nil
		for _, n := range strings.FieldsFunc(value, func(r rune) bool { return r < '0' || r > '9' }) {
			if n, err := strconv.Atoi(n); err == nil {
				t.Arguments = append(t.Arguments, n)
			}
		}
	}
}
