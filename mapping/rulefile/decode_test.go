package rulefile_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pdaltagent/pdaltagent/mapping"
	"github.com/pdaltagent/pdaltagent/mapping/rulefile"
)

// level is a type of its own that reads itself.
type level int

func (l *level) UnmarshalText(b []byte) error {
	if string(b) != "high" {
		return fmt.Errorf("%q is no level; high is", b)
	}
	*l = 1
	return nil
}

type settings struct {
	Node    string        `yaml:"node"`
	Workers int           `yaml:"workers"`
	Ratio   float64       `yaml:"ratio"`
	Timeout time.Duration `yaml:"timeout"`
	Debug   bool          `yaml:"debug"`
	Level   level         `yaml:"level"`
	Ports   []uint16      `yaml:"ports"`
	Inner   struct {
		Listen []string `yaml:"listen"`
	} `yaml:"inner"`
	Routes map[string]*struct {
		Key string `yaml:"key"`
	} `yaml:"routes"`
}

func TestDecodeKeepsWhatTheFileDoesNotSay(t *testing.T) {
	s := settings{Node: "default", Workers: 7}
	err := rulefile.Decode("c.yaml", []byte("timeout: 20s\nlevel: high\nports: [1, 2]\nroutes: { noc: { key: x } }\ninner: { listen: [a] }\n"), &s)
	if err != nil {
		t.Fatal(err)
	}
	if s.Node != "default" || s.Workers != 7 || s.Timeout != 20*time.Second || s.Level != 1 || s.Routes["noc"].Key != "x" || len(s.Ports) != 2 {
		t.Errorf("got %+v", s)
	}
	for _, empty := range []string{"", "# only a comment\n", "---\n"} {
		if err := rulefile.Decode("c.yaml", []byte(empty), &s); err != nil || s.Workers != 7 {
			t.Errorf("%q: %v", empty, err)
		}
	}
}

func TestDecodeSaysWhatDoesNotFit_Failure(t *testing.T) {
	f := func(yaml, want string) {
		t.Helper()
		err := rulefile.Decode("c.yaml", []byte(yaml), &settings{})
		var faults mapping.Faults
		if !errors.As(err, &faults) {
			t.Errorf("%s: got %v", yaml, err)
			return
		}
		if diff := cmp.Diff(want, err.Error()); diff != "" {
			t.Errorf("%s: %s", yaml, diff)
		}
		for _, word := range []string{"settings", "rulefile", "struct", "[]", "yaml:"} {
			if strings.Contains(strings.ReplaceAll(err.Error(), "c.yaml:", ""), word) {
				t.Errorf("speaks Go: %v", err)
			}
		}
	}
	f("nodes: x", `c.yaml:1:1: unknown key "nodes"; did you mean "node"?`)
	f("inner: { listn: [a] }", `c.yaml:1:10: unknown key "listn"; did you mean "listen"?`)
	f("routes:\n  noc: { kye: x }", `c.yaml:2:10: unknown key "kye"; did you mean "key"?`)
	f("node: a\nnode: b", `c.yaml:2:1: key "node" is given twice, first on line 1`)
	f("workers: many\ntimeout: soon\ndebug: maybe\nratio: x\n", `c.yaml:1:10: "many" does not fit: a whole number is needed
c.yaml:2:10: "soon" does not fit: a duration like 500ms, 30s or 1h is needed
c.yaml:3:8: "maybe" does not fit: true or false is needed
c.yaml:4:8: "x" does not fit: a number is needed`)
	f("inner: [a]", `c.yaml:1:8: a list does not fit: a mapping of keys to values is needed`)
	f("ports: { a: 1 }", `c.yaml:1:8: a mapping does not fit: a list is needed`)
	f("ports: [-1]", `c.yaml:1:9: "-1" does not fit: a whole number that is not negative is needed`)
	f("node: [a]", `c.yaml:1:7: a list does not fit: a text is needed`)
	f("routes: { a: {}, a: {} }", `c.yaml:1:18: key "a" is given twice, first on line 1`)
	f("level: low", `c.yaml:1:8: "low" is no level; high is`)
	f("node: a\n---\nnode: b", `c.yaml:2:1: the file has a second document after ---: put everything into one`)
	f("node: %x", "c.yaml:1:7: found character that cannot start any token: a text that starts with one of % @ ` needs quotes")
	f("- a", `c.yaml:1:1: a list does not fit: a mapping of keys to values is needed`)
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("node: x\nroutes: { a: { key: 1 } }\nports: [1]"))
	f.Add([]byte("a: &a [*a]\n--- x"))
	f.Fuzz(func(t *testing.T, data []byte) {
		err := rulefile.Decode("c.yaml", data, &settings{})
		if err != nil && !strings.HasPrefix(err.Error(), "c.yaml") {
			t.Errorf("no place: %v", err)
		}
	})
}
