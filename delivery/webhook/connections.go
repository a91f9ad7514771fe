package webhook

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/ingest"
)

// target is a destination with the connections to it.
type target struct {
	Destination
	config      SenderConfig
	secrets     []ingest.Secret // that no answer may show
	proxy       func(*http.Request) (*url.URL, error)
	authorities *ingest.Authorities // nil: the system's
	connections atomic.Pointer[connections]
}

// connections are to a host whose certificate leads to authorities.
type connections struct {
	authorities *x509.CertPool // nil: the system's
	client      *http.Client
}

// newTarget reads the authorities that a destination's host is vouched for by:
// its own ones alone, else the system's and those of all destinations.
func newTarget(d Destination, config SenderConfig, proxy func(*http.Request) (*url.URL, error), logger *slog.Logger) (*target, error) {
	t := &target{Destination: d, config: config, proxy: proxy, secrets: append([]ingest.Secret{d.Secret, d.FormerSecret}, d.hidden()...)}
	var err error
	switch {
	case d.CAFile != "":
		if t.authorities, err = ingest.LoadAuthorities(d.CAFile, logger); err != nil {
			return nil, fmt.Errorf("webhooks %s: ca_file: %w", d.Name, err)
		}
	case config.CAFile != "":
		if t.authorities, err = ingest.LoadMoreAuthorities(config.CAFile, logger); err != nil {
			return nil, fmt.Errorf("delivery.ca_file: %w", err)
		}
	default:
		t.connections.Store(t.connect(nil))
		return t, nil
	}
	t.connections.Store(t.connect(t.authorities.Pool()))
	return t, nil
}

func (t *target) connect(authorities *x509.CertPool) *connections {
	return &connections{authorities, &http.Client{
		Timeout:       cmp.Or(t.config.Timeout, 20*time.Second),
		CheckRedirect: sameHost,
		Transport: &http.Transport{
			Proxy:                 t.proxy,
			DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			TLSClientConfig:       &tls.Config{RootCAs: authorities, MinVersion: tls.VersionTLS12},
			ForceAttemptHTTP2:     true,
			MaxIdleConnsPerHost:   t.config.Idle,
			IdleConnTimeout:       90 * time.Second,
			TLSHandshakeTimeout:   10 * time.Second,
			ExpectContinueTimeout: time.Second,
		},
	}}
}

// client returns the connections that trust the authorities of the moment.
func (t *target) client() *http.Client {
	now := t.connections.Load()
	if t.authorities == nil || t.authorities.Pool() == now.authorities {
		return now.client
	}
	if t.connections.CompareAndSwap(now, t.connect(t.authorities.Pool())) {
		now.client.CloseIdleConnections()
	}
	return t.connections.Load().client
}

// unanswered is the error of a request that had no answer: that the receiver
// cannot be trusted, which pauses the destination, that nothing was sent, or
// that nobody knows.
func (t *target) unanswered(req *http.Request, err error, connected bool) error {
	key := fmt.Sprintf("ca_file of the webhooks' destination %s", t.Name)
	if t.CAFile == "" {
		key += ", or delivery.ca_file"
	}
	if untrusted := delivery.Distrust(err, t.peer(req, err), key); untrusted != nil {
		return untrusted
	}
	text := fmt.Sprintf("POST to %s: %s", req.URL.Host, t.redact(withoutURL(err).Error(), false))
	if !connected {
		return &delivery.Unsent{Reason: text}
	}
	return errors.New(text)
}

// peer is who a TLS error of a request is about: the host, with the proxy that
// leads to it, or a proxy that speaks TLS itself.
func (t *target) peer(req *http.Request, err error) string {
	proxy, _ := t.proxy(req)
	if proxy == nil {
		return req.URL.Host
	}
	if op := (*net.OpError)(nil); errors.As(err, &op) && op.Op == "proxyconnect" {
		return "the proxy " + proxy.Host
	}
	return req.URL.Host + " through the proxy " + proxy.Host
}

// withoutURL takes the URL out of an error of net/http: there may be a secret
// in its path.
func withoutURL(err error) error {
	if u := (*url.Error)(nil); errors.As(err, &u) {
		return u.Err
	}
	return err
}

// redact takes the destination's secrets out of a text. Where the text was cut
// off there may be a part of one at its end.
func (t *target) redact(text string, cut bool) string {
	longest := 0
	for _, secret := range t.secrets {
		text = secret.Hide(text)
		longest = max(longest, len(secret))
	}
	if cut && longest > 0 {
		text = ingest.CleanText(text[:max(0, len(text)-longest+1)])
	}
	return text
}

// hidden is what of the URL only the receiver and we know: path, query and
// password. What is too short to be a secret is none.
func (d Destination) hidden() (parts []ingest.Secret) {
	u, err := url.Parse(d.URL)
	if err != nil {
		return nil
	}
	password, _ := u.User.Password()
	texts := []string{u.RequestURI(), u.Path, u.RawQuery, password}
	for _, values := range u.Query() {
		texts = append(texts, values...)
	}
	for _, text := range texts {
		if len(text) > 3 {
			parts = append(parts, ingest.Secret(text))
		}
	}
	return parts
}
