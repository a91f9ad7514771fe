package mibs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/golangsnmp/gomib"
)

// maxFile is the size in octets up to which a file is read: the largest of
// vendors' modules take about 3 MiB.
const maxFile = 16 << 20

// source holds modules by the names that they give themselves, whatever their
// files are called. It implements gomib.Source.
type source struct {
	modules map[string]gomib.FindResult
	names   []string // in the order in which they were found
}

func newSource() *source { return &source{modules: map[string]gomib.FindResult{}} }

// Find returns the text of a module.
func (s *source) Find(name string) (gomib.FindResult, error) {
	if m, ok := s.modules[name]; ok {
		return m, nil
	}
	return gomib.FindResult{}, fs.ErrNotExist
}

// ListModules returns the names of all modules.
func (s *source) ListModules() ([]string, error) { return s.names, nil }

func (s *source) drop(name string) {
	delete(s.modules, name)
	s.names = slices.DeleteFunc(s.names, func(n string) bool { return n == name })
}

// addFolder adds the modules of all files in a folder and the folders in it,
// except hidden ones. A module that is there already stays.
func (s *source) addFolder(dir string) (warnings []Warning, err error) {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("mibs: no folder %s: make it, or take it out of mibs: in the configuration", dir)
	case err != nil:
		return nil, fmt.Errorf("mibs: folder %s: %w", dir, err)
	case !info.IsDir():
		return nil, fmt.Errorf("mibs: %s is a file: name the folder that it is in", dir)
	}
	if _, err := os.ReadDir(dir); err != nil {
		return nil, fmt.Errorf("mibs: folder %s: %w", dir, err)
	}
	walk := func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			warnings = append(warnings, Warning{File: path, Text: "cannot be read: " + err.Error()})
			return nil
		}
		if hidden := strings.HasPrefix(d.Name(), "."); hidden && path != dir+"/." {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if !d.IsDir() {
			warnings = append(warnings, s.addFile(path)...)
		}
		return nil
	}
	// With "/." at its end a link to a folder is followed.
	return warnings, filepath.WalkDir(dir+"/.", walk)
}

func (s *source) addFile(path string) []Warning {
	path = filepath.Clean(path)
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return []Warning{{File: path, Text: "cannot be read: " + err.Error()}}
	case info.IsDir():
		return []Warning{{File: path, Text: "is a link to a folder, which is not followed: name that folder, too"}}
	case !info.Mode().IsRegular():
		return []Warning{{File: path, Text: "is no regular file"}}
	case info.Size() > maxFile:
		return []Warning{{File: path, Text: fmt.Sprintf("has %d MiB: no SMI module is as large", info.Size()>>20)}}
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return []Warning{{File: path, Text: "cannot be read: " + err.Error()}}
	}
	return s.addText(path, content)
}

// addText adds the modules in a text, of which there may be several.
func (s *source) addText(path string, content []byte) (warnings []Warning) {
	if bytes.IndexByte(content, 0) >= 0 {
		return []Warning{{File: path, Text: "is no text"}}
	}
	found := modulesIn(content)
	if len(found) == 0 {
		return []Warning{{File: path, Text: "holds no SMI module: a line NAME DEFINITIONS ::= BEGIN is missing"}}
	}
	for i, m := range found {
		end := len(content)
		if i+1 < len(found) {
			end = found[i+1].start
		}
		// Line ends in place of what comes before keep line numbers right.
		text := append(bytes.Repeat([]byte("\n"), bytes.Count(content[:m.start], []byte("\n"))), content[m.start:end]...)
		if w := s.addModule(m.name, path, text); w != nil {
			warnings = append(warnings, *w)
		}
	}
	return warnings
}

func (s *source) addModule(name, path string, text []byte) *Warning {
	if held, ok := s.modules[name]; ok {
		if bytes.Equal(held.Content, text) {
			return nil
		}
		return &Warning{Module: name, File: path, Text: "is in " + held.Path + ", too, which is used: remove one of them"}
	}
	s.modules[name] = gomib.FindResult{Content: text, Path: path}
	s.names = append(s.names, name)
	return nil
}

// header is where a module begins.
type header struct {
	name  string
	start int
}

// modulesIn finds "NAME DEFINITIONS ::= BEGIN", also with an OID in braces
// after the name and with tags after DEFINITIONS.
func modulesIn(content []byte) (found []header) {
	const keyword = "DEFINITIONS"
	for at := 0; ; {
		i := bytes.Index(content[at:], []byte(keyword))
		if i < 0 {
			return found
		}
		at += i + len(keyword)
		if !begins(content[at:]) {
			continue
		}
		if h, ok := nameBefore(content[:at-len(keyword)]); ok {
			found = append(found, h)
		}
	}
}

// begins says whether "::= BEGIN" comes next, after tags at most.
func begins(rest []byte) bool {
	tags, rest, ok := bytes.Cut(rest[:min(len(rest), 200)], []byte("::="))
	if !ok || strings.Trim(string(tags), " \t\r\nABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return false
	}
	return bytes.HasPrefix(bytes.TrimLeft(rest, " \t\r\n"), []byte("BEGIN"))
}

// nameBefore returns the name that a text ends with, unless it is in a
// comment.
func nameBefore(text []byte) (h header, ok bool) {
	text = bytes.TrimRight(text, " \t\r\n")
	if bytes.HasSuffix(text, []byte("}")) {
		text = bytes.TrimRight(text[:max(bytes.LastIndexByte(text, '{'), 0)], " \t\r\n")
	}
	isName := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_'
	}
	before := bytes.TrimRightFunc(text, isName)
	line := before[bytes.LastIndexByte(before, '\n')+1:]
	name := string(text[len(before):])
	return header{name, len(before)}, name != "" && !strings.HasPrefix(name, "-") && !bytes.Contains(line, []byte("--"))
}
