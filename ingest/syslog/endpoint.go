package syslog

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// transport is what an address to listen on begins with.
type transport string

const (
	overUDP transport = "udp" // RFC 5426
	overTCP transport = "tcp" // RFC 6587
	overTLS transport = "tls" // RFC 5425
)

// endpoint is an element of Config.Listen: "tcp://:5514?format=rfc5424".
type endpoint struct {
	transport transport
	address   string // host and port
	format    Format
}

// parseEndpoint returns errors that follow the text that they are about.
func parseEndpoint(text string, standard Format) (endpoint, error) {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return endpoint{}, errors.New("has no scheme; write \"udp://:5514\", \"tcp://:5514\" or \"tls://:6514\"")
	}
	e := endpoint{transport: transport(scheme), format: standard}
	switch e.transport {
	case overUDP, overTCP, overTLS:
	default:
		return e, errors.New("has an unknown scheme; it is udp, tcp or tls, as in \"udp://:5514\"")
	}
	address, query, _ := strings.Cut(rest, "?")
	e.address = strings.TrimSuffix(address, "/")
	if err := checkAddress(e.transport, e.address); err != nil {
		return e, err
	}
	options, err := url.ParseQuery(query)
	if err != nil {
		return e, fmt.Errorf("has options that are not name=value: %w", err)
	}
	for name, values := range options {
		if name != "format" {
			return e, fmt.Errorf("has an unknown option %q; the only one is format", name)
		}
		if e.format = Format(values[0]); !slices.Contains(formats(), e.format) {
			return e, fmt.Errorf("has an unknown format %q; it is one of %s", values[0], formatNames())
		}
	}
	return e, nil
}

func checkAddress(t transport, address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("is not an address and port; write \"%s://:5514\" or \"%s://192.0.2.1:514\"", t, t)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("has no port between 0 and 65535; write \"%s://:5514\"", t)
	}
	return nil
}
