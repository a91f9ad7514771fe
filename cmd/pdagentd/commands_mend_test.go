package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWrongUseNamesTheMend in words that are not Go's.
func TestWrongUseNamesTheMend(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("none.yaml", []byte("rules: []\ndata_dir: none\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(status int, want string, args ...string) {
		t.Helper()
		var stdout, stderr bytes.Buffer
		got := execute(t.Context(), args, &stdout, &stderr)
		if said := stdout.String() + stderr.String(); got != status || !strings.Contains(said, want) {
			t.Errorf("%q: %d\n%s\nwant %d %s", args, got, said, status, want)
		}
		for _, word := range []string{"parse error", "strconv", "encoding/hex", "is a directory", "missing port", "listen tcp"} {
			if strings.Contains(stderr.String(), word) {
				t.Errorf("%q: %q is no word for whoever reads it:\n%s", args, word, stderr.String())
			}
		}
	}
	f(2, "--config needs a value: write --config FILE", "check", "--config")
	f(2, `--limit is a number, and "x" is none`, "queue", "list", "--limit", "x")
	f(2, `--limit: "99999999999999999999" is too large`, "queue", "list", "--limit", "99999999999999999999")
	f(2, `--json is there or not, and takes no value such as "maybe"`, "queue", "list", "--json=maybe")
	f(2, `--header: "x": write NAME:VALUE`, "explain", "--header", "x")
	f(1, "is a folder: name the file in it", "check", "--config", filepath.Dir(t.TempDir()))
	f(1, "write pairs of 0-9 and a-f, or @FILE", "explain", "--config", "none.yaml", "--trap-hex", "zz")
	f(1, "none.yaml has no rules; name those", "explain", "--config", "none.yaml", "--syslog", "<13>x: y")
	f(1, "--rules: there is no file or folder /nowhere: create it\npdagentd: ", "replay", "--config", "none.yaml", "--rules", "/nowhere")
	f(1, "--listen: x: is no address and port; write one such as", "sandbox", "--listen", "x")
	f(1, "--listen: 192.0.2.77:0: bind: cannot assign requested address; this machine has no such address", "sandbox", "--listen", "192.0.2.77:0")
}
