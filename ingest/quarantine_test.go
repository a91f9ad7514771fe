package ingest

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// suspect is a datagram that holds a community.
func suspect(n int) *Datagram {
	return &Datagram{
		Data: fmt.Appendf(nil, "0\x80hushed%04d", n), From: netip.MustParseAddrPort("203.0.113.9:40000"),
		At: time.Date(2026, 3, 4, 5, 6, 7, n, time.UTC),
	}
}

func quarantined(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v", e.Name(), info.Mode(), err)
		}
		names = append(names, e.Name())
	}
	return names
}

func TestTheQuarantineKeepsWhatCameAndQuotesNothing(t *testing.T) {
	var out bytes.Buffer
	dir := filepath.Join(t.TempDir(), "quarantine")
	q, err := NewQuarantine(dir, slog.New(slog.NewJSONHandler(&out, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if !q.Keep(suspect(7), "no length") || q.Keep(suspect(7), "no length") {
		t.Error("a datagram is not kept once")
	}
	names := quarantined(t, dir)
	if len(names) != 1 || !strings.HasPrefix(names[0], "20260304T050607.000000007Z-") {
		t.Fatalf("kept %v", names)
	}
	if b, err := os.ReadFile(filepath.Join(dir, names[0])); err != nil || !bytes.Equal(b, suspect(7).Data) {
		t.Errorf("kept %q, %v", b, err)
	}
	for _, said := range []string{"203.0.113.9:40000", "no length", `"size":12`, names[0], names[0][len(names[0])-21 : len(names[0])-9]} {
		if !strings.Contains(out.String(), said) {
			t.Errorf("%q is not in the log: %s", said, out.String())
		}
	}
	if strings.Contains(out.String(), "hushed") || strings.Count(out.String(), "\n") != 1 {
		t.Errorf("log: %s", out.String())
	}
	again, err := NewQuarantine(dir, slog.New(slog.DiscardHandler))
	if err != nil || again.Keep(suspect(7), "") || !again.Keep(suspect(8), "") {
		t.Errorf("what was kept before is not known: %v", err)
	}
	if none := (*Quarantine)(nil); none.Keep(suspect(1), "") {
		t.Error("no quarantine keeps something")
	}
}

func TestTheQuarantineIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		q, err := NewQuarantine(dir, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for range 3 {
			for range 1000 {
				n++
				q.Keep(suspect(n), "")
			}
			time.Sleep(quarantinePause)
		}
		if names := quarantined(t, dir); len(names) != quarantineBurst+2 {
			t.Errorf("%d are kept in 2 s", len(names))
		}
		for range 2 * quarantineFiles {
			n++
			q.Keep(suspect(n), "")
			time.Sleep(quarantinePause)
		}
		names := quarantined(t, dir)
		if len(names) != quarantineFiles || !slices.Equal(names, q.names) {
			t.Errorf("%d are kept", len(names))
		}
		if oldest := fmt.Sprintf(".%09dZ", n-quarantineFiles+1); !strings.Contains(names[0], oldest) {
			t.Errorf("the oldest is %s, want %s", names[0], oldest)
		}
	})
}

func TestAQuarantineThatCannotBeWrittenIsSaid(t *testing.T) {
	var out bytes.Buffer
	dir := t.TempDir()
	q, err := NewQuarantine(dir, slog.New(slog.NewJSONHandler(&out, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if q.Keep(suspect(1), ""); !strings.Contains(out.String(), "cannot be kept") {
		t.Errorf("log: %s", out.String())
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := NewQuarantine(filepath.Join(file, "x"), nil); err == nil || !strings.Contains(err.Error(), "quarantine: ") {
		t.Errorf("a folder that cannot be made: %v", err)
	}
}

func BenchmarkQuarantineFlooded(b *testing.B) {
	q, err := NewQuarantine(b.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	d := suspect(1)
	for i := 0; b.Loop(); i++ {
		d.Data[len(d.Data)-1] = byte(i)
		q.Keep(d, "")
	}
}
