package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
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
	Idle    int           // how many connections to a host may stay open
	Proxy   string        // URL; empty: HTTP_PROXY, HTTPS_PROXY and NO_PROXY
	CAFile  string        // authorities to trust besides the system's, PEM, where a destination has none of its own; read anew when it changes; empty: none
	Version string        // for the User-Agent
}

// Sender delivers payloads. It may be used from any goroutine.
type Sender struct {
	config  SenderConfig
	targets map[string]*target // by route
}

// NewSender returns a Sender to destinations, whose secrets are resolved.
// Errors begin with the destination's name, or the key of the configuration.
func NewSender(config SenderConfig, destinations []Destination, logger *slog.Logger) (*Sender, error) {
	proxy := http.ProxyFromEnvironment
	if config.Proxy != "" {
		fixed, err := url.Parse(config.Proxy)
		if err != nil || fixed.Host == "" {
			return nil, errors.New("delivery.proxy: need a URL such as http://proxy.example.net:3128")
		}
		proxy = http.ProxyURL(fixed)
	}
	s := &Sender{config: config, targets: map[string]*target{}}
	for _, d := range destinations {
		if _, err := parseURL(d.URL); err != nil {
			return nil, fmt.Errorf("webhooks %s: %w", d.Name, err)
		}
		t, err := newTarget(d, config, proxy, logger)
		if err != nil {
			return nil, err
		}
		s.targets[d.Route()] = t
	}
	return s, nil
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
		t.connections.Load().client.CloseIdleConnections()
	}
}

// Send makes one attempt. See delivery.Sender for what its errors mean.
func (s *Sender) Send(ctx context.Context, d *delivery.Delivery) (delivery.Answer, error) {
	to, ok := s.targets[d.Route]
	if !ok {
		return delivery.Answer{}, &delivery.Rejected{Answer: fmt.Sprintf("no webhook destination is named %q any more; add it under webhooks and retry", strings.TrimPrefix(d.Route, delivery.WebhookRoute("")))}
	}
	var connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }})
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
	resp, err := to.client().Do(req)
	if err != nil {
		return delivery.Answer{}, to.unanswered(req, err, connected.Load())
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	answer, cut, err := read(resp.Body)
	if err != nil {
		return delivery.Answer{}, fmt.Errorf("POST to %s: answered %d, and then: %w", req.URL.Host, resp.StatusCode, err)
	}
	return verdict(resp, to.redact(answer, cut))
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
// connection to be used again. cut says that there was more.
func read(body io.Reader) (text string, cut bool, err error) {
	answer, err := io.ReadAll(io.LimitReader(body, answerBytes))
	if err != nil {
		return "", false, err
	}
	_, err = io.Copy(io.Discard, io.LimitReader(body, 64<<10))
	return ingest.CleanText(string(answer)), len(answer) == answerBytes, err
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
