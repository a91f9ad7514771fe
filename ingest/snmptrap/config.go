package snmptrap

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// Config is ingest.snmp of the configuration file.
type Config struct {
	Listen      []string         `yaml:"listen"`      // UDP: ":9162", "127.0.0.1:162", "[::1]:162"
	Communities []ingest.Secret  `yaml:"communities"` // of v1 and v2c; empty: any
	Users       []User           `yaml:"users"`       // of v3; empty: v3 is not taken
	Allow       ingest.AllowList `yaml:"allow"`       // networks of senders; empty: any

	// EngineID is our own, which senders of v3 INFORMs discover, in
	// hexadecimal; empty: one is made, and kept in StateDir.
	EngineID string `yaml:"engine_id"`

	// StateDir is the folder that keeps our engine id and how often it was
	// started. It is made when there are Users. Empty: a new engine at each
	// start.
	StateDir string `yaml:"-"`

	// Quarantine keeps what could not be decoded; nil: nothing does.
	Quarantine *ingest.Quarantine `yaml:"-"`
}

// Validate names every fault of c as it stands in the configuration file,
// without binding an address.
func (c Config) Validate() error {
	var faults []error
	for i, address := range c.Listen {
		if err := validAddress(address); err != nil {
			faults = append(faults, fmt.Errorf("listen[%d]: %q %w; write \":9162\" or \"192.0.2.1:162\"", i, address, err))
		}
	}
	for i, community := range c.Communities {
		if community == "" {
			faults = append(faults, fmt.Errorf("communities[%d] is empty; leave the whole list empty to take any community", i))
		}
	}
	for i, network := range c.Allow {
		if !network.IsValid() {
			faults = append(faults, fmt.Errorf("allow[%d] is not a network; write \"192.0.2.0/24\"", i))
		}
	}
	if _, err := parseEngineID(c.EngineID); err != nil {
		faults = append(faults, fmt.Errorf("engine_id: %w", err))
	}
	return errors.Join(append(faults, c.userFaults()...)...)
}

func (c Config) userFaults() []error {
	type identity struct{ name, engine string }
	var faults []error
	seen := map[identity]int{}
	for i := range c.Users {
		u, err := newUser(&c.Users[i])
		for _, fault := range split(errors.Join(err, c.Users[i].passphraseFaults())) {
			faults = append(faults, fmt.Errorf("users[%d].%w", i, fault))
		}
		who := identity{u.name, u.engine}
		if first, taken := seen[who]; taken {
			faults = append(faults, fmt.Errorf("users[%d].name: %q is users[%d] too; bind them to different engines with engine_id, or take one out", i, u.name, first))
			continue
		}
		seen[who] = i
	}
	return faults
}

// split returns the errors that errors.Join has joined, at any depth.
func split(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		if err == nil {
			return nil
		}
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, split(e)...)
	}
	return all
}

// resolved returns c as it would stand in a file without secrets from
// elsewhere: those that were resolved count as given there.
func (c Config) resolved() Config {
	c.Users = slices.Clone(c.Users)
	for i := range c.Users {
		u := &c.Users[i]
		if u.AuthPassphrase != "" {
			u.AuthPassphraseFile, u.AuthPassphraseEnv = "", ""
		}
		if u.PrivPassphrase != "" {
			u.PrivPassphraseFile, u.PrivPassphraseEnv = "", ""
		}
	}
	return c
}

func validAddress(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return errors.New("is not an address and port")
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return errors.New("has no port between 0 and 65535")
	}
	return nil
}
