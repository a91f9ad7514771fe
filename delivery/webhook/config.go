package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// The formats of payloads.
const (
	V2 = "v2" // {"messages": [...]}
	V3 = "v3" // {"event": {...}}, signed
)

const (
	defaultEvery = 10 * time.Second
	defaultKeep  = 720 * time.Hour
	minKeep      = time.Hour
)

// Config is webhooks of the configuration file: when PagerDuty is asked for
// log entries, and who is told.
type Config struct {
	// Every is the time from one poll to the next; 0: 10 s.
	Every time.Duration `yaml:"every"`

	// Since is where the very first poll begins, a time such as
	// 2026-03-01T12:00:00Z; empty: when it is made.
	Since string `yaml:"since"`

	// AllLogEntries asks for every entry, not for the overview only.
	AllLogEntries bool `yaml:"all_log_entries"`

	// Keep is how long seen entries are remembered; 0: 720 h.
	Keep time.Duration `yaml:"keep"`

	// The destination that is named "default"; without a URL there is none.
	// See Destination.
	URL               string         `yaml:"url"`
	Format            string         `yaml:"format"`
	Services          []string       `yaml:"services"`
	Types             []string       `yaml:"types"`
	Config            map[string]any `yaml:"config"`
	Secret            ingest.Secret  `yaml:"secret"`
	SecretFile        string         `yaml:"secret_file"`
	SecretEnv         string         `yaml:"secret_env"`
	FormerSecret      ingest.Secret  `yaml:"former_secret"`
	FormerSecretFile  string         `yaml:"former_secret_file"`
	FormerSecretEnv   string         `yaml:"former_secret_env"`
	CAFile            string         `yaml:"ca_file"`
	OtherDestinations []Destination  `yaml:"destinations"`
}

// Destination is somebody who is sent webhooks. It is told of all entries
// that its filters let pass, whatever other destinations are told.
type Destination struct {
	// Name is what history and payloads' ids know it by: a-z, 0-9, hyphens.
	// A destination whose name changes is another one.
	Name string `yaml:"name"`

	URL    string `yaml:"url"`
	Format string `yaml:"format"` // V2 or V3; empty: V2

	Services []string       `yaml:"services"` // ids; empty: all
	Types    []string       `yaml:"types"`    // of entries ("trigger") or events ("incident.trigger"); empty: all
	Config   map[string]any `yaml:"config"`   // copied into V2's messages[].webhook.config

	// Redirected: it is told of nothing but what rules send it.
	Redirected bool `yaml:"redirected"`

	// Secret signs. FormerSecret signs as well, so that a receiver can change
	// from one to the other at any time. Whoever reads the configuration
	// resolves the files and variables, after Validate.
	Secret           ingest.Secret `yaml:"secret"`
	SecretFile       string        `yaml:"secret_file"`
	SecretEnv        string        `yaml:"secret_env"`
	FormerSecret     ingest.Secret `yaml:"former_secret"`
	FormerSecretFile string        `yaml:"former_secret_file"`
	FormerSecretEnv  string        `yaml:"former_secret_env"`

	// CAFile holds the authorities, in PEM, that alone vouch for the URL's host;
	// it is read anew when it changes. Empty: those of SenderConfig.
	CAFile string `yaml:"ca_file"`
}

// Destinations returns all of them, the one of the section itself first.
func (c Config) Destinations() []Destination {
	var all []Destination
	if c.URL != "" {
		all = append(all, Destination{
			Name: "default", URL: c.URL, Format: c.Format, Services: c.Services, Types: c.Types, Config: c.Config,
			Secret: c.Secret, SecretFile: c.SecretFile, SecretEnv: c.SecretEnv,
			FormerSecret: c.FormerSecret, FormerSecretFile: c.FormerSecretFile, FormerSecretEnv: c.FormerSecretEnv,
			CAFile: c.CAFile,
		})
	}
	return append(all, c.OtherDestinations...)
}

// Unfiltered returns d as it is told of what rules send it, whatever its filters
// would let pass.
func (d Destination) Unfiltered() Destination {
	d.Services, d.Types = nil, nil
	return d
}

// Interval returns the time from one poll to the next.
func (c Config) Interval() time.Duration {
	if c.Every == 0 {
		return defaultEvery
	}
	return c.Every
}

// Memory returns how long seen entries are remembered.
func (c Config) Memory() time.Duration {
	if c.Keep == 0 {
		return defaultKeep
	}
	return c.Keep
}

// Start returns where the very first poll begins; zero: when it is made.
func (c Config) Start() time.Time {
	at, err := time.Parse(time.RFC3339, c.Since)
	if err != nil {
		return time.Time{} // Validate says so
	}
	return at
}

// Validate returns every fault of c, each with the key that it is about.
func (c Config) Validate() error {
	var faults []error
	if c.Every != 0 && c.Every < time.Second {
		faults = append(faults, fmt.Errorf("every: %s is too often for PagerDuty's API, which allows 960 requests a minute for all who use it: write every: 10s", c.Every))
	}
	if c.Every > time.Hour {
		faults = append(faults, fmt.Errorf("every: %s is too long for news: write every: 1m", c.Every))
	}
	if c.Keep != 0 && c.Keep < minKeep {
		faults = append(faults, fmt.Errorf("keep: %s is too short: an entry that is forgotten while PagerDuty still lists it is sent twice; write keep: 720h", c.Keep))
	}
	if _, err := time.Parse(time.RFC3339, c.Since); c.Since != "" && err != nil {
		faults = append(faults, fmt.Errorf("since: %q is no time: write one such as 2026-03-01T12:00:00Z", c.Since))
	}
	if c.URL != "" {
		faults = append(faults, c.Destinations()[0].faults()...)
	} else if c.Secret != "" || c.SecretFile != "" || c.SecretEnv != "" {
		faults = append(faults, errors.New("url: is missing, and there is a secret to sign with: write url: https://hooks.example.net/pd"))
	}
	return errors.Join(append(faults, c.otherFaults()...)...)
}

func (c Config) otherFaults() (faults []error) {
	first := map[string]string{"default": "the one of webhooks.url"}
	for i, d := range c.OtherDestinations {
		key := fmt.Sprintf("destinations[%d]", i)
		if before, taken := first[d.Name]; taken {
			faults = append(faults, fmt.Errorf("%s.name: %q is the name of %s too: each needs a name of its own", key, d.Name, before))
		} else if !regexp.MustCompile(`^[a-z0-9-]{1,64}$`).MatchString(d.Name) {
			faults = append(faults, fmt.Errorf("%s.name: %q is not made of a-z, 0-9 and hyphens: write name: tickets", key, d.Name))
		} else {
			first[d.Name] = key
		}
		for _, err := range d.faults() {
			faults = append(faults, fmt.Errorf("%s.%w", key, err))
		}
	}
	return faults
}

func (d Destination) faults() (faults []error) {
	if _, err := parseURL(d.URL); err != nil {
		faults = append(faults, err)
	}
	if d.Format != "" && d.Format != V2 && d.Format != V3 {
		faults = append(faults, fmt.Errorf("format: %q is none; v2 and v3 exist", d.Format))
	}
	for _, service := range d.Services {
		if !regexp.MustCompile(`^[A-Z0-9]{2,26}$`).MatchString(service) {
			faults = append(faults, fmt.Errorf("services: %q is no service's id: take it from the end of the service's page's URL, such as PXXXXXX", service))
		}
	}
	for _, name := range d.Types {
		if !regexp.MustCompile(`^[a-z_.]+$`).MatchString(name) {
			faults = append(faults, fmt.Errorf("types: %q is no type of a log entry: write one such as trigger, or an event such as incident.trigger", name))
		}
	}
	if _, err := json.Marshal(d.Config); err != nil {
		faults = append(faults, fmt.Errorf("config: cannot be written as JSON, whose names are text: quote names that are numbers or true: %w", err))
	}
	for name, ways := range map[string][]string{
		"secret":        {d.Secret.Reveal(), d.SecretFile, d.SecretEnv},
		"former_secret": {d.FormerSecret.Reveal(), d.FormerSecretFile, d.FormerSecretEnv},
	} {
		if len(slices.DeleteFunc(ways, func(s string) bool { return s == "" })) > 1 {
			faults = append(faults, fmt.Errorf("%s, %[1]s_file, %[1]s_env: give only one of them", name))
		}
	}
	return faults
}

// parseURL reads the URL of a destination, of which errors tell only the
// beginning: there may be a secret in the rest.
func parseURL(text string) (*url.URL, error) {
	if text == "" {
		return nil, errors.New("url: is missing: write url: https://hooks.example.net/pd")
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		scheme, _, ok := strings.Cut(text, "://")
		if !ok || len(scheme) > 16 {
			scheme = ""
		}
		return nil, fmt.Errorf("url: is no URL that begins with https:// or http:// and a host (it begins with %q): write url: https://hooks.example.net/pd", scheme)
	}
	return u, nil
}
