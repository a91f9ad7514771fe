package main

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
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"
)

// answerWithin is longer than pdagentd lets a commit take.
const answerWithin = 30 * time.Second

// event is an Events API v2 event.
type event struct {
	RoutingKey  string   `json:"routing_key"`
	EventAction string   `json:"event_action"`
	DedupKey    string   `json:"dedup_key,omitempty"`
	Payload     *payload `json:"payload,omitempty"`
	Client      string   `json:"client,omitempty"`
	ClientURL   string   `json:"client_url,omitempty"`
}

type payload struct {
	Summary       string            `json:"summary"`
	Source        string            `json:"source"`
	Severity      string            `json:"severity"`
	Component     string            `json:"component,omitempty"`
	Group         string            `json:"group,omitempty"`
	Class         string            `json:"class,omitempty"`
	CustomDetails map[string]string `json:"custom_details,omitempty"`
}

func (o options) event() event {
	e := event{RoutingKey: o.key, EventAction: o.eventType, DedupKey: o.incidentKey, Client: o.client, ClientURL: o.clientURL}
	if o.description == "" {
		return e
	}
	e.Payload = &payload{
		Summary: o.description, Source: o.source, Severity: o.severity,
		Component: o.component, Group: o.group, Class: o.class,
		CustomDetails: make(map[string]string, len(o.fields)),
	}
	for _, field := range o.fields {
		name, value, _ := strings.Cut(field, "=")
		e.Payload.CustomDetails[name] = value
	}
	return e
}

// send posts the event and returns the incident key that it got. Its error
// says what to check.
func send(o options) (incidentKey string, err error) {
	body, err := json.Marshal(o.event())
	if err != nil {
		return "", fmt.Errorf("event: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), answerWithin)
	defer cancel()
	to := o.baseURL.JoinPath("v2", "enqueue").String()
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	q.Header.Set("Content-Type", "application/json")
	q.Header.Set("User-Agent", "pd-send")
	if o.token != "" {
		q.Header.Set("Authorization", "Bearer "+o.token)
	}
	client := o.httpClient()
	defer client.CloseIdleConnections()
	resp, err := client.Do(q)
	if err != nil {
		return "", unreachable(o.baseURL, err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return "", unreachable(o.baseURL, err)
	}
	return judge(o.baseURL, resp, answer)
}

func (o options) httpClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:           http.ProxyFromEnvironment,
			TLSClientConfig: &tls.Config{InsecureSkipVerify: o.skipVerify}, // asked for, or this very host
		},
		// A redirect would make a GET of the POST.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// unreachable says what to check when there is no answer.
func unreachable(base *url.URL, err error) error {
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
		hint = "this port speaks http: set PDSEND_EVENTS_BASE_URL to http://" + base.Host
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		err = fmt.Errorf("no answer within %s", answerWithin)
		hint = "the event may have been taken all the same; ask pdagentd's log or /readyz"
	default:
		hint = "check PDSEND_EVENTS_BASE_URL and the network"
	}
	return fmt.Errorf("send to %s: %w: %s", base.Redacted(), err, hint)
}

// judge reads an answer: PagerDuty's shape, which is pdagentd's too.
func judge(base *url.URL, resp *http.Response, body []byte) (incidentKey string, err error) {
	var answer struct {
		Status   string   `json:"status"`
		Message  string   `json:"message"`
		DedupKey string   `json:"dedup_key"`
		Errors   []string `json:"errors"`
	}
	strange := json.Unmarshal(body, &answer) != nil || answer.Status == ""
	if !strange && resp.StatusCode/100 == 2 && answer.Status == "success" {
		return answer.DedupKey, nil
	}
	if strange {
		return "", fmt.Errorf("%s answered %s, but not as pdagentd or PagerDuty does: check PDSEND_EVENTS_BASE_URL", base.Redacted(), resp.Status)
	}
	reason := strings.Join(append([]string{answer.Message}, answer.Errors...), ": ")
	if resp.StatusCode == http.StatusUnauthorized {
		reason += ": set PDSEND_TOKEN to it"
	}
	return "", fmt.Errorf("%s answered %s: %s", base.Redacted(), resp.Status, reason)
}

// say prints; there is nobody to tell when that fails.
func say(to io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(to, format, args...) }
