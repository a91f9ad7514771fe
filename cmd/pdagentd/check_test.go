package main

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestCheckSaysAllAtOnce holds what 'pdagentd check' prints about the files of
// each archive in testdata against what the archive says. -update rewrites
// them.
func TestCheckSaysAllAtOnce(t *testing.T) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(archives) < 6 {
		t.Fatalf("%d archives: %v", len(archives), err)
	}
	for _, file := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			file, err := filepath.Abs(file)
			if err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(file) //nolint:gosec // from testdata
			if err != nil {
				t.Fatal(err)
			}
			comment, files, names := parseArchive(string(data))
			got := checkArchive(t, files)
			if flag.Lookup("update").Value.String() == "true" {
				maps.Copy(files, got)
				text := comment
				for _, name := range names {
					text += "-- " + name + " --\n" + files[name]
				}
				if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			for name, text := range got {
				if diff := cmp.Diff(files[name], text); diff != "" {
					t.Errorf("%s (-want +got):\n%s", name, diff)
				}
			}
		})
	}
}

// checkArchive writes the files of an archive into a folder, checks there, and
// returns what was printed.
func checkArchive(t *testing.T, files map[string]string) map[string]string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		switch name {
		case "stdout", "stderr", "status":
		case "env":
			for line := range strings.Lines(text) {
				key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
				t.Setenv(key, value)
			}
		default:
			path := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Chdir(dir)
	args := []string{"check"}
	if _, ok := files["my.yaml"]; ok {
		args = append(args, "--config", "my.yaml")
	}
	var stdout, stderr bytes.Buffer
	status := execute(t.Context(), args, &stdout, &stderr)
	plain := func(b bytes.Buffer) string { return strings.ReplaceAll(b.String(), dir, "$DIR") }
	return map[string]string{"status": fmt.Sprintln(status), "stdout": plain(stdout), "stderr": plain(stderr)}
}

// parseArchive returns the files of a txtar archive, and their names in order.
func parseArchive(data string) (comment string, files map[string]string, names []string) {
	files = map[string]string{}
	for line := range strings.Lines(data) {
		name, ok := strings.CutPrefix(line, "-- ")
		name, closed := strings.CutSuffix(name, " --\n")
		switch {
		case ok && closed:
			names = append(names, name)
			files[name] = ""
		case len(names) == 0:
			comment += line
		default:
			files[names[len(names)-1]] += line
		}
	}
	for _, name := range []string{"status", "stdout", "stderr"} {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return comment, files, names
}

// TestNoFaultShowsASecret: whatever is wrong around it.
func TestNoFaultShowsASecret(t *testing.T) {
	const secret = "hunter2 is no secret"
	f := func(text string) {
		t.Helper()
		for _, written := range []string{secret, "'" + secret + "'", `"` + secret + `"`, "|\n      " + secret, ">-\n      " + secret} {
			got := checkArchive(t, map[string]string{"my.yaml": strings.ReplaceAll(text, "SECRET", written)})
			if all := got["stdout"] + got["stderr"]; strings.Contains(all, "hunter2") || got["status"] != "1\n" {
				t.Errorf("%s\n%s", text, all)
			}
		}
	}
	f("routes:\n  noc:\n    key: SECRET\n")
	f("routes:\n  noc:\n    kye: SECRET\n")
	f("routing_key: SECRET\n")
	f("ingest:\n  snmp:\n    communities: SECRET\n")
	f("ingest:\n  snmp:\n    communities:\n    - ''\n    - SECRET\n")
	f("ingest:\n  http:\n    token: SECRET\n    tokenfile: x\n    token_file: y\n")
	f("admin:\n  listen: x\n  token:\n   - SECRET\n")
	f("ingest:\n  snmp:\n    users:\n    - auth_passphrase: SECRET\n      name: [x]\n")
	f("ingest:\n\tsnmp:\n    communities:\n    - SECRET\n")
	f("key: [ SECRET\n")
	f("database:\n  url: 'postgres://u:hunter2@h:x/d'\n")
	f("routes: { noc: { key: 'hunter2', type: v9 } }\nnode: SECRET\n\n  x: }")
}

// TestTheLanguagesDescriptionIsAFileOfRules: what it shows is taken as it stands,
// and the tests in it pass.
func TestTheLanguagesDescriptionIsAFileOfRules(t *testing.T) {
	page, err := os.ReadFile("../../../shared/RULES.md")
	if err != nil {
		t.Skip("no description of the language here")
	}
	_, rest, _ := strings.Cut(string(page), "```yaml\n")
	rules, _, _ := strings.Cut(rest, "```")
	got := checkArchive(t, map[string]string{
		"rules.yaml": rules,
		"cmdb.csv":   "host,owner,route\nhost,noc,noc\n",
		"sites.csv":  "cidr,site,uplink\n127.0.0.0/8,LON1,link-down/edge/1\n",
		"my.yaml":    "data_dir: data\nrules: [rules.yaml]\nroutes: { noc: { key: " + testKey + " } }\ndefault_route: noc\n",
	})
	if got["status"] != "0\n" || !strings.Contains(got["stdout"], "8 rules in 1 file, 1 test of them passed") {
		t.Errorf("%v", got)
	}
}
