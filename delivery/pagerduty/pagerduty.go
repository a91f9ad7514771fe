// Package pagerduty speaks PagerDuty's Events APIs: it makes the request of an
// attempt and tells what the answer means. What comes in is a
// delivery.Delivery; what goes out is an HTTP request with the route's
// integration key, and a verdict. It promises that no error text holds a key.
package pagerduty

import (
	"bytes"
	"context"
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

// Config is the part of the configuration that is about sending.
type Config struct {
	EventsURL string        // scheme and host of the Events API, without a path
	Timeout   time.Duration // of one attempt, from connecting to the end of the answer
	Idle      int           // how many connections may stay open
	Proxy     string        // URL; empty: HTTP_PROXY, HTTPS_PROXY and NO_PROXY
	CAFile    string        // authorities to trust besides the system's, PEM; read anew when it changes; empty: none
	Version   string        // for the User-Agent
}

// answerBytes is how much of an answer is kept.
const answerBytes = 4096

// Sender sends deliveries to the Events API. It may be used from any goroutine.
type Sender struct {
	config      Config
	base        string
	routes      *delivery.Routes
	proxy       func(*http.Request) (*url.URL, error)
	authorities *ingest.Authorities // nil: the system's
	connections atomic.Pointer[connections]
}

// New returns a Sender that takes keys from routes.
func New(config Config, routes *delivery.Routes, logger *slog.Logger) (*Sender, error) {
	base, err := url.Parse(config.EventsURL)
	if err != nil || base.Host == "" || (base.Scheme != "https" && base.Scheme != "http") {
		return nil, fmt.Errorf("pagerduty.events_url %q: need a URL such as https://events.pagerduty.com", config.EventsURL)
	}
	s := &Sender{config: config, base: strings.TrimSuffix(base.String(), "/"), routes: routes}
	if s.proxy, err = proxyFunc(config.Proxy); err != nil {
		return nil, err
	}
	if config.CAFile == "" {
		s.connections.Store(s.connect(nil))
		return s, nil
	}
	if s.authorities, err = ingest.LoadMoreAuthorities(config.CAFile, logger); err != nil {
		return nil, fmt.Errorf("delivery.ca_file: %w", err)
	}
	s.connections.Store(s.connect(s.authorities.Pool()))
	return s, nil
}

// Close closes the connections that are idle.
func (s *Sender) Close() { s.connections.Load().client.CloseIdleConnections() }

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
	var connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.base+call.path, bytes.NewReader(call.body))
	if err != nil {
		return delivery.Answer{}, &delivery.Rejected{Answer: redact(err.Error(), route.Key)}
	}
	req.Header.Set("Content-Type", call.contentType)
	req.Header.Set("User-Agent", "PDaltagent/"+s.config.Version)
	resp, err := s.client().Do(req)
	if err != nil {
		return delivery.Answer{}, s.unanswered(req, err, redact(err.Error(), route.Key), connected.Load())
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	answer, err := read(resp.Body, route.Key)
	if err != nil && resp.StatusCode/100 == 2 {
		return delivery.Answer{}, fmt.Errorf("answered %d, and then: %s", resp.StatusCode, redact(err.Error(), route.Key))
	}
	return verdict(resp, answer, call.api)
}

// unanswered is the error of a request that had no answer. Its text has been
// redacted.
func (s *Sender) unanswered(req *http.Request, err error, text string, connected bool) error {
	if untrusted := delivery.Distrust(err, s.peer(req, err), "delivery.ca_file"); untrusted != nil {
		return untrusted
	}
	if !connected {
		return &delivery.Unsent{Reason: text}
	}
	return errors.New(text)
}

// read reads the beginning of an answer, without the key, and enough of the
// rest for the connection to be used again. With an error it returns what came
// before.
func read(body io.Reader, key ingest.Secret) (string, error) {
	answer, err := io.ReadAll(io.LimitReader(body, answerBytes))
	if err == nil {
		_, err = io.Copy(io.Discard, io.LimitReader(body, 64<<10))
	}
	text := redact(clean(string(answer)), key)
	if len(answer) == answerBytes {
		text = text[:max(0, len(text)-len(key)+1)] // there may be a part of the key
	}
	return clean(text), err
}

// clean makes an answer fit for a text column.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
}

// redact takes the key out of a text, in whatever case: net/http quotes URLs,
// and x-ere has the key in its path.
func redact(text string, key ingest.Secret) string {
	k := key.Reveal()
	var b strings.Builder
	from := 0
	for i := 0; k != "" && i+len(k) <= len(text); i++ {
		if strings.EqualFold(text[i:i+len(k)], k) {
			b.WriteString(text[from:i])
			b.WriteString(key.String())
			i += len(k) - 1
			from = i + 1
		}
	}
	return b.String() + text[from:]
}

// verdict tells what an answer means.
func verdict(resp *http.Response, answer string, api ingest.API) (delivery.Answer, error) {
	code := resp.StatusCode
	switch {
	case code/100 == 2 && isPage(resp.Header.Get("Content-Type")):
		return delivery.Answer{}, &delivery.Failed{Status: code, Answer: "a web page, which PagerDuty never answers with: a proxy answers in its place: " + answer}
	case code/100 == 2:
		return delivery.Answer{Status: code, Body: answer}, nil
	case code == http.StatusTooManyRequests, code == http.StatusForbidden && (api == ingest.EventsV1 || api == ingest.Nagios):
		return delivery.Answer{}, &delivery.Busy{Status: code, After: retryAfter(resp.Header.Get("Retry-After"), time.Now()), Answer: answer}
	case code/100 == 4 && code != http.StatusForbidden && code != http.StatusRequestTimeout && code != http.StatusTooEarly && code != http.StatusProxyAuthRequired:
		return delivery.Answer{}, &delivery.Rejected{Status: code, Answer: answer}
	case code/100 == 3:
		return delivery.Answer{}, &delivery.Failed{Status: code, Answer: redirected(resp)}
	default:
		return delivery.Answer{}, &delivery.Failed{Status: code, Answer: answer}
	}
}

func isPage(contentType string) bool {
	return strings.HasPrefix(strings.ToLower(strings.TrimSpace(contentType)), "text/html")
}

// redirected says where an answer leads, as far as that can hold no key.
func redirected(resp *http.Response) string {
	host := "somewhere else"
	if to, err := resp.Location(); err == nil && to.Host != "" {
		host = to.Scheme + "://" + to.Host
	}
	return "redirects to " + host + ", which is not followed, since the integration key would go along; if that is right, set pagerduty.events_url to it"
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
