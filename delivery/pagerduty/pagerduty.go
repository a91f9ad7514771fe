// Package pagerduty speaks PagerDuty's Events APIs: it makes the request of an
// attempt and tells what the answer means. What comes in is a
// delivery.Delivery; what goes out is an HTTP request with the route's
// integration key, and a verdict. It promises that no error text holds a key.
package pagerduty

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/ingest"
)

// Config is the part of the configuration that is about sending.
type Config struct {
	EventsURL string        // scheme and host of the Events API, without a path
	Timeout   time.Duration // of one attempt, connecting included
	Workers   int           // how many connections may stay open
	Proxy     string        // URL; empty: HTTP_PROXY, HTTPS_PROXY and NO_PROXY
	Version   string        // for the User-Agent
}

// answerBytes is how much of an answer is read and kept.
const answerBytes = 4096

// Sender sends deliveries to the Events API. It may be used from any goroutine.
type Sender struct {
	config Config
	base   string
	routes *delivery.Routes
	client *http.Client
}

// New returns a Sender that takes keys from routes.
func New(config Config, routes *delivery.Routes) (*Sender, error) {
	base, err := url.Parse(config.EventsURL)
	if err != nil || base.Host == "" || (base.Scheme != "https" && base.Scheme != "http") {
		return nil, fmt.Errorf("pagerduty.events_url %q: need a URL such as https://events.pagerduty.com", config.EventsURL)
	}
	proxy := http.ProxyFromEnvironment
	if config.Proxy != "" {
		fixed, err := url.Parse(config.Proxy)
		if err != nil || fixed.Host == "" {
			return nil, errors.New("delivery.proxy: need a URL such as http://proxy.example.net:3128")
		}
		proxy = http.ProxyURL(fixed)
	}
	return &Sender{
		config: config,
		base:   strings.TrimSuffix(base.String(), "/"),
		routes: routes,
		client: &http.Client{
			Timeout:       config.Timeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport: &http.Transport{
				Proxy:                 proxy,
				DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
				ForceAttemptHTTP2:     true,
				MaxIdleConns:          config.Workers,
				MaxIdleConnsPerHost:   config.Workers,
				IdleConnTimeout:       90 * time.Second,
				TLSHandshakeTimeout:   10 * time.Second,
				ExpectContinueTimeout: time.Second,
			},
		},
	}, nil
}

// Close closes the connections that are idle.
func (s *Sender) Close() { s.client.CloseIdleConnections() }

// Send makes one attempt. See delivery.Sender for what its errors mean.
func (s *Sender) Send(ctx context.Context, d *delivery.Delivery) (delivery.Answer, error) {
	route, ok := s.routes.Lookup(d.Route)
	if !ok {
		return delivery.Answer{}, &delivery.Rejected{Answer: fmt.Sprintf("no route is named %q any more; add it under routes and retry", d.Route)}
	}
	call, err := compose(d, route)
	if err != nil {
		return delivery.Answer{}, &delivery.Rejected{Answer: err.Error()}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.base+call.path, bytes.NewReader(call.body))
	if err != nil {
		return delivery.Answer{}, &delivery.Rejected{Answer: redact(err.Error(), route.Key)}
	}
	req.Header.Set("Content-Type", call.contentType)
	req.Header.Set("User-Agent", "PDaltagent/"+s.config.Version)
	resp, err := s.client.Do(req)
	if err != nil {
		return delivery.Answer{}, unanswered(err, redact(err.Error(), route.Key))
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	answer, err := read(resp.Body)
	if err != nil {
		return delivery.Answer{}, fmt.Errorf("answered %d, and then: %s", resp.StatusCode, redact(err.Error(), route.Key))
	}
	return verdict(resp, redact(answer, route.Key), call.api)
}

// unanswered is the error of a request that had no answer: a *delivery.Unsent
// where no connection was made.
func unanswered(err error, text string) error {
	var (
		op   *net.OpError
		name *net.DNSError
		cert *tls.CertificateVerificationError
	)
	if errors.As(err, &op) && (op.Op == "dial" || op.Op == "proxyconnect") || errors.As(err, &name) || errors.As(err, &cert) {
		return &delivery.Unsent{Reason: text}
	}
	return errors.New(text)
}

// read reads the beginning of an answer and enough of the rest for the
// connection to be used again.
func read(body io.Reader) (string, error) {
	answer, err := io.ReadAll(io.LimitReader(body, answerBytes))
	if err != nil {
		return "", err
	}
	_, err = io.Copy(io.Discard, io.LimitReader(body, 64<<10))
	return clean(string(answer)), err
}

// clean makes an answer fit for a text column.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
}

// redact takes the key out of a text: net/http quotes URLs, and x-ere has the
// key in its path.
func redact(text string, key ingest.Secret) string {
	if key == "" {
		return text
	}
	return strings.ReplaceAll(text, key.Reveal(), key.String())
}

// verdict tells what an answer means.
func verdict(resp *http.Response, answer string, api ingest.API) (delivery.Answer, error) {
	code := resp.StatusCode
	switch {
	case code/100 == 2:
		return delivery.Answer{Status: code, Body: answer}, nil
	case code == http.StatusTooManyRequests, code == http.StatusForbidden && (api == ingest.EventsV1 || api == ingest.Nagios):
		return delivery.Answer{}, &delivery.Busy{Status: code, After: retryAfter(resp.Header.Get("Retry-After"), time.Now()), Answer: answer}
	case code/100 == 4 && code != http.StatusForbidden && code != http.StatusRequestTimeout && code != http.StatusTooEarly:
		return delivery.Answer{}, &delivery.Rejected{Status: code, Answer: answer}
	default:
		return delivery.Answer{}, &delivery.Failed{Status: code, Answer: answer}
	}
}

// retryAfter reads a Retry-After header (RFC 9110 section 10.2.3): seconds or
// a date. It is at most an hour, and 0 where there is none that makes sense.
func retryAfter(header string, now time.Time) time.Duration {
	if header == "" {
		return 0
	}
	var d time.Duration
	if seconds, err := strconv.Atoi(header); err == nil {
		d = time.Duration(min(seconds, 3600)) * time.Second
	} else if at, err := http.ParseTime(header); err == nil {
		d = at.Sub(now)
	}
	return min(max(d, 0), time.Hour)
}
