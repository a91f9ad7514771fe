package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

const defaultBaseURL = "https://localhost:8443"

// options is what the arguments and the environment ask for.
type options struct {
	key         string
	eventType   string
	description string
	incidentKey string
	severity    string
	source      string
	component   string
	group       string
	class       string
	client      string
	clientURL   string
	fields      []string
	quiet       bool
	help        bool

	baseURL    *url.URL
	token      string
	skipVerify bool
}

// flags binds o to the command line. --routing-key is PDaltagent's name for
// PagerDuty Agent's --service-key.
func (o *options) flags() *pflag.FlagSet {
	f := pflag.NewFlagSet("pd-send", pflag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.SortFlags = false
	f.StringVarP(&o.key, "service-key", "k", "", "integration `KEY` of 32 letters and digits (required)")
	f.StringVar(&o.key, "routing-key", "", "the same")
	f.StringVarP(&o.eventType, "event-type", "t", "", "`TYPE`: trigger, acknowledge or resolve (required)")
	f.StringVarP(&o.description, "description", "d", "", "what is wrong, in one line (required to trigger)")
	f.StringVarP(&o.incidentKey, "incident-key", "i", "", "what identifies the problem (required to acknowledge and to resolve;\na trigger without one gets one, which is printed)")
	f.StringVarP(&o.severity, "severity", "s", "critical", "critical, error, warning or info")
	f.StringVarP(&o.source, "source", "o", "", "what is affected (default: this host's name)")
	f.StringVarP(&o.component, "component", "m", "", "which part of it")
	f.StringVarP(&o.group, "group", "g", "", "which group it belongs to")
	f.StringVarP(&o.class, "class", "l", "", "the kind of event")
	f.StringVarP(&o.client, "client", "c", "", "the name of the program that noticed")
	f.StringVarP(&o.clientURL, "client-url", "u", "", "its `URL`")
	f.StringArrayVarP(&o.fields, "field", "f", nil, "`KEY=VALUE` for the details; may be repeated")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print nothing but errors")
	f.BoolVarP(&o.help, "help", "h", false, "print this")
	return f
}

func usage() string {
	return `Usage: pd-send -k KEY -t trigger -d DESCRIPTION [-i KEY] [option]...
       pd-send -k KEY -t acknowledge|resolve -i KEY [option]...

Sends one event to pdagentd, which keeps it and delivers it to PagerDuty.

` + new(options).flags().FlagUsages() + `
Environment:
  PDSEND_EVENTS_BASE_URL   where to send it (default ` + defaultBaseURL + `)
  PDSEND_TOKEN             the token, where pdagentd's ingest.http has one
  PDSEND_SKIP_CERT_VERIFY  true: trust any certificate; false: verify every one.
                           When it is not set, the certificate of this very host
                           (localhost, 127.0.0.1, ::1) is trusted, as pdagentd has
                           a self-signed one, and every other one is verified.
  SSL_CERT_FILE            PEM file of certificates to trust instead of the system's

Exit status: 0 the event is durable, 1 it could not be sent, 2 wrong usage.
`
}

// parse returns what is asked for; its error names every fault.
func parse(args []string, env func(string) string) (options, error) {
	var o options
	flags := o.flags()
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.help {
		return o, nil
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("%q belongs to no option: quote a text with spaces", flags.Arg(0))
	}
	faults := append(o.faults(), o.environment(env)...)
	if o.source == "" {
		o.source, _ = os.Hostname()
	}
	return o, errors.Join(faults...)
}

func (o *options) faults() (faults []error) {
	fault := func(wrong bool, format string, args ...any) {
		if wrong {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	types := []string{"trigger", "acknowledge", "resolve"}
	severities := []string{"critical", "error", "warning", "info"}
	blank := func(s string) bool { return strings.TrimSpace(s) == "" }

	fault(o.key == "", "-k (--service-key) is required")
	fault(o.key != "" && !isKey(o.key), "-k (--service-key) must be 32 letters and digits: copy the integration key from PagerDuty")
	fault(o.eventType == "", "-t (--event-type) is required: trigger, acknowledge or resolve")
	known := slices.Contains(types, o.eventType)
	fault(o.eventType != "" && !known, "-t (--event-type) must be trigger, acknowledge or resolve, not %q", o.eventType)
	fault(o.eventType == "trigger" && blank(o.description), "event type trigger requires -d (--description)")
	fault(known && o.eventType != "trigger" && o.incidentKey == "", "event type %s requires -i (--incident-key)", o.eventType)
	fault(!slices.Contains(severities, o.severity), "-s (--severity) must be critical, error, warning or info, not %q", o.severity)
	for _, field := range o.fields {
		name, _, ok := strings.Cut(field, "=")
		fault(!ok || name == "", "-f (--field) must be KEY=VALUE, not %q", field)
	}
	return faults
}

func isKey(s string) bool {
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return len(s) == 32
}

func (o *options) environment(env func(string) string) []error {
	base := env("PDSEND_EVENTS_BASE_URL")
	if base == "" {
		base = defaultBaseURL
	}
	u, err := url.Parse(base)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return []error{fmt.Errorf("PDSEND_EVENTS_BASE_URL %q is no URL: write https://host:8443", base)}
	}
	o.baseURL = u
	o.token = env("PDSEND_TOKEN")
	o.skipVerify = skipVerify(env("PDSEND_SKIP_CERT_VERIFY"), u.Hostname())
	return nil
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
