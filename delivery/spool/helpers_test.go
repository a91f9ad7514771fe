package spool

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/pdaltagent/pdaltagent/mapping"
)

// hasty is a disk that syncs nothing, for tests that open a spool thousands of
// times.
type hasty struct{ disk }

type hastyFile struct{ file }

func (hasty) Open(path string, flag int) (file, error) {
	f, err := disk{}.Open(path, flag)
	if err != nil {
		return nil, err
	}
	return hastyFile{f}, nil
}

func (hasty) SyncDir(string) error { return nil }
func (hastyFile) Sync() error      { return nil }

// logged is what a spool has logged.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// lines returns the entries of a level.
func (l *logged) lines(t *testing.T, level string) (entries []map[string]any) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for d := json.NewDecoder(bytes.NewReader(l.b.Bytes())); ; {
		var entry map[string]any
		if err := d.Decode(&entry); err == io.EOF {
			return entries
		} else if err != nil {
			t.Fatal(err)
		}
		if entry["level"] == level {
			entries = append(entries, entry)
		}
	}
}

func openOn(t testing.TB, files filesystem, config Config) (*Spool, *logged) {
	t.Helper()
	l := new(logged)
	s, err := open(config, slog.New(slog.NewJSONHandler(l, nil)), files)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, l
}

func openTest(t testing.TB, config Config) (*Spool, *logged) {
	t.Helper()
	return openOn(t, hasty{}, config)
}

func reopen(t testing.TB, s *Spool) *Spool {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again, _ := openTest(t, s.config)
	return again
}

func mustAppend(t testing.TB, s *Spool, events ...*mapping.Event) {
	t.Helper()
	if err := s.Append(events); err != nil {
		t.Fatal(err)
	}
}

// next returns what Next does, and fails on an error.
func next(t testing.TB, s *Spool, n int) []*mapping.Event {
	t.Helper()
	events, err := s.Next(n, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return events
}

// drain returns all that is left and removes it.
func drain(t testing.TB, s *Spool) (all []*mapping.Event) {
	t.Helper()
	for events := next(t, s, 100); len(events) > 0; events = next(t, s, 100) {
		all = append(all, events...)
		if err := s.Remove(len(events)); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// checkEmpty fails unless nothing is left, in memory and on disk.
func checkEmpty(t testing.TB, s *Spool) {
	t.Helper()
	if events, size := s.Len(); events != 0 || size != 0 {
		t.Errorf("%d events and %d bytes are counted in an empty spool", events, size)
	}
	if left := filesOf(t, s.config.Dir, segmentSuffix); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

// filesOf returns the paths of a folder's files whose names end in suffix.
func filesOf(t testing.TB, dir, suffix string) (paths []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), suffix) {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	return paths
}

func writeFile(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
