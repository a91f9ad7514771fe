package pagerduty

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"
)

// idle is how long a connection is kept without a request: less than the 60 s
// after which load balancers close theirs.
const idle = 50 * time.Second

// connections are to hosts whose certificates lead to authorities.
type connections struct {
	authorities *x509.CertPool // nil: the system's
	client      *http.Client
}

// connect returns connections that trust authorities. The patience of each step
// is a part of that of the attempt, so that its error tells which step it was.
func (s *Sender) connect(authorities *x509.CertPool) *connections {
	step := min(10*time.Second, s.config.Timeout/2)
	return &connections{authorities, &http.Client{
		Timeout:       s.config.Timeout, // the body included
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:                  s.proxy,
			OnProxyConnectResponse: admitted,
			DialContext:            (&net.Dialer{Timeout: step, KeepAlive: 30 * time.Second}).DialContext,
			TLSClientConfig:        &tls.Config{RootCAs: authorities, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    step,
			ForceAttemptHTTP2:      true,
			// A connection that a firewall has forgotten would have all that share it
			// fail for a quarter of an hour.
			HTTP2:                  &http.HTTP2Config{SendPingTimeout: s.config.Timeout / 2, PingTimeout: s.config.Timeout / 4},
			MaxIdleConnsPerHost:    s.config.Idle,
			IdleConnTimeout:        idle,
			MaxResponseHeaderBytes: 64 << 10,
			ExpectContinueTimeout:  time.Second,
		},
	}}
}

// client returns the connections that trust the authorities of the moment.
func (s *Sender) client() *http.Client {
	now := s.connections.Load()
	if s.authorities == nil || s.authorities.Pool() == now.authorities {
		return now.client
	}
	if s.connections.CompareAndSwap(now, s.connect(s.authorities.Pool())) {
		now.client.CloseIdleConnections()
	}
	return s.connections.Load().client
}

// proxyFunc returns the proxy for a request: the configured one, else what the
// environment says.
func proxyFunc(configured string) (func(*http.Request) (*url.URL, error), error) {
	if configured == "" {
		return http.ProxyFromEnvironment, nil
	}
	fixed, err := url.Parse(configured)
	if err != nil || fixed.Host == "" {
		return nil, errors.New("delivery.proxy: need a URL such as http://proxy.example.net:3128")
	}
	return http.ProxyURL(fixed), nil
}

// admitted is an error where a proxy lets nothing through.
func admitted(_ context.Context, proxy *url.URL, _ *http.Request, resp *http.Response) error {
	switch resp.StatusCode {
	case http.StatusOK:
		return nil
	case http.StatusProxyAuthRequired:
		return fmt.Errorf("the proxy %s asks for a password (407): write delivery.proxy as http://USER:PASSWORD@HOST:PORT", proxy.Host)
	default:
		return fmt.Errorf("the proxy %s does not let us through: it answered CONNECT with %d", proxy.Host, resp.StatusCode)
	}
}

// peer is who a TLS error of a request is about: the host, with the proxy that
// leads to it, or a proxy that speaks TLS itself.
func (s *Sender) peer(req *http.Request, err error) string {
	proxy, _ := s.proxy(req)
	if proxy == nil {
		return req.URL.Host
	}
	if op := (*net.OpError)(nil); errors.As(err, &op) && op.Op == "proxyconnect" {
		return "the proxy " + proxy.Host
	}
	return req.URL.Host + " through the proxy " + proxy.Host
}
