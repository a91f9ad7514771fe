// Package rulefile reads rules from YAML. What comes in are files; what goes
// out are compiled mapping.Rules, or all that is wrong with the files, each
// fault with its file, line and column and, where there is a near one, the
// word that was meant. The language is described in mapping/README.md.
package rulefile

import (
	"os"

	"github.com/pdaltagent/pdaltagent/mapping"
)

// Loader reads rule files, and the files of tables that they name.
type Loader struct {
	Namer  mapping.Namer // required
	Routes []string      // the names of the configured routes; nil: the routes of rules are not checked
	Raw    bool          // history.raw: stored messages are not masked
	More   []File        // read after the files of the paths

	Destinations []string // the names of webhooks' destinations; nil: those of rules are not checked
}

// File is a rule file that is in memory. Its faults are shown with its name.
type File struct {
	Name string
	Data []byte
}

// Load reads and compiles the rules of files, and of the *.yaml files of
// folders, in lexical order, at any depth. No paths make rules that match
// nothing. The error is mapping.Faults: all that is wrong with all files.
// Warnings come with and without it.
func (l Loader) Load(paths ...string) (rules *mapping.Rules, warnings mapping.Faults, err error) {
	files, faults := find(paths)
	r := reader{}
	r.faults = append(r.faults, faults...)
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			r.faults = append(r.faults, unreadable(name, err))
			continue
		}
		r.read(File{name, data}, nil)
		r.spec.Files = append(r.spec.Files, name)
	}
	for _, f := range l.More {
		r.read(f, nil)
	}
	return l.compile(&r)
}

// Parse compiles the rules of one file that is in memory already. Files of
// tables that tables holds, by their whole path, are not read from disk.
func (l Loader) Parse(file File, tables ...File) (rules *mapping.Rules, warnings mapping.Faults, err error) {
	r := reader{}
	r.read(file, tables)
	for _, f := range l.More {
		r.read(f, tables)
	}
	return l.compile(&r)
}

// Load is Loader.Load without its warnings, which Rules.Warnings returns.
func Load(paths []string, namer mapping.Namer, more ...File) (*mapping.Rules, error) {
	rules, _, err := Loader{Namer: namer, More: more}.Load(paths...)
	return rules, err
}

// Parse is Loader.Parse without its warnings, which Rules.Warnings returns.
func Parse(name string, data []byte, namer mapping.Namer) (*mapping.Rules, error) {
	rules, _, err := Loader{Namer: namer}.Parse(File{name, data})
	return rules, err
}

// reader collects what files say, and what is wrong with them.
type reader struct {
	spec   mapping.Spec
	faults mapping.Faults
}

// read adds what a file says.
func (r *reader) read(f File, tables []File) {
	s := newSource(f.Name, f.Data)
	s.given = tables
	for _, doc := range s.documents() {
		s.document(doc, &r.spec)
	}
	r.faults = append(r.faults, s.faults...)
}

func (l Loader) compile(r *reader) (*mapping.Rules, mapping.Faults, error) {
	r.spec.Routes, r.spec.Destinations, r.spec.Raw = l.Routes, l.Destinations, l.Raw
	rules, warnings, faults := mapping.Compile(r.spec, l.Namer)
	faults = append(append(r.faults, faults...), defaultsTwice(r.spec.Defaults)...)
	if err := faults.Err(); err != nil {
		return nil, warnings, err
	}
	return rules, warnings, nil
}

// defaultsTwice finds defaults that two files give.
func defaultsTwice(defaults []mapping.Entry) (faults mapping.Faults) {
	first := map[string]mapping.Place{}
	for _, e := range defaults {
		if at, ok := first[e.Key.Value]; ok && at != e.Key.Place {
			faults = append(faults, mapping.Fault{
				Place:   e.Key.Place,
				Message: "defaults.event." + e.Key.Value + " is given at " + at.String() + " already",
			})
			continue
		}
		first[e.Key.Value] = e.Key.Place
	}
	return faults
}
