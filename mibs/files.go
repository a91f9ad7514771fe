package mibs

import (
	"bytes"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/golangsnmp/gomib"
)

// maxFile is the size in octets up to which a file is read: the largest of
// vendors' modules take about 3 MiB.
const maxFile = 16 << 20

// source finds modules by the names that they give themselves, whatever their
// files are called. It implements gomib.Source. Files are read again when a
// module is asked for: a collection of modules is larger than all else that
// the appliance holds in memory.
type source struct {
	names []string // in the order in which they were found

	mu      sync.Mutex
	modules map[string]*moduleText
}

// moduleText is where the text of a module is.
type moduleText struct {
	path       string
	start, end int    // octets of the file
	lines      int    // line ends before start
	sum        uint64 // of the text
	text       []byte // the text, where it is not that of the file
	mended     bool
}

func newSource() *source { return &source{modules: map[string]*moduleText{}} }

// Find returns the text of a module, with a line end for each that is before
// it in its file, so that line numbers are the file's.
func (s *source) Find(name string) (gomib.FindResult, error) {
	m := s.module(name)
	if m == nil {
		return gomib.FindResult{}, fs.ErrNotExist
	}
	text := m.text
	if text == nil {
		content, err := os.ReadFile(m.path)
		if err != nil || len(content) < m.end {
			return gomib.FindResult{}, fs.ErrNotExist // since it was found
		}
		text = append(bytes.Repeat([]byte("\n"), m.lines), content[m.start:m.end]...)
	}
	return gomib.FindResult{Content: text, Path: m.path}, nil
}

// ListModules returns the names of all modules.
func (s *source) ListModules() ([]string, error) { return s.names, nil }

func (s *source) module(name string) *moduleText {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.modules[name]
}

// size is how many octets the text of a module has.
func (s *source) size(name string) int {
	if m := s.module(name); m != nil {
		return m.end - m.start
	}
	return 0
}

// drop takes a module out, and returns where it was.
func (s *source) drop(name string) *moduleText {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.modules[name]
	delete(s.modules, name)
	return m
}

// replace gives a module another text, a mended one.
func (s *source) replace(name string, text []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.modules[name]; m != nil {
		mended := *m
		mended.text, mended.mended = text, true
		s.modules[name] = &mended
	}
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
	var others []string
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
			found := s.addFile(path)
			if len(found) == 1 && found[0].Text == noModule {
				others, found = append(others, found[0].File), nil
			}
			warnings = append(warnings, found...)
		}
		return nil
	}
	// With "/." at its end a link to a folder is followed.
	err = filepath.WalkDir(dir+"/.", walk)
	return append(warnings, without(dir, others)...), err
}

// without tells which files hold no module, those of a collection's papers
// and tools all at once.
func without(dir string, files []string) (warnings []Warning) {
	const all = 5
	if more := len(files) - all; more > 0 {
		dir = filepath.Clean(dir)
		for i, file := range files[:all] {
			files[i] = strings.TrimPrefix(file, dir+"/")
		}
		text := fmt.Sprintf("%d files hold no SMI module (a line NAME DEFINITIONS ::= BEGIN is missing): %s and %d more",
			len(files), strings.Join(files[:all], ", "), more)
		return []Warning{{File: dir, Text: text}}
	}
	for _, file := range files {
		warnings = append(warnings, Warning{File: file, Text: noModule})
	}
	return warnings
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
	return s.index(path, content, false)
}

// index adds the modules in a text, of which there may be several. keep says
// that the text is that of no file.
func (s *source) index(path string, content []byte, keep bool) (warnings []Warning) {
	if bytes.IndexByte(content, 0) >= 0 {
		return []Warning{{File: path, Text: "is no text"}}
	}
	found := modulesIn(content)
	if len(found) == 0 {
		return []Warning{{File: path, Text: noModule}}
	}
	for i, h := range found {
		m := &moduleText{path: path, start: h.start, end: len(content), lines: bytes.Count(content[:h.start], []byte("\n"))}
		if i+1 < len(found) {
			m.end = found[i+1].start
		}
		hash := fnv.New64a()
		_, _ = hash.Write(content[m.start:m.end]) // never errs
		m.sum = hash.Sum64()
		if keep {
			m.text = append(bytes.Repeat([]byte("\n"), m.lines), content[m.start:m.end]...)
		}
		if w := s.addModule(h.name, m); w != nil {
			warnings = append(warnings, *w)
		}
	}
	return warnings
}

const noModule = "holds no SMI module: a line NAME DEFINITIONS ::= BEGIN is missing"

func (s *source) addModule(name string, m *moduleText) *Warning {
	held, ok := s.modules[name]
	switch {
	case !ok:
		s.modules[name] = m
		s.names = append(s.names, name)
		return nil
	case held.sum == m.sum:
		return nil
	case held.path == m.path:
		return &Warning{Module: name, File: m.path, Line: m.lines + 1, Text: "is in this file twice: the first one is used"}
	}
	return &Warning{Module: name, File: m.path, Text: "is in " + held.path + ", too, which is used: remove one of them"}
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
// comment. Comments may come between it and the text's end.
func nameBefore(text []byte) (h header, ok bool) {
	text = withoutComments(text)
	if bytes.HasSuffix(text, []byte("}")) {
		text = withoutComments(text[:max(bytes.LastIndexByte(text, '{'), 0)])
	}
	isName := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_'
	}
	before := bytes.TrimRightFunc(text, isName)
	name := string(text[len(before):])
	return header{name, len(before)}, name != "" && !strings.HasPrefix(name, "-") && !bytes.Contains(lastLine(before), []byte("--"))
}

// withoutComments cuts space and comments off the end of a text.
func withoutComments(text []byte) []byte {
	for {
		text = bytes.TrimRight(text, " \t\r\n")
		line := lastLine(text)
		i := bytes.Index(line, []byte("--"))
		if i < 0 {
			return text
		}
		text = text[:len(text)-len(line)+i]
	}
}

func lastLine(text []byte) []byte { return text[bytes.LastIndexByte(text, '\n')+1:] }
