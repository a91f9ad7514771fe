package main

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/mapping"
	"github.com/pdaltagent/pdaltagent/mapping/rulefile"
)

// maxDepth bounds how deep a file may be nested; aliases could make it endless.
const maxDepth = 50

// decode reads d into the struct that into points to. What does not fit is
// left out and returned as a fault, so that the rest can be looked at all the
// same.
func (d *document) decode(into any) mapping.Faults {
	var root yaml.Node
	if err := rulefile.Decode(d.file, d.data, &root); err != nil {
		d.tainted[""] = misfit
		return faultsOf(err)
	}
	if len(root.Content) == 0 {
		return nil
	}
	d.root = root.Content[0]
	d.scalars = scalarsOf(d.root)
	w := walker{document: d, schema: reflect.TypeOf(into).Elem()}
	if !w.value("", d.root, w.schema, 0) {
		return w.faults
	}
	if err := d.root.Load(into); err != nil {
		w.faults = append(w.faults, mapping.Fault{Place: mapping.Place{File: d.file}, Message: err.Error()})
	}
	return w.faults
}

// walker holds a YAML tree against the type that it is decoded into: it notes
// what does not fit and takes it out.
type walker struct {
	*document
	schema reflect.Type
	faults mapping.Faults
}

func (w *walker) fault(n *yaml.Node, format string, args ...any) {
	w.faults = append(w.faults, mapping.Fault{
		Place:   mapping.Place{File: w.file, Line: n.Line, Column: n.Column},
		Message: strings.TrimPrefix(fmt.Sprintf(format, args...), ": "),
	})
}

// value says whether n fits t, after what does not fit was taken out of it.
func (w *walker) value(key string, n *yaml.Node, t reflect.Type, depth int) bool {
	n = follow(n)
	if depth > maxDepth {
		w.fault(n, "%s: is nested too deep", key)
		return false
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	secret := t == reflect.TypeFor[ingest.Secret]() || t == reflect.TypeFor[[]ingest.Secret]()
	w.plain[n] = !secret && !strings.Contains(n.Value, "@")
	fits := true
	switch {
	case n.ShortTag() == "!!null":
	case readsItself(t), t.Kind() == reflect.Interface:
	case t == reflect.TypeFor[time.Duration]():
		fits = w.duration(key, n)
	case reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		fits = w.text(key, n, t)
	case t.Kind() == reflect.Struct, t.Kind() == reflect.Map:
		fits = w.mapping(key, n, t, depth)
	case t.Kind() == reflect.Slice:
		fits = w.list(key, n, t, depth)
	default:
		fits = w.scalar(key, n, t)
	}
	if !fits {
		w.tainted[key] = misfit
	}
	return fits
}

// readsItself says whether a type has a form of its own in YAML.
func readsItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(reflect.TypeFor[yaml.Unmarshaler]())
}

// mapping takes the keys out of n that do not fit.
func (w *walker) mapping(key string, n *yaml.Node, t reflect.Type, depth int) bool {
	if n.Kind != yaml.MappingNode {
		w.fault(n, "%s: %s is a mapping of keys to values, not %s", key, describe(key), kindOf(n))
		return false
	}
	first := map[string]int{}
	kept := make([]*yaml.Node, 0, len(n.Content))
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		if line, twice := first[name.Value]; twice {
			w.fault(name, "%s: is given twice, first on line %d", join(key, name.Value), line)
			continue
		}
		first[name.Value] = name.Line
		of := t
		if name.ShortTag() != "!!merge" {
			of = w.field(key, name, t)
		}
		if of != nil && w.value(join(key, name.Value), value, of, depth+1) {
			kept = append(kept, name, value)
		}
	}
	n.Content = kept
	return true
}

// field returns the type of what stands behind a key in a t; nil where t has
// no such key.
func (w *walker) field(section string, name *yaml.Node, t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Map {
		return t.Elem()
	}
	var known []string
	for f := range t.Fields() {
		tag, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if tag == name.Value && tag != "-" && tag != "" {
			return f.Type
		}
		if tag != "-" && tag != "" {
			known = append(known, tag)
		}
	}
	w.tainted[section] = incomplete
	where := ""
	if section != "" {
		where = " in " + section
	}
	w.fault(name, "unknown key %q%s%s", name.Value, where, w.instead(name.Value, known))
	return nil
}

// instead names what an unknown key may be meant to be.
func (w *walker) instead(name string, known []string) string {
	if near := mapping.DidYouMean(name, known); near != "" {
		return near
	}
	if homes := sectionsWith(name, "", w.schema); len(homes) > 0 {
		return "; it belongs into " + strings.Join(homes, " or ")
	}
	return "; the keys here are " + strings.Join(known, ", ")
}

// sectionsWith returns the sections under t that have a key of that name.
func sectionsWith(name, section string, t reflect.Type) (found []string) {
	if t.Kind() != reflect.Struct {
		return nil
	}
	for f := range t.Fields() {
		tag, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if tag == name && section != "" {
			found = append(found, section)
		}
		if tag != "" && tag != "-" {
			found = append(found, sectionsWith(name, join(section, tag), f.Type)...)
		}
	}
	return found
}

func (w *walker) list(key string, n *yaml.Node, t reflect.Type, depth int) bool {
	if n.Kind == yaml.ScalarNode {
		w.fault(n, "%s: is a list; write [%s]", key, strconv.Quote(w.shown(n, mendListener(key, n.Value))))
		return false
	}
	if n.Kind != yaml.SequenceNode {
		w.fault(n, "%s: is a list, not %s", key, kindOf(n))
		return false
	}
	fits := true
	for i, c := range n.Content {
		fits = w.value(fmt.Sprintf("%s[%d]", key, i), c, t.Elem(), depth+1) && fits
	}
	return fits
}

// shown returns text, or a placeholder where n may be a secret.
func (w *walker) shown(n *yaml.Node, text string) string {
	if w.plain[n] {
		return text
	}
	return "…"
}

func (w *walker) duration(key string, n *yaml.Node) bool {
	d, err := parseDuration(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil {
		w.fault(n, "%s: %s", key, wantDuration(n))
		return false
	}
	n.SetString(d.String())
	return true
}

func wantDuration(n *yaml.Node) string {
	if n.Kind != yaml.ScalarNode {
		return "is a duration such as 500ms, 20s, 10m, 72h or 90d, not " + kindOf(n)
	}
	if mended := mendDuration(n.Value); mended != "" {
		return fmt.Sprintf("%q is no duration; write %s", n.Value, mended)
	}
	return fmt.Sprintf("%q is no duration; write one such as 500ms, 20s, 10m, 72h or 90d", n.Value)
}

func (w *walker) text(key string, n *yaml.Node, t reflect.Type) bool {
	value, _ := reflect.New(t).Interface().(encoding.TextUnmarshaler)
	if n.Kind != yaml.ScalarNode {
		w.fault(n, "%s: is a text, not %s", key, kindOf(n))
		return false
	}
	if err := value.UnmarshalText([]byte(n.Value)); err != nil {
		if mended := mendNetwork(n.Value, t); mended != "" {
			err = fmt.Errorf("%q is no network; %s", n.Value, mended)
		}
		w.fault(n, "%s: %v", key, err)
		return false
	}
	return true
}

func (w *walker) scalar(key string, n *yaml.Node, t reflect.Type) bool {
	if n.Kind != yaml.ScalarNode {
		w.fault(n, "%s: is %s, not %s", key, wanted(t), kindOf(n))
		return false
	}
	v := reflect.New(t)
	if n.Load(v.Interface()) == nil {
		return true
	}
	w.fault(n, "%s: %s is not %s%s", key, strconv.Quote(w.shown(n, n.Value)), wanted(t), mendScalar(n.Value, t))
	return false
}

// kindOf names the kind of what was written.
func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.SequenceNode:
		return "a list"
	case yaml.MappingNode:
		return "a mapping"
	default:
		return "a single value"
	}
}

// wanted names the kind of value that a type takes.
func wanted(t reflect.Type) string {
	switch k := t.Kind(); {
	case k == reflect.Bool:
		return "true or false"
	case slices.Contains([]reflect.Kind{reflect.Float32, reflect.Float64}, k):
		return "a number"
	case reflect.Int <= k && k <= reflect.Uint64:
		return "a whole number"
	}
	return "a text"
}

func describe(key string) string {
	if key == "" {
		return "the file"
	}
	return "it"
}

func join(section, key string) string {
	if section == "" {
		return key
	}
	return section + "." + key
}
