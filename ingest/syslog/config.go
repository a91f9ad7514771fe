package syslog

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// Config is ingest.syslog of the configuration file.
type Config struct {
	Listen          []string         `yaml:"listen"`            // "udp://:5514", "udp://127.0.0.1:514", "udp://[::1]:514"
	MaxMessageBytes int              `yaml:"max_message_bytes"` // what is longer is cut off and counted; 0: 65536
	Timezone        string           `yaml:"timezone"`          // IANA name, for timestamps without a zone; empty: UTC
	Allow           ingest.AllowList `yaml:"allow"`             // networks of senders; empty: any
}

const (
	defaultMaxMessageBytes = 64 << 10
	minMessageBytes        = 480 // what RFC 5424 section 6.1 has every receiver take
)

// Validate names every fault that can be seen without binding an address.
func (c Config) Validate() error {
	var faults []error
	for i, address := range c.Listen {
		if _, err := hostPort(address); err != nil {
			faults = append(faults, fmt.Errorf("listen[%d]: %q %w", i, address, err))
		}
	}
	if c.MaxMessageBytes != 0 && c.MaxMessageBytes < minMessageBytes {
		faults = append(faults, fmt.Errorf("max_message_bytes: %d is less than the %d bytes that every syslog receiver takes",
			c.MaxMessageBytes, minMessageBytes))
	}
	if _, err := c.location(); err != nil {
		faults = append(faults, err)
	}
	for i, network := range c.Allow {
		if !network.IsValid() {
			faults = append(faults, fmt.Errorf("allow[%d] is not a network; write \"192.0.2.0/24\"", i))
		}
	}
	return errors.Join(faults...)
}

// hostPort returns what follows udp:// in an address to listen on.
func hostPort(address string) (string, error) {
	scheme, rest, ok := strings.Cut(address, "://")
	switch {
	case !ok:
		return "", errors.New("has no scheme; write \"udp://:5514\"")
	case scheme == "tcp" || scheme == "tls":
		return "", fmt.Errorf("asks for syslog over %s, which this version does not receive; write \"udp://%s\"",
			strings.ToUpper(scheme), rest)
	case scheme != "udp":
		return "", errors.New("has an unknown scheme; write \"udp://:5514\"")
	}
	_, port, err := net.SplitHostPort(rest)
	if err != nil {
		return "", errors.New("is not an address and port; write \"udp://:5514\" or \"udp://192.0.2.1:514\"")
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", errors.New("has no port between 0 and 65535; write \"udp://:5514\"")
	}
	return rest, nil
}

func (c Config) location() (*time.Location, error) {
	location, err := time.LoadLocation(c.Timezone)
	if err != nil {
		return nil, fmt.Errorf("timezone: %q is not known here; write an IANA name such as \"Europe/Berlin\", or leave it out for UTC", c.Timezone)
	}
	return location, nil
}

func (c Config) maxMessageBytes() int {
	if c.MaxMessageBytes == 0 {
		return defaultMaxMessageBytes
	}
	return c.MaxMessageBytes
}
