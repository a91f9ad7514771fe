package main

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pdaltagent/pdaltagent/migrations"
)

// TestVersionSaysWhatItWasBuiltFrom, as a build with the Makefile's flags
// shows it: to people and to programs the same.
func TestVersionSaysWhatItWasBuiltFrom(t *testing.T) {
	pdagentd := filepath.Join(t.TempDir(), "pdagentd")
	const commit = "0123456789abcdef0123456789abcdef01234567"
	run := func(name string, args ...string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s %v: %v\n%s", name, args, err, out)
		}
		return string(out)
	}
	run("go", "build", "-buildvcs=false", "-ldflags", "-X main.version=1.2.3 -X main.commit="+commit, "-o", pdagentd, ".")
	schema, err := migrations.Newest()
	if err != nil {
		t.Fatal(err)
	}
	var got provenance
	if err := json.Unmarshal([]byte(run(pdagentd, "version", "--json")), &got); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(got.River, "v0.") {
		t.Errorf("river is %q", got.River)
	}
	want := provenance{
		Version: "1.2.3", Commit: commit, Go: runtime.Version(), River: got.River,
		Schema: schema.History, RiverSchema: schema.River, Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	text := run(pdagentd, "version")
	for _, said := range []string{"pdagentd 1.2.3\n", commit, want.Go, want.River, schema.String(), want.Platform} {
		if !strings.Contains(strings.Join(strings.Fields(text), " "), strings.TrimSpace(said)) {
			t.Errorf("no %s in\n%s", said, text)
		}
	}
}
