package webhook

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"
)

// TestTheContractsKeysAreRead, and what is not written has its default.
func TestTheContractsKeysAreRead(t *testing.T) {
	var c Config
	decoder := yaml.NewDecoder(strings.NewReader(`
url: https://hooks.example.net/pd
every: 20s
services: [PABC]
all_log_entries: true
format: v3
config: { a: { b: 1 } }
secret_file: /run/secrets/webhook
former_secret_env: OLD
keep: 48h
since: 2026-03-01T12:00:00Z
destinations:
  - { name: tickets, url: "http://tickets.example.net/", types: [trigger, incident.resolved], secret: x }
`))
	decoder.KnownFields(true)
	if err := decoder.Decode(&c); err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	want := []Destination{
		{
			Name: "default", URL: "https://hooks.example.net/pd", Format: V3, Services: []string{"PABC"},
			Config: map[string]any{"a": map[string]any{"b": 1}}, SecretFile: "/run/secrets/webhook", FormerSecretEnv: "OLD",
		},
		{Name: "tickets", URL: "http://tickets.example.net/", Types: []string{"trigger", "incident.resolved"}, Secret: "x"},
	}
	if diff := cmp.Diff(want, c.Destinations()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	if c.Interval() != 20*time.Second || c.Memory() != 48*time.Hour || !c.Start().Equal(start) || !c.AllLogEntries {
		t.Errorf("got %+v", c)
	}
	none := Config{}
	if err := none.Validate(); err != nil || len(none.Destinations()) != 0 || none.Interval() != 10*time.Second || none.Memory() != 720*time.Hour || !none.Start().IsZero() {
		t.Errorf("nothing configured: %v, %+v", err, none)
	}
}

// TestEveryFaultNamesItsKey.
func TestEveryFaultNamesItsKey(t *testing.T) {
	f := func(c Config, want ...string) {
		t.Helper()
		err := c.Validate()
		if err == nil {
			t.Errorf("%+v is no fault", c)
			return
		}
		lines := strings.Split(err.Error(), "\n")
		if len(lines) != len(want) {
			t.Errorf("got %d faults, want %d:\n%v", len(lines), len(want), err)
			return
		}
		for i, line := range lines {
			if !strings.HasPrefix(line, want[i]) || strings.Contains(line, "s3cret") {
				t.Errorf("got %q, want it to begin %q", line, want[i])
			}
		}
	}
	const good = "https://hooks.example.net/"
	f(Config{URL: "hooks.example.net/s3cret"}, "url: is no URL")
	f(Config{URL: "ftp://hooks/s3cret"}, `url: is no URL that begins with https:// or http:// and a host (it begins with "ftp")`)
	f(Config{URL: "https://%zz/s3cret"}, "url: is no URL")
	f(Config{Secret: "s3cret"}, "url: is missing")
	f(Config{URL: good, Every: time.Millisecond, Keep: time.Minute, Since: "today"}, "every: 1ms", "keep: 1m0s", `since: "today"`)
	f(Config{URL: good, Every: 25 * time.Hour}, "every: 25h0m0s")
	f(Config{URL: good, Format: "v1", Services: []string{"My Service"}, Types: []string{"Trigger"}}, `format: "v1"`, `services: "My Service"`, `types: "Trigger"`)
	f(Config{URL: good, Config: map[string]any{"a": map[any]any{1: 2}}}, "config: ")
	f(Config{URL: good, Secret: "s3cret", SecretEnv: "X"}, "secret, secret_file, secret_env: give only one")
	f(Config{URL: good, FormerSecretFile: "f", FormerSecretEnv: "X"}, "former_secret, former_secret_file, former_secret_env: give only one")
	f(Config{OtherDestinations: []Destination{{Name: "a", URL: good}, {Name: "a", URL: good}, {Name: "B b", URL: ""}, {Name: "default", URL: good}}},
		`destinations[1].name: "a" is the name of destinations[0] too`, `destinations[2].name: "B b"`, "destinations[2].url: is missing",
		`destinations[3].name: "default" is the name of the one of webhooks.url`)
}
