// Package rulefile reads rules from YAML. What comes in are files; what goes
// out are compiled mapping.Rules, or all that is wrong with the files, each
// fault with its file, line and column and, where there is a near one, the
// word that was meant. The language is described in mapping/README.md.
package rulefile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pdaltagent/pdaltagent/mapping"
)

// Load reads and compiles the rules of files, and of the *.yaml files of
// folders, in lexical order, at any depth. No paths make rules that match
// nothing. more are read after them. Its error is mapping.Faults where the
// files could be read.
func Load(paths []string, namer mapping.Namer, more ...File) (*mapping.Rules, error) {
	files, err := Files(paths)
	if err != nil {
		return nil, err
	}
	var spec mapping.Spec
	var faults mapping.Faults
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, unreadable(name, err)
		}
		faults = append(faults, read(name, data, &spec)...)
	}
	for _, file := range more {
		faults = append(faults, read(file.Name, file.Data, &spec)...)
	}
	return compile(spec, faults, namer)
}

// File is a rule file that is in memory. Its faults are shown with its name.
type File struct {
	Name string
	Data []byte
}

// Parse compiles the rules of one file that is in memory already. name is
// what its faults are shown with.
func Parse(name string, data []byte, namer mapping.Namer) (*mapping.Rules, error) {
	var spec mapping.Spec
	faults := read(name, data, &spec)
	return compile(spec, faults, namer)
}

func compile(spec mapping.Spec, faults mapping.Faults, namer mapping.Namer) (*mapping.Rules, error) {
	rules, err := mapping.Compile(spec, namer)
	var more mapping.Faults
	if errors.As(err, &more) {
		faults = append(faults, more...)
	}
	faults = append(faults, defaultsTwice(spec.Defaults)...)
	if err := faults.Err(); err != nil {
		return nil, err
	}
	return rules, nil
}

// read adds what a file says to spec.
func read(name string, data []byte, spec *mapping.Spec) mapping.Faults {
	s := newSource(name, data)
	for _, doc := range s.documents() {
		s.document(doc, spec)
	}
	return s.faults
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

// Files returns the rule files that paths stand for, in the order in which
// they are read: paths as they are given, and the files of each folder in
// lexical order. Names that start with a dot are left out.
func Files(paths []string) ([]string, error) {
	var files []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, unreadable(path, err)
		}
		if !info.IsDir() {
			files = append(files, path)
			continue
		}
		found, err := folder(path)
		if err != nil {
			return nil, unreadable(path, err)
		}
		files = append(files, found...)
	}
	return files, nil
}

func folder(path string) (files []string, err error) {
	err = filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
		hidden := name != path && strings.HasPrefix(d.Name(), ".")
		switch {
		case err != nil:
			return err
		case d.IsDir() && hidden:
			return filepath.SkipDir
		case !d.IsDir() && !hidden && (filepath.Ext(name) == ".yaml" || filepath.Ext(name) == ".yml"):
			files = append(files, name)
		}
		return nil
	})
	slices.Sort(files)
	return files, err
}

// unreadable names the mend of a file that cannot be read.
func unreadable(path string, err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) && pe.Path != "" {
		path = pe.Path
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("rules %s: there is no such file or folder: create it, or take it out of rules in the configuration: %w", path, fs.ErrNotExist)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("rules %s: user %d may not read it: chmod a+r it, or a+rx where it is a folder: %w", path, os.Getuid(), fs.ErrPermission)
	}
	return fmt.Errorf("rules %s: %w", path, err)
}
