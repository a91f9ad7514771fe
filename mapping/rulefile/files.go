package rulefile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/pdaltagent/pdaltagent/mapping"
)

// Files returns the rule files that paths stand for, in the order in which
// they are read: paths as they are given, and the files of each folder in
// lexical order. Names that start with a dot are left out.
func Files(paths []string) ([]string, error) {
	files, faults := find(paths)
	if len(faults) > 0 {
		return nil, faults
	}
	return files, nil
}

// find is Files, with a fault for each path that cannot be read.
func find(paths []string) (files []string, faults mapping.Faults) {
	for _, path := range paths {
		found, err := folder(path)
		if err != nil {
			faults = append(faults, unreadable(path, err))
			continue
		}
		files = append(files, found...)
	}
	return files, faults
}

// folder returns the rule files of a folder, or path itself where it is none.
func folder(path string) (files []string, err error) {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return []string{path}, err
	}
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

// unreadable is the fault of a path that cannot be read.
func unreadable(path string, err error) mapping.Fault {
	var pe *fs.PathError
	if errors.As(err, &pe) && pe.Path != "" {
		path = pe.Path
	}
	why := whyUnreadable(path, err)
	if errors.Is(err, fs.ErrNotExist) {
		why += ": create it, or take it out of rules in the configuration"
	}
	return mapping.Fault{Message: "rules: " + why, Cause: underlying(err)}
}

// whyUnreadable says why a path cannot be read, with its absolute path, as a
// relative one depends on where the program was started.
func whyUnreadable(path string, err error) string {
	shown := path
	if abs, absErr := filepath.Abs(path); absErr == nil && abs != path {
		shown = path + " (" + abs + ")"
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "there is no file or folder " + shown
	case errors.Is(err, fs.ErrPermission):
		return "user " + strconv.Itoa(os.Getuid()) + " may not read " + shown + ": chmod a+r it, or a+rx where it is a folder"
	}
	return shown + ": " + underlying(err).Error()
}

// underlying is err without the path that it names.
func underlying(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// plural returns "1 thing" or "2 things".
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return strconv.Itoa(n) + " " + thing + "s"
}
