package syslog

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// Config is ingest.syslog of the configuration file.
type Config struct {
	// Listen holds the addresses to bind: "udp://:5514" (IPv4 and IPv6),
	// "tcp://127.0.0.1:514", "tls://[::1]:6514", each with a format of its
	// own if it likes: "tcp://:5515?format=rfc5424".
	Listen []string `yaml:"listen"`
	Format Format   `yaml:"format"` // of listeners that name none; empty: auto

	MaxMessageBytes int           `yaml:"max_message_bytes"` // what is longer is cut off and counted; 0: 65536
	MaxConnections  int           `yaml:"max_connections"`   // over TCP and TLS together; 0: 4096
	IdleTimeout     time.Duration `yaml:"idle_timeout"`      // a connection that says nothing for so long is closed; 0: 10m
	Timezone        string        `yaml:"timezone"`          // IANA name, for timestamps without a zone; empty: UTC
	TLS             TLS           `yaml:"tls"`

	// ProxyProtocol holds the networks of load balancers, whose TCP and TLS
	// connections begin with a PROXY header.
	ProxyProtocol ingest.AllowList `yaml:"proxy_protocol"`

	Allow ingest.AllowList `yaml:"allow"` // networks of senders; empty: any

	// Certificate is what tls listeners show if TLS names none.
	Certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error) `yaml:"-"`
}

// TLS names the PEM files of the tls listeners. They are read anew when they
// change.
type TLS struct {
	CertFile     string `yaml:"cert_file"` // with the chain; empty: Config.Certificate
	KeyFile      string `yaml:"key_file"`
	ClientCAFile string `yaml:"client_ca_file"` // who must have issued a sender's certificate; empty: it needs none
}

const (
	defaultMaxMessageBytes = 64 << 10
	minMessageBytes        = 480      // what RFC 5424 section 6.1 has every receiver take
	maxMessageBytes        = 64 << 20 // a connection may need four times as much memory
	defaultMaxConnections  = 4096
	defaultIdleTimeout     = 10 * time.Minute
)

// Validate names every fault that can be seen without binding an address or
// reading a file.
func (c Config) Validate() error {
	var faults []error
	for i, text := range c.Listen {
		if _, err := parseEndpoint(text, c.format()); err != nil {
			faults = append(faults, fmt.Errorf("listen[%d]: %q %w", i, text, err))
		}
	}
	if !slices.Contains(formats(), c.format()) {
		faults = append(faults, fmt.Errorf("format: %q is unknown; it is one of %s", c.Format, formatNames()))
	}
	faults = append(faults, c.limitFaults()...)
	if _, err := c.location(); err != nil {
		faults = append(faults, err)
	}
	if (c.TLS.CertFile == "") != (c.TLS.KeyFile == "") {
		faults = append(faults, errors.New("tls: cert_file and key_file go together: give both, or neither for a self-signed certificate"))
	}
	for i, network := range c.ProxyProtocol {
		if !network.IsValid() {
			faults = append(faults, fmt.Errorf("proxy_protocol[%d] is not a network; write \"192.0.2.0/24\"", i))
		}
	}
	for i, network := range c.Allow {
		if !network.IsValid() {
			faults = append(faults, fmt.Errorf("allow[%d] is not a network; write \"192.0.2.0/24\"", i))
		}
	}
	return errors.Join(faults...)
}

func (c Config) limitFaults() (faults []error) {
	switch n := c.MaxMessageBytes; {
	case n != 0 && n < minMessageBytes:
		faults = append(faults, fmt.Errorf("max_message_bytes: %d is less than the %d bytes that every syslog receiver takes", n, minMessageBytes))
	case n > maxMessageBytes:
		faults = append(faults, fmt.Errorf("max_message_bytes: %d is more than a connection may keep in memory; write at most %d", n, maxMessageBytes))
	}
	if c.MaxConnections < 0 {
		faults = append(faults, fmt.Errorf("max_connections: %d is negative; leave it out for %d", c.MaxConnections, defaultMaxConnections))
	}
	if c.IdleTimeout < 0 {
		faults = append(faults, fmt.Errorf("idle_timeout: %v is negative; leave it out for %v", c.IdleTimeout, defaultIdleTimeout))
	}
	return faults
}

// NeedsCertificate reports whether a tls listener shows what Config.Certificate
// returns.
func (c Config) NeedsCertificate() bool {
	return c.TLS.CertFile == "" && slices.ContainsFunc(c.Listen, func(text string) bool {
		e, err := parseEndpoint(text, c.format())
		return err == nil && e.transport == overTLS
	})
}

func (c Config) location() (*time.Location, error) {
	location, err := time.LoadLocation(c.Timezone)
	if err != nil {
		return nil, fmt.Errorf("timezone: %q is not known here; write an IANA name such as \"Europe/Berlin\", or leave it out for UTC", c.Timezone)
	}
	return location, nil
}

func (c Config) format() Format {
	if c.Format == "" {
		return Auto
	}
	return c.Format
}

// withDefaults returns c with every limit set.
func (c Config) withDefaults() Config {
	c.MaxMessageBytes = cmp.Or(c.MaxMessageBytes, defaultMaxMessageBytes)
	c.MaxConnections = cmp.Or(c.MaxConnections, defaultMaxConnections)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, defaultIdleTimeout)
	return c
}
