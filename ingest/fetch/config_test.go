package fetch

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/pdaltagent/pdaltagent/ingest"
)

func TestConfigReadsTheDocumentedKeys(t *testing.T) {
	var got Configs
	err := yaml.Unmarshal([]byte(`
- { name: ups, every: 30s, command: [/bin/sh, -c, "exit 0"], timeout: 25s, env: { COMMUNITY: hush }, dir: / }
- { name: backup-report, cron: "CRON_TZ=Europe/Berlin */5 * * * *", command: [sh] }
`), &got)
	if err != nil {
		t.Fatal(err)
	}
	if err := got.Validate(); err != nil {
		t.Error(err)
	}
	ups := got[0]
	if len(got) != 2 || ups.Every != 30*time.Second || ups.timeout() != 25*time.Second || len(ups.Command) != 3 ||
		ups.Env["COMMUNITY"].Reveal() != "hush" || ups.Dir != "/" || got[1].Cron == "" {
		t.Errorf("%+v", got)
	}
}

func TestConfigFaultsNameTheirKeyAndMend(t *testing.T) {
	good := Config{Name: "ups", Every: time.Minute, Command: []string{"/bin/sh"}}
	f := func(change func(*Config), want string) {
		t.Helper()
		c := good
		change(&c)
		if err := (Configs{c}).Validate(); err == nil || !strings.HasPrefix(err.Error(), "fetch[0]."+want) {
			t.Errorf("got  %v\nwant fetch[0].%s", err, want)
		}
	}
	f(func(c *Config) { c.Name = "" }, `name: "" is not made of a-z`)
	f(func(c *Config) { c.Name = "Check UPS" }, `name: "Check UPS" is not made of a-z, 0-9 and hyphens: write name: ups`)
	f(func(c *Config) { c.Every = 0 }, `every: is missing: write every: 30s, or cron:`)
	f(func(c *Config) { c.Cron = "@hourly" }, "every: give either every or cron")
	f(func(c *Config) { c.Every = time.Millisecond }, "every: 1ms is less than 1s")
	f(func(c *Config) { c.Every = -time.Minute }, "every: -1m0s is less than 1s")
	f(func(c *Config) { c.Every, c.Cron = 0, "61 * * * *" }, `cron: "61 * * * *": end of range`)
	f(func(c *Config) { c.Every, c.Cron = 0, "* *" }, `cron: "* *": expected exactly 5 fields`)
	f(func(c *Config) { c.Timeout = 61 * time.Second }, "timeout: 1m1s is more than 1m0s, when the next run may be due: write timeout: 1m0s")
	f(func(c *Config) { c.Every, c.Cron, c.Timeout = 0, "@daily", 2*time.Hour }, "timeout: 2h0m0s is more than 1h0m0s")
	f(func(c *Config) { c.Timeout = -1 }, "timeout: -1ns is negative: leave it out for 1m0s")
	f(func(c *Config) { c.Command = nil }, "command: is missing")
	f(func(c *Config) { c.Command = []string{"/no/such/program"} }, "command: /no/such/program cannot be run: ")
	f(func(c *Config) { c.Command = []string{"sh -c date"} }, "command: sh -c date cannot be run: executable file not found in $PATH: one element holds one word: write command: [sh, -c, date]")
	f(func(c *Config) { c.Command = []string{"/etc/passwd"} }, "command: /etc/passwd cannot be run: permission denied: give its path, and make it executable")
	f(func(c *Config) { c.Env = map[string]ingest.Secret{"A=B": "hush"} }, `env: "A=B" is no name of a variable`)

	err := Configs{good, {Name: "x"}, good}.Validate()
	for _, want := range []string{"fetch[1].every: ", "fetch[1].command: ", `fetch[2].name: fetch[0] is named "ups" too`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if _, err := New(Configs{{}}, nil, nil, nil); err == nil {
		t.Error("New takes what Validate does not")
	}
}

func TestACommandIsFoundInItsFolder(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "check"), []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	c := Config{Name: "x", Every: time.Minute, Command: []string{"./check"}, Dir: dir}
	if err := (Configs{c}).Validate(); err != nil {
		t.Error(err)
	}
	c.Dir = t.TempDir()
	if err := (Configs{c}).Validate(); err == nil {
		t.Error("found in another folder")
	}
}

func TestRunsAreDueAtTheSameTimesOnEveryNode(t *testing.T) {
	f := func(c Config, from, want string) {
		t.Helper()
		s, err := c.schedule()
		if err != nil {
			t.Fatal(err)
		}
		at, err := time.Parse(time.RFC3339Nano, from)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Next(at).UTC().Format(time.RFC3339Nano); got != want {
			t.Errorf("after %s: %s, want %s", from, got, want)
		}
	}
	f(Config{Every: 30 * time.Second}, "2027-01-02T03:04:05.6Z", "2027-01-02T03:04:30Z")
	f(Config{Every: 30 * time.Second}, "2027-01-02T03:04:30Z", "2027-01-02T03:05:00Z")
	f(Config{Every: 1500 * time.Millisecond}, "2027-01-02T03:04:00Z", "2027-01-02T03:04:01.5Z")
	f(Config{Cron: "CRON_TZ=Europe/Berlin 0 6 * * *"}, "2027-01-02T03:04:05Z", "2027-01-02T05:00:00Z")
}

func TestTimeoutHasASensibleDefault(t *testing.T) {
	f := func(c Config, want time.Duration) {
		t.Helper()
		if got := c.timeout(); got != want {
			t.Errorf("%+v: %v, want %v", c, got, want)
		}
	}
	f(Config{Every: 10 * time.Second}, 10*time.Second)
	f(Config{Every: time.Hour}, time.Minute)
	f(Config{Cron: "@hourly"}, time.Minute)
	f(Config{Every: time.Hour, Timeout: 5 * time.Minute}, 5*time.Minute)
}
