// Package sender is how the programs beside pdagentd hand it an event: over
// HTTP, to the address that the environment names. An event whose Post returned
// nil is durable; an error says what to check, and never holds a key or token.
package sender

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"
)

const (
	defaultBaseURL = "https://localhost:8443"

	// answerWithin is longer than pdagentd lets a commit take.
	answerWithin = 30 * time.Second

	// again is how long a refused connection waits for the next attempt.
	again = 250 * time.Millisecond
)

// Help is what a program's usage says of the environment.
const Help = `
Environment:
  PDSEND_EVENTS_BASE_URL   where to send it (default ` + defaultBaseURL + `)
  PDSEND_TOKEN             the token, where pdagentd's ingest.http has one
  PDSEND_SKIP_CERT_VERIFY  true: trust any certificate; false: verify every one.
                           When it is not set, the certificate of this very host
                           (localhost, 127.0.0.1, ::1) is trusted, as pdagentd has
                           a self-signed one, and every other one is verified.
  SSL_CERT_FILE            PEM file of certificates to trust instead of the system's
`

// Client posts events to one pdagentd.
type Client struct {
	name     string // of the program, as User-Agent
	base     *url.URL
	token    string
	patience time.Duration // how long a pdagentd that restarts is waited for
	http     *http.Client
}

// New returns a client of the pdagentd that the environment names. What it
// posts while nobody listens there is tried again until patience is over.
func New(name string, env func(string) string, patience time.Duration) (*Client, error) {
	base := env("PDSEND_EVENTS_BASE_URL")
	if base == "" {
		base = defaultBaseURL
	}
	u, err := url.Parse(base)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("PDSEND_EVENTS_BASE_URL %q is no URL: write https://host:8443", base)
	}
	return &Client{
		name: name, base: u, token: env("PDSEND_TOKEN"), patience: patience,
		http: &http.Client{
			Transport: &http.Transport{
				Proxy:           http.ProxyFromEnvironment,
				TLSClientConfig: &tls.Config{InsecureSkipVerify: skipVerify(env("PDSEND_SKIP_CERT_VERIFY"), u.Hostname())}, // asked for, or this very host
			},
			// A redirect would make a GET of the POST.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// skipVerify reports whether any certificate will do. What is sent to this very
// host crosses no network, so its self-signed certificate need not be trusted
// first.
func skipVerify(wish, host string) bool {
	switch strings.ToLower(wish) {
	case "":
		ip, err := netip.ParseAddr(host)
		return host == "localhost" || (err == nil && ip.IsLoopback())
	case "false", "0", "no":
		return false
	}
	return true
}

// Address is where the client posts, without a password.
func (c *Client) Address() string { return c.base.Redacted() }

// Close ends the connections that are kept for the next event.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Post hands over one event, of which body is the JSON, and returns the
// incident key that it got. It returns a *RefusedError for an event that will
// never be taken.
func (c *Client) Post(ctx context.Context, path string, body []byte) (incidentKey string, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	until := time.Now().Add(c.patience)
	for {
		incidentKey, err = c.post(ctx, path, body)
		if !errors.Is(err, syscall.ECONNREFUSED) || time.Now().Add(again).After(until) {
			return incidentKey, err
		}
		select {
		case <-ctx.Done():
			return "", err
		case <-time.After(again):
		}
	}
}

func (c *Client) post(ctx context.Context, path string, body []byte) (incidentKey string, err error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base.JoinPath(path).String(), bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	q.Header.Set("Content-Type", "application/json")
	q.Header.Set("User-Agent", c.name)
	if c.token != "" {
		q.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(q)
	if err != nil {
		return "", c.unreachable(err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return "", c.unreachable(err)
	}
	return c.judge(resp, answer)
}

// unreachable says what to check when there is no answer.
func (c *Client) unreachable(err error) error {
	if fault, ok := errors.AsType[*url.Error](err); ok {
		err = fault.Err
	}
	hint := ""
	_, badCertificate := errors.AsType[*tls.CertificateVerificationError](err)
	_, badName := errors.AsType[*net.DNSError](err)
	_, noTLS := errors.AsType[tls.RecordHeaderError](err)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		hint = "is pdagentd running there, and does its ingest.http listen on this port? PDSEND_EVENTS_BASE_URL says where to send"
	case badCertificate:
		hint = "set SSL_CERT_FILE to a file that holds its certificate, or PDSEND_SKIP_CERT_VERIFY=true to trust any"
	case badName:
		hint = "check the host name in PDSEND_EVENTS_BASE_URL"
	case noTLS, strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		hint = "this port speaks http: set PDSEND_EVENTS_BASE_URL to http://" + c.base.Host
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		err = fmt.Errorf("no answer within %s", answerWithin)
		hint = "the event may have been taken all the same; ask pdagentd's log or /readyz"
	default:
		hint = "check PDSEND_EVENTS_BASE_URL and the network"
	}
	return fmt.Errorf("send to %s: %w: %s", c.Address(), err, hint)
}

// RefusedError is an answer about the event itself: sent again it would be
// refused again.
type RefusedError struct{ reason string }

// Error says who refused it, and all that is wrong with it.
func (e *RefusedError) Error() string { return e.reason }

// judge reads an answer: PagerDuty's shape, which is pdagentd's too.
func (c *Client) judge(resp *http.Response, body []byte) (incidentKey string, err error) {
	var answer struct {
		Status      string   `json:"status"`
		Message     string   `json:"message"`
		DedupKey    string   `json:"dedup_key"`
		IncidentKey string   `json:"incident_key"` // Events v1's name for it
		Errors      []string `json:"errors"`
	}
	strange := json.Unmarshal(body, &answer) != nil || answer.Status == ""
	switch {
	case strange:
		return "", fmt.Errorf("%s answered %s, but not as pdagentd or PagerDuty does: check PDSEND_EVENTS_BASE_URL", c.Address(), resp.Status)
	case resp.StatusCode/100 == 2 && answer.Status == "success":
		return answer.DedupKey + answer.IncidentKey, nil
	}
	reason := c.Address() + " answered " + resp.Status + ": " + strings.Join(append([]string{answer.Message}, answer.Errors...), ": ")
	switch resp.StatusCode {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		return "", &RefusedError{reason}
	case http.StatusUnauthorized:
		reason += ": set PDSEND_TOKEN to it"
	}
	return "", errors.New(reason)
}
