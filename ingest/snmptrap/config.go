package snmptrap

import (
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// Config is ingest.snmp of the configuration file.
type Config struct {
	Listen      []string         `yaml:"listen"`      // UDP: ":9162", "127.0.0.1:162", "[::1]:162"
	Communities []ingest.Secret  `yaml:"communities"` // of v1 and v2c; empty: any
	Allow       ingest.AllowList `yaml:"allow"`       // networks of senders; empty: any
}

// Validate names every fault that can be seen without binding an address.
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
	return errors.Join(faults...)
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
