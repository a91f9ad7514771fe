package snmptrap

import (
	"encoding/hex"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestAnEngineCountsItsStarts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "snmp")
	var first *engine
	for start := uint32(1); start <= 3; start++ {
		e, err := openEngine(dir, "")
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = e
		}
		if e.boots != start || e.id != first.id || e.salt.Load() == first.salt.Load() && start > 1 {
			t.Errorf("start %d: boots %d, id %x", start, e.boots, e.id)
		}
	}
	if id := first.id; len(id) != 17 || id[0]&0x80 == 0 || id[4] != 5 || strings.Trim(id[5:], "\x00") == "" {
		t.Errorf("id %x is not what RFC 3411 section 5 says", id)
	}
	for _, path := range []string{dir, filepath.Join(dir, "engine.json")} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v: others may read it", path, info.Mode(), err)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("files were left: %v", left)
	}
	const configured = "80001f88046e6f63"
	for start := uint32(4); start <= 5; start++ {
		if e, err := openEngine(dir, configured); err != nil || hex.EncodeToString([]byte(e.id)) != configured || e.boots != start {
			t.Errorf("a configured id, start %d: %+v, %v", start, e, err)
		}
	}
	if other, err := openEngine("", ""); err != nil || other.id == first.id || other.boots != 1 {
		t.Errorf("without a folder: %+v, %v", other, err)
	}
}

func TestAnEngineThatCannotBeKeptSaysWhatToDo(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "engine.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := openEngine(dir, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", text, err, want)
		}
	}
	f("", "remove the file")
	f(`{"engine_id": "8000", "boots": 1}`, "remove the file")
	f(`{"engine_id": "80001f88046e6f63", "boots": 2147483646}`, "was started too often")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openEngine(filepath.Join(file, "snmp"), ""); err == nil {
		t.Error("a folder that cannot be made is no fault")
	}
}

func TestOurTimeWindow(t *testing.T) {
	e := &engine{boots: 3, started: time.Now()}
	f := func(boots, at uint32, after time.Duration, want bool) {
		t.Helper()
		if got := e.timely(boots, at, e.started.Add(after)); got != want {
			t.Errorf("boots %d, time %d after %v: %v", boots, at, after, got)
		}
	}
	f(3, 0, 0, true)
	f(3, 150, 0, true)
	f(3, 151, 0, false)
	f(3, 0, 150*time.Second, true)
	f(3, 0, 151*time.Second, false)
	f(2, 0, 0, false)
	f(4, 0, 0, false)
	f(3, math.MaxInt32, 0, false)
}
