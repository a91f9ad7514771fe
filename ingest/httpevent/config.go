package httpevent

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"

	"github.com/pdaltagent/pdaltagent/ingest"
)

const (
	// DefaultMaxBodyBytes is PagerDuty's own limit: 512 KiB an event.
	DefaultMaxBodyBytes = 512 << 10
	// DefaultMaxConnections take 160 MB of memory when all are idle and TLS.
	DefaultMaxConnections = 4096
)

// Config is ingest.http of the configuration file.
type Config struct {
	// Listen holds the addresses to bind: "http://:8080" (IPv4 and IPv6),
	// "https://127.0.0.1:8443". Port 0 is any free one.
	Listen []string `yaml:"listen"`
	TLS    TLS      `yaml:"tls"`

	// MaxBodyBytes limits a body, before and after gzip is undone; 0:
	// DefaultMaxBodyBytes.
	MaxBodyBytes int64 `yaml:"max_body_bytes"`

	// MaxConnections is how many connections may be open, on all listeners
	// together; beyond it those that have waited longest are closed. 0:
	// DefaultMaxConnections.
	MaxConnections int `yaml:"max_connections"`

	// Token is what senders must show; empty: nothing. Whoever loads the
	// configuration resolves TokenFile and TokenEnv into Token, after
	// Validate.
	Token     ingest.Secret `yaml:"token"`
	TokenFile string        `yaml:"token_file"`
	TokenEnv  string        `yaml:"token_env"`

	Allow ingest.AllowList `yaml:"allow"`
}

// TLS names the PEM files of the https listeners; both empty: a self-signed
// certificate.
type TLS struct {
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`
}

// Validate returns every fault of c as it stands in the configuration file,
// each with the key that it is about.
func (c Config) Validate() error {
	var faults []error
	for i, listen := range c.Listen {
		if _, err := parseListen(listen); err != nil {
			faults = append(faults, fmt.Errorf("listen[%d]: %w", i, err))
		}
	}
	if (c.TLS.CertFile == "") != (c.TLS.KeyFile == "") {
		faults = append(faults, errors.New("tls: cert_file and key_file go together: give both, or neither for a self-signed certificate"))
	}
	if c.MaxBodyBytes < 0 {
		faults = append(faults, fmt.Errorf("max_body_bytes: %d is negative: leave it out for %d", c.MaxBodyBytes, DefaultMaxBodyBytes))
	}
	if c.MaxConnections < 0 {
		faults = append(faults, fmt.Errorf("max_connections: %d is negative: leave it out for %d", c.MaxConnections, DefaultMaxConnections))
	}
	if c.tokens() > 1 {
		faults = append(faults, errors.New("token, token_file, token_env: give only one of them"))
	}
	return errors.Join(faults...)
}

func (c Config) tokens() int {
	n := 0
	for _, given := range []string{c.Token.Reveal(), c.TokenFile, c.TokenEnv} {
		if given != "" {
			n++
		}
	}
	return n
}

// HTTPS reports whether one of the listeners needs a certificate.
func (c Config) HTTPS() bool {
	for _, listen := range c.Listen {
		if e, err := parseListen(listen); err == nil && e.tls {
			return true
		}
	}
	return false
}

func (c Config) maxBodyBytes() int64 {
	if c.MaxBodyBytes == 0 {
		return DefaultMaxBodyBytes
	}
	return c.MaxBodyBytes
}

func (c Config) maxConnections() int {
	if c.MaxConnections == 0 {
		return DefaultMaxConnections
	}
	return c.MaxConnections
}

// address is one parsed element of Config.Listen.
type address struct {
	url     string
	network string // "tcp", or "tcp4" for an IPv4 address, which would else take IPv6 too when it is 0.0.0.0
	host    string // host:port
	tls     bool
}

func parseListen(s string) (address, error) {
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || u.Path+u.RawQuery+u.Fragment != "" {
		return address{}, fmt.Errorf("%q is no listener: write http://:8080 or https://127.0.0.1:8443", s)
	}
	if _, err := strconv.ParseUint(u.Port(), 10, 16); err != nil {
		return address{}, fmt.Errorf("%q has no port from 0 to 65535: write %s://%s:8080", s, u.Scheme, u.Hostname())
	}
	a := address{url: s, network: "tcp", host: u.Host, tls: u.Scheme == "https"}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil && ip.Is4() {
		a.network = "tcp4"
	}
	return a, nil
}
