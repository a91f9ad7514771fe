package main

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/pdaltagent/pdaltagent/mapping"
)

// document is a configuration file as it was written: it knows where each key
// stands, and what of it may be shown.
type document struct {
	file    string
	data    []byte
	root    *yaml.Node          // nil: empty, or no YAML
	plain   map[*yaml.Node]bool // values that may be shown: of known keys, and no secrets
	origins map[string]string   // variables of the environment, by the keys that they give
	tainted map[string]taint    // keys whose values are not what was written
	scalars []*yaml.Node        // all values, also those that were taken out of root
}

// taint says why the value of a key is not what was written.
type taint int

const (
	misfit     taint = iota + 1 // it did not fit, and was left out
	incomplete                  // a key in it is unknown
)

func newDocument(file string, data []byte) *document {
	return &document{
		file: file, data: data, plain: map[*yaml.Node]bool{}, origins: map[string]string{},
		tainted: map[string]taint{},
	}
}

// fault returns a fault with the place of the key that its message begins
// with.
func (d *document) fault(message string) mapping.Fault {
	return mapping.Fault{Place: d.place(keyOf(message)), Message: message}
}

// sort sorts faults by their places, those of the configuration first.
func (d *document) sort(faults mapping.Faults) mapping.Faults {
	slices.SortStableFunc(faults, func(a, b mapping.Fault) int {
		return cmp.Or(
			cmp.Compare(d.rank(a.Place.File), d.rank(b.Place.File)),
			cmp.Compare(a.Place.File, b.Place.File),
			cmp.Compare(a.Place.Line, b.Place.Line),
			cmp.Compare(a.Place.Column, b.Place.Column))
	})
	return slices.Compact(faults)
}

func (d *document) rank(file string) int {
	if file == d.file {
		return 0
	}
	return 1
}

// keyOf returns the key that a message begins with: ingest.syslog.listen[0].
func keyOf(message string) string {
	return regexp.MustCompile(`^[A-Za-z0-9_-]+(\[\d+\]|\.[A-Za-z0-9_-]+)*`).FindString(message)
}

// place returns where a key's value stands, or the key where its value is a
// list or a mapping; else the nearest section that is in the file.
func (d *document) place(key string) mapping.Place {
	for at := key; at != ""; at = parent(at) {
		if variable := d.origins[at]; variable != "" {
			return mapping.Place{File: variable}
		}
	}
	if d.root == nil {
		return mapping.Place{File: d.file}
	}
	at, node := d.root, d.root
	for _, step := range steps(key) {
		name, value := child(node, step)
		if value == nil {
			break
		}
		at, node = value, value
		if value.Kind != yaml.ScalarNode && name != nil {
			at = name
		}
	}
	return mapping.Place{File: d.file, Line: at.Line, Column: at.Column}
}

// has says whether the file gives key.
func (d *document) has(key string) bool {
	node := d.root
	for _, step := range steps(key) {
		if node == nil {
			return false
		}
		_, node = child(node, step)
	}
	return node != nil
}

func steps(key string) []string {
	return strings.FieldsFunc(key, func(r rune) bool { return r == '.' || r == '[' || r == ']' })
}

// parent returns the key of the section that key is in.
func parent(key string) string { return key[:max(strings.LastIndexAny(key, ".["), 0)] }

// child returns the value that one step leads to, and the key that it stands
// behind, which elements of a list have not.
func child(node *yaml.Node, step string) (name, value *yaml.Node) {
	node = follow(node)
	switch node.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			if node.Content[i].Value == step {
				return node.Content[i], node.Content[i+1]
			}
		}
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(step); err == nil && i < len(node.Content) {
			return nil, node.Content[i]
		}
	default:
	}
	return nil, nil
}

// follow returns what an alias stands for.
func follow(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// doubtful says whether a fault of key is only a consequence of what was
// written wrong there, which has been said already.
func (d *document) doubtful(key string) bool {
	for tainted, how := range d.tainted {
		within := tainted == "" || strings.HasPrefix(key, tainted+".") || strings.HasPrefix(key, tainted+"[")
		if key == tainted || how == misfit && (within || key == "default_route" && strings.HasPrefix(tainted, "routes")) {
			return true
		}
	}
	return false
}

// lines returns the file's lines with everything masked that may be a secret.
func (d *document) lines() []string {
	lines := strings.Split(string(d.data), "\n")
	if d.root == nil {
		for i, line := range lines {
			if risky := regexp.MustCompile(`(?i)key|token|secret|pass|communit|@|^\s*-|[0-9a-z]{20}`); risky.MatchString(line) {
				lines[i] = ""
			}
		}
		return lines
	}
	for _, n := range d.scalars {
		if !d.plain[n] {
			mask(lines, n)
		}
	}
	for i, line := range lines {
		lines[i] = regexp.MustCompile(`\b[0-9A-Za-z]{32}\b`).ReplaceAllStringFunc(line, stars)
	}
	return lines
}

func stars(s string) string { return strings.Repeat("*", len([]rune(s))) }

// mask hides the text of a scalar.
func mask(lines []string, n *yaml.Node) {
	if n.Line < 1 || n.Line > len(lines) {
		return
	}
	line := []rune(lines[n.Line-1])
	from := min(max(n.Column-1, 0), len(line))
	to := from + written(line[from:], n)
	lines[n.Line-1] = string(line[:from]) + stars(string(line[from:to])) + string(line[to:])
}

// scalarsOf returns the values under n, without the keys.
func scalarsOf(n *yaml.Node) (all []*yaml.Node) {
	switch n.Kind {
	case yaml.ScalarNode:
		return []*yaml.Node{n}
	case yaml.MappingNode:
		for i := 1; i < len(n.Content); i += 2 {
			all = append(all, scalarsOf(n.Content[i])...)
		}
	case yaml.SequenceNode:
		for _, c := range n.Content {
			all = append(all, scalarsOf(c)...)
		}
	default:
	}
	return all
}

// written returns how many characters of line a scalar takes that it begins
// with.
func written(line []rune, n *yaml.Node) int {
	quote := map[yaml.Style]rune{yaml.SingleQuotedStyle: '\'', yaml.DoubleQuotedStyle: '"'}[n.Style&^yaml.TaggedStyle]
	if quote == 0 {
		if text := []rune(n.Value); strings.HasPrefix(string(line), n.Value) {
			return len(text)
		}
		return len(line)
	}
	for i := 1; i < len(line); i++ {
		switch {
		case quote == '"' && line[i] == '\\', quote == '\'' && line[i] == quote && i+1 < len(line) && line[i+1] == quote:
			i++
		case line[i] == quote:
			return i + 1
		}
	}
	return len(line)
}

// name returns how the configuration is called in messages.
func (d *document) name() string {
	if d.file == "" {
		return "built-in defaults"
	}
	return d.file
}
