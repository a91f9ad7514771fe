package main

import (
	gobuild "go/build"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/pdaltagent/pdaltagent"

// TestImportsPointLeft holds the rule that keeps the rooms apart: ingest ←
// mapping ← delivery ← cmd. A package imports its parent, the root of its own
// stage, and the roots of the stages to its left; siblings never import each
// other; migrations and mibs import nothing of any other room.
func TestImportsPointLeft(t *testing.T) {
	root := "../.."
	seen := 0
	err := filepath.WalkDir(root, func(dir string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() || strings.HasPrefix(entry.Name(), ".") && dir != root {
			return err
		}
		p, err := gobuild.ImportDir(dir, 0)
		if err != nil {
			return nil //nolint:nilerr // a folder without Go files
		}
		from, err := filepath.Rel(root, dir)
		if err != nil {
			return err
		}
		seen++
		for _, imported := range p.Imports {
			if to, ours := strings.CutPrefix(imported, module+"/"); ours && !allowed(filepath.ToSlash(from), to) {
				t.Errorf("%s imports %s", from, to)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 15 {
		t.Errorf("looked at %d packages; the project has more", seen)
	}
}

// TestImportRuleRefuses shows that the rule can fail.
func TestImportRuleRefuses(t *testing.T) {
	f := func(from, to string, want bool) {
		t.Helper()
		if got := allowed(from, to); got != want {
			t.Errorf("%s → %s: got %v, want %v", from, to, got, want)
		}
	}
	f("ingest/syslog", "ingest", true)
	f("mapping", "ingest", true)
	f("mapping/rulefile", "mapping", true)
	f("delivery/queue", "delivery", true)
	f("delivery/queue", "mapping", true)
	f("delivery/queue", "ingest", true)
	f("migrations/pgtest", "migrations", true)
	f("cmd/pdagentd", "delivery/queue", true)
	f("cmd/pd-queue", "cmd/internal/site", true)

	f("ingest", "mapping", false)
	f("ingest/syslog", "ingest/snmptrap", false)
	f("mapping", "mapping/rulefile", false)
	f("mapping", "ingest/syslog", false)
	f("mapping", "mibs", false)
	f("delivery/queue", "delivery/history", false)
	f("delivery", "mapping/rulefile", false)
	f("mibs", "ingest", false)
	f("migrations", "delivery", false)
	f("cmd/pd-send", "cmd/pdagentd", false)
}

func allowed(from, to string) bool {
	stages := []string{"ingest", "mapping", "delivery", "cmd"}
	stage, _, _ := strings.Cut(from, "/")
	target, _, nested := strings.Cut(to, "/")
	if from != to && (path.Dir(from) == to || from != stage && stage == to) {
		return true
	}
	i, j := slices.Index(stages, stage), slices.Index(stages, target)
	if stage == "cmd" {
		return target != "cmd" || strings.HasPrefix(to, "cmd/internal/") // what programs share
	}
	if stage == "migrations" {
		return target == stage // its tests' database is its embedded server
	}
	return i > 0 && j >= 0 && j < i && !nested
}
