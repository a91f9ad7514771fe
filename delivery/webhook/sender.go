package webhook

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/ingest"
)

const (
	answerBytes  = 4096 // of an answer that are read and kept
	maxRedirects = 3
)

// SenderConfig is what sending to all destinations has in common.
type SenderConfig struct {
	Timeout time.Duration // of one attempt, connecting included; 0: 20 s
	Workers int           // how many connections to a host may stay open
	Proxy   string        // URL; empty: HTTP_PROXY, HTTPS_PROXY and NO_PROXY
	Version string        // for the User-Agent
}

// Sender delivers payloads. It may be used from any goroutine.
type Sender struct {
	config  SenderConfig
	targets map[string]target // by route
}

// target is a destination with the connections to it.
type target struct {
	Destination
	client *http.Client
}

// NewSender returns a Sender to destinations, whose secrets are resolved.
// Errors begin with the destination's name.
func NewSender(config SenderConfig, destinations []Destination) (*Sender, error) {
	proxy := http.ProxyFromEnvironment
	if config.Proxy != "" {
		fixed, err := url.Parse(config.Proxy)
		if err != nil || fixed.Host == "" {
			return nil, errors.New("delivery.proxy: need a URL such as http://proxy.example.net:3128")
		}
		proxy = http.ProxyURL(fixed)
	}
	s := &Sender{config: config, targets: map[string]target{}}
	for _, d := range destinations {
		if _, err := parseURL(d.URL); err != nil {
			return nil, fmt.Errorf("webhooks %s: %w", d.Name, err)
		}
		authorities, err := authorities(d.CAFile)
		if err != nil {
			return nil, fmt.Errorf("webhooks %s: ca_file: %w", d.Name, err)
		}
		s.targets[d.Route()] = target{d, &http.Client{
			Timeout:       cmp.Or(config.Timeout, 20*time.Second),
			CheckRedirect: sameHost,
			Transport: &http.Transport{
				Proxy:                 proxy,
				DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
				TLSClientConfig:       &tls.Config{RootCAs: authorities},
				ForceAttemptHTTP2:     true,
				MaxIdleConnsPerHost:   config.Workers,
				IdleConnTimeout:       90 * time.Second,
				TLSHandshakeTimeout:   10 * time.Second,
				ExpectContinueTimeout: time.Second,
			},
		}}
	}
	return s, nil
}

// authorities returns those of a file; nil, the system's, without one.
func authorities(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file) //nolint:gosec // the operator names it
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate: it must hold PEM, which begins with -----BEGIN CERTIFICATE-----", file)
	}
	return pool, nil
}

// sameHost follows a redirect that is still the POST (307 and 308) and stays
// with the host and its TLS. Any other is the answer.
func sameHost(req *http.Request, via []*http.Request) error {
	from := via[0]
	if req.Method != from.Method || req.URL.Host != from.URL.Host || req.URL.Scheme != from.URL.Scheme || len(via) > maxRedirects {
		return http.ErrUseLastResponse
	}
	return nil
}

// Close closes the connections that are idle.
func (s *Sender) Close() {
	for _, t := range s.targets {
		t.client.CloseIdleConnections()
	}
}

// Send makes one attempt. See delivery.Sender for what its errors mean.
func (s *Sender) Send(ctx context.Context, d *delivery.Delivery) (delivery.Answer, error) {
	to, ok := s.targets[d.Route]
	if !ok {
		return delivery.Answer{}, &delivery.Rejected{Answer: fmt.Sprintf("no webhook destination is named %q any more; add it under webhooks and retry", strings.TrimPrefix(d.Route, delivery.WebhookRoute("")))}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.URL, bytes.NewReader(d.Body))
	if err != nil {
		return delivery.Answer{}, &delivery.Rejected{Answer: "webhooks " + to.Name + ": url: is no URL"}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "PDaltagent/"+s.config.Version)
	req.Header.Set("X-Webhook-Id", d.ID.String())
	req.Header.Set("X-Webhook-Subscription", to.Name)
	if signature := Sign(d.Body, to.Secret, to.FormerSecret); signature != "" {
		req.Header.Set("X-PagerDuty-Signature", signature)
	}
	resp, err := to.client.Do(req)
	if err != nil {
		return delivery.Answer{}, fmt.Errorf("POST to %s: %w", req.URL.Host, withoutURL(err))
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	answer, err := read(resp.Body)
	if err != nil {
		return delivery.Answer{}, fmt.Errorf("POST to %s: answered %d, and then: %w", req.URL.Host, resp.StatusCode, err)
	}
	return verdict(resp, to.redact(answer))
}

// withoutURL takes the URL out of an error of net/http: there may be a secret
// in its path.
func withoutURL(err error) error {
	if u := (*url.Error)(nil); errors.As(err, &u) {
		return u.Err
	}
	return err
}

// redact takes the destination's secrets out of a text.
func (t target) redact(text string) string {
	for _, secret := range []ingest.Secret{t.Secret, t.FormerSecret} {
		if secret != "" {
			text = strings.ReplaceAll(text, secret.Reveal(), secret.String())
		}
	}
	if u, err := url.Parse(t.URL); err == nil && len(u.RequestURI()) > 1 {
		text = strings.ReplaceAll(text, u.RequestURI(), "[path]")
	}
	return text
}

// Sign returns the X-PagerDuty-Signature of a body: "v1=" and the hex
// HMAC-SHA256 for each secret that is not empty, separated by commas.
func Sign(body []byte, secrets ...ingest.Secret) string {
	var signatures []string
	for _, secret := range secrets {
		if secret == "" {
			continue
		}
		mac := hmac.New(sha256.New, []byte(secret.Reveal()))
		mac.Write(body)
		signatures = append(signatures, "v1="+hex.EncodeToString(mac.Sum(nil)))
	}
	return strings.Join(signatures, ",")
}

// read reads the beginning of an answer and enough of the rest for the
// connection to be used again.
func read(body io.Reader) (string, error) {
	answer, err := io.ReadAll(io.LimitReader(body, answerBytes))
	if err != nil {
		return "", err
	}
	_, err = io.Copy(io.Discard, io.LimitReader(body, 64<<10))
	return ingest.CleanText(string(answer)), err
}

// verdict tells what an answer means. 503 is busy only where it says for how
// long, so that a destination which is merely down is given up in the end.
func verdict(resp *http.Response, answer string) (delivery.Answer, error) {
	code := resp.StatusCode
	after := retryAfter(resp.Header.Get("Retry-After"), time.Now())
	switch {
	case code/100 == 2:
		return delivery.Answer{Status: code, Body: answer}, nil
	case code == http.StatusTooManyRequests, code == http.StatusServiceUnavailable && after > 0:
		return delivery.Answer{}, &delivery.Busy{Status: code, After: after, Answer: answer}
	case code/100 == 4 && code != http.StatusRequestTimeout && code != http.StatusTooEarly:
		return delivery.Answer{}, &delivery.Rejected{Status: code, Answer: answer}
	case code/100 == 3:
		host := "somewhere else"
		if to, err := resp.Location(); err == nil && to.Host != "" {
			host = to.Host
		}
		return delivery.Answer{}, &delivery.Failed{Status: code, Answer: fmt.Sprintf("redirects to %s, which is not followed; set the destination's url to where it should go", host)}
	default:
		return delivery.Answer{}, &delivery.Failed{Status: code, Answer: answer}
	}
}

// retryAfter reads a Retry-After header (RFC 9110 section 10.2.3): seconds or
// a date. It is at most an hour, and 0 where there is none that makes sense.
func retryAfter(header string, now time.Time) time.Duration {
	var d time.Duration
	if seconds, err := strconv.Atoi(header); err == nil {
		d = time.Duration(min(max(seconds, 0), 3600)) * time.Second
	} else if at, err := http.ParseTime(header); err == nil {
		d = at.Sub(now)
	}
	return min(max(d, 0), time.Hour)
}
