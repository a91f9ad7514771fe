// Package logentry reads PagerDuty's log entries over its REST API. What comes
// in is a Window of time; what goes out are the delivery.LogEntries that were
// created in it, oldest first, each once, and how far the next window may
// begin. It promises that a listing which changes while it is read loses no
// entry, that PagerDuty's pace is kept, that time is PagerDuty's, and that no
// error text holds the token. It keeps nothing: cursor and seen ids are the
// caller's.
package logentry

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/ingest"
)

const (
	maxPage    = 8 << 20 // bytes of an answer
	maxPart    = 4 << 20 // bytes of entries
	answerText = 4096    // bytes of a refusal that are kept
	maxTries   = 4       // of a request, while PagerDuty is busy or fails
	maxPause   = time.Minute
)

// Config says how to reach PagerDuty's REST API.
type Config struct {
	APIURL     string        // scheme and host: https://api.pagerduty.com, https://api.eu.pagerduty.com
	Token      ingest.Secret // a user's or an account's API key, or an OAuth token
	AllEntries bool          // notifications and the like too, not the overview only
	Timeout    time.Duration // of one request; 0: 30 s
	Proxy      string        // URL; empty: HTTP_PROXY, HTTPS_PROXY and NO_PROXY
	Version    string        // for the User-Agent

	Authorities *ingest.Authorities // that vouch for the host; nil: the system's
}

// TokenRefused says that PagerDuty does not let the token read log entries.
type TokenRefused struct {
	Status int
	Answer string
}

// Error names the mend.
func (e *TokenRefused) Error() string {
	return fmt.Sprintf("PagerDuty refuses pagerduty.api_token with %d: give a read-only API key of the account, or an OAuth token with incidents.read, of the right region (EU accounts: api_url https://api.eu.pagerduty.com): %s", e.Status, e.Answer)
}

// Client asks for log entries. It may be used from any goroutine.
type Client struct {
	config        Config
	base          string
	authorization string
	pause         func(context.Context, time.Duration) error
	maxPage       int64 // bytes of an answer
	maxPart       int   // bytes of entries that are kept, where a window can be split

	mu        sync.Mutex
	ahead     time.Duration // PagerDuty's clock, of ours
	known     bool          // whether ahead is
	transport *http.Transport
}

// New returns a Client. Nothing is asked yet.
func New(config Config) (*Client, error) {
	base, err := url.Parse(config.APIURL)
	if err != nil || base.Host == "" || base.Scheme != "https" && base.Scheme != "http" {
		return nil, errors.New("pagerduty.api_url: need a URL such as https://api.pagerduty.com")
	}
	token := config.Token.Reveal()
	if token == "" || strings.IndexFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) >= 0 {
		return nil, errors.New("pagerduty.api_token: need an API key of PagerDuty, without spaces; set api_token_file")
	}
	proxy := http.ProxyFromEnvironment
	if config.Proxy != "" {
		fixed, err := url.Parse(config.Proxy)
		if err != nil || fixed.Host == "" {
			return nil, errors.New("delivery.proxy: need a URL such as http://proxy.example.net:3128")
		}
		proxy = http.ProxyURL(fixed)
	}
	return &Client{
		config:        config,
		base:          strings.TrimSuffix(base.String(), "/"),
		authorization: authorization(token),
		pause:         pause,
		maxPage:       maxPage,
		maxPart:       maxPart,
		transport: &http.Transport{
			Proxy:               proxy,
			DialContext:         (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
			ForceAttemptHTTP2:   true,
			MaxIdleConnsPerHost: 2,
			IdleConnTimeout:     90 * time.Second,
			TLSHandshakeTimeout: 10 * time.Second,
		},
	}, nil
}

// client returns a client that trusts the authorities of the moment.
func (c *Client) client() *http.Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.config.Authorities != nil && c.transport.TLSClientConfig.RootCAs != c.config.Authorities.Pool() {
		before := c.transport
		c.transport = before.Clone()
		c.transport.TLSClientConfig.RootCAs = c.config.Authorities.Pool()
		before.CloseIdleConnections()
	}
	return &http.Client{
		Timeout: cmp.Or(c.config.Timeout, 30*time.Second),
		// A redirect would take the token elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     c.transport,
	}
}

// Close closes the connections that are idle.
func (c *Client) Close() { c.client().CloseIdleConnections() }

// authorization returns the header for a token. OAuth's are 64 hex digits,
// begin with the region, or are JSON Web Tokens.
func authorization(token string) string {
	if regexp.MustCompile(`^([0-9a-f]{64}|pd[a-z]+\+.*|eyJ[^.]*\.[^.]*\.[^.]*)$`).MatchString(token) {
		return "Bearer " + token
	}
	return "Token token=" + token
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Now returns the time at PagerDuty, which the first call asks for.
func (c *Client) Now(ctx context.Context) (time.Time, error) {
	if now, ok := c.clock(); ok {
		return now, nil
	}
	if _, err := c.get(ctx, url.Values{"limit": {"1"}, "is_overview": {"true"}}); err != nil {
		return time.Time{}, err
	}
	now, _ := c.clock()
	return now, nil
}

func (c *Client) clock() (now time.Time, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead), c.known
}

// setClock learns PagerDuty's time from an answer that came at. Where it does
// not tell, ours is taken.
func (c *Client) setClock(header http.Header, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		c.ahead, c.known = date.Sub(at), true
	} else if !c.known {
		c.known = true
	}
}

// get makes a request, and after a pause makes it again where that may help: a
// listing of a hundred pages does not begin anew for one that failed.
func (c *Client) get(ctx context.Context, query url.Values) ([]byte, error) {
	for try := 1; ; try++ {
		body, err := c.once(ctx, query)
		after, passing := passes(err)
		if !passing || try == maxTries {
			return body, err
		}
		if err := c.pause(ctx, cmp.Or(min(after, maxPause), time.Duration(try)*time.Second)); err != nil {
			return nil, err
		}
	}
}

// passes reports whether what went wrong may go right the next time, and when
// PagerDuty said that this is; 0: it did not.
func passes(err error) (after time.Duration, passing bool) {
	if busy := (*delivery.Busy)(nil); errors.As(err, &busy) {
		return busy.After, true
	}
	if failed := (*delivery.Failed)(nil); errors.As(err, &failed) {
		return 0, failed.Status >= http.StatusInternalServerError
	}
	network := (*url.Error)(nil)
	return 0, errors.As(err, &network) || errors.Is(err, errBrokenOff)
}

// errBrokenOff says that an answer ended before its end.
var errBrokenOff = errors.New("the answer broke off")

func (c *Client) once(ctx context.Context, query url.Values) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/log_entries?"+query.Encode(), nil)
	if err != nil {
		return nil, fmt.Errorf("log entries: %w", err)
	}
	req.Header.Set("Accept", "application/vnd.pagerduty+json;version=2")
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", c.authorization)
	req.Header.Set("User-Agent", "PDaltagent/"+c.config.Version)
	resp, err := c.client().Do(req)
	if err != nil {
		if untrusted := delivery.Distrust(err, req.URL.Host, "delivery.ca_file"); untrusted != nil {
			return nil, fmt.Errorf("log entries: %w", untrusted)
		}
		return nil, fmt.Errorf("log entries: %w", err)
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	if resp.StatusCode != http.StatusOK {
		return nil, c.refusal(resp) // its time may be that of what stands between
	}
	c.setClock(resp.Header, time.Now())
	body, err := io.ReadAll(io.LimitReader(resp.Body, c.maxPage+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("log entries: %w: %w", errBrokenOff, err)
	case int64(len(body)) > c.maxPage:
		return nil, &tooLong{}
	}
	return body, c.rest(ctx, resp.Header)
}

// rest waits for the next minute when PagerDuty says that this one's requests
// are used up.
func (c *Client) rest(ctx context.Context, header http.Header) error {
	if header.Get("ratelimit-remaining") != "0" {
		return nil
	}
	return c.pause(ctx, wait(header, time.Now()))
}

// wait returns how long PagerDuty asks to wait, a minute at most.
func wait(header http.Header, now time.Time) time.Duration {
	var d time.Duration
	after := header.Get("Retry-After")
	if at, err := http.ParseTime(after); err == nil {
		d = at.Sub(now)
	} else if seconds, err := strconv.ParseInt(cmp.Or(after, header.Get("ratelimit-reset")), 10, 32); err == nil {
		d = time.Duration(seconds) * time.Second
	}
	return min(max(d, 0), maxPause)
}

// refusal tells what an answer without log entries means.
func (c *Client) refusal(resp *http.Response) error {
	text, err := io.ReadAll(io.LimitReader(resp.Body, answerText))
	if err != nil {
		return fmt.Errorf("log entries: answered %d, and then: %w", resp.StatusCode, err)
	}
	answer := c.config.Token.Hide(ingest.CleanText(string(text)))
	if len(text) == answerText {
		answer = answer[:max(0, len(answer)-len(c.config.Token)+1)] // there may be a part of the token
	}
	switch code := resp.StatusCode; {
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return &TokenRefused{Status: code, Answer: answer}
	case code == http.StatusTooManyRequests:
		return &delivery.Busy{Status: code, After: wait(resp.Header, time.Now()), Answer: answer}
	case code/100 == 4 && code != http.StatusRequestTimeout:
		return &delivery.Rejected{Status: code, Answer: answer}
	default:
		return &delivery.Failed{Status: code, Answer: answer}
	}
}

// tooLong says that a page is longer than is taken at once.
type tooLong struct{}

func (*tooLong) Error() string { return fmt.Sprintf("a log entry of over %d MiB", maxPage>>20) }
