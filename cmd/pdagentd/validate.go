package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/mapping"
)

// validate returns every fault of c, each beginning with the key that it is
// about.
func (c *config) validate() error {
	faults := []error{
		c.validateRoutes(),
		under("ingest.snmp", c.Ingest.SNMP.Validate()),
		under("ingest.syslog", c.Ingest.Syslog.Validate()),
		under("ingest.http", c.Ingest.HTTP.Validate()),
		under("ingest", c.Ingest.Fetch.Validate()),
		under("delivery", c.Delivery.validate()),
		under("self", c.validateSelf()),
		under("webhooks", c.Webhooks.Validate()),
		under("admin", c.Admin.validate()),
	}
	if c.Node == "" {
		faults = append(faults, errors.New("node: is empty: give this machine a name that no other node has"))
	}
	if c.History.Keep < 0 {
		faults = append(faults, fmt.Errorf("history.keep: %s is negative; write 2160h or 90d, or 0 to keep everything", c.History.Keep))
	}
	if given := c.PagerDuty.EventsURL; given != sandboxURL && !isURL(given) {
		faults = append(faults, fmt.Errorf("pagerduty.events_url: %q is no URL; write %s, or %s for the built-in stand-in", given, mendURL(given), sandboxURL))
	}
	if given := c.PagerDuty.APIURL; given != "" && !isURL(given) {
		faults = append(faults, fmt.Errorf("pagerduty.api_url: %q is no URL; write %s", given, strings.Replace(mendURL(given), "//events.", "//api.", 1)))
	}
	if p := c.PagerDuty; given(string(p.APIToken), p.APITokenFile, p.APITokenEnv) > 1 {
		faults = append(faults, errors.New("pagerduty.api_token: give only one of api_token, api_token_file and api_token_env"))
	}
	if u, err := url.Parse(c.PagerDuty.EventsURL); err == nil && strings.HasSuffix(u.Hostname(), ".pagerduty.com") && strings.Trim(u.Path, "/") != "" {
		faults = append(faults, fmt.Errorf("pagerduty.events_url: has a path, but each event has its own; write %s://%s", u.Scheme, u.Host))
	}
	if err := validAddress(c.Sandbox.Listen); err != nil {
		faults = append(faults, fmt.Errorf("sandbox.listen: %q is no address and port; write %s", c.Sandbox.Listen, orElse(mendListener("sandbox.listen", c.Sandbox.Listen), c.Sandbox.Listen, "127.0.0.1:8082")))
	}
	return errors.Join(faults...)
}

// orElse returns mended, or a standard where nothing could be mended.
func orElse(mended, given, standard string) string {
	if mended == given {
		return standard
	}
	return mended
}

func isURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Hostname() != "" && (u.Scheme == "https" || u.Scheme == "http")
}

func validAddress(s string) error {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return err
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err
}

func (c *config) validateRoutes() error {
	var faults []error
	for _, name := range sortedKeys(c.Routes) {
		route := c.Routes[name]
		if n := given(string(route.Key), route.KeyFile, route.KeyEnv); n != 1 && c.PagerDuty.EventsURL != sandboxURL {
			faults = append(faults, fmt.Errorf("routes.%s: %s", name, exactlyOne(n)))
		}
		switch route.Type {
		case "", ingest.EventsV2, ingest.EventsV1, ingest.XERE, ingest.Change:
		default:
			faults = append(faults, fmt.Errorf("routes.%s.type: no type is named %q%s; there are v2, v1, x-ere and change", name, route.Type, mapping.DidYouMean(string(route.Type), []string{"x-ere", "change"})))
		}
	}
	if _, ok := c.Routes[c.DefaultRoute]; c.DefaultRoute != "" && !ok {
		faults = append(faults, fmt.Errorf("default_route: no route under routes is named %q%s", c.DefaultRoute, mapping.DidYouMean(c.DefaultRoute, sortedKeys(c.Routes))))
	}
	if c.DefaultRoute == "" && len(c.Routes) > 1 {
		faults = append(faults, fmt.Errorf("routes: there are %s: say with default_route which of them takes the events that name none", strings.Join(sortedKeys(c.Routes), ", ")))
	}
	return errors.Join(faults...)
}

func exactlyOne(n int) string {
	if n == 0 {
		return "has no key: give it key_file, key_env or key"
	}
	return "has more than one key: give it exactly one of key, key_file and key_env"
}

func (d *deliveryConfig) validate() error {
	var faults []error
	if d.Workers < 1 || d.Workers > 10_000 {
		faults = append(faults, fmt.Errorf("workers: %d is not between 1 and 10000", d.Workers))
	}
	if d.Timeout < time.Second {
		faults = append(faults, fmt.Errorf("timeout: %s is too short for an answer of PagerDuty's; write 20s, or at least 1s", d.Timeout))
	}
	if d.Backoff.Initial < time.Millisecond {
		faults = append(faults, fmt.Errorf("backoff.initial: %s is too short; write 1s, or at least 1ms", d.Backoff.Initial))
	}
	if d.Backoff.Max < d.Backoff.Initial {
		faults = append(faults, fmt.Errorf("backoff.max: %s is less than backoff.initial, which is %s; write at least that", d.Backoff.Max, d.Backoff.Initial))
	}
	if d.GiveUpAfter < 0 {
		faults = append(faults, fmt.Errorf("give_up_after: %s is negative; write 72h, or 0 to never give up", d.GiveUpAfter))
	}
	if d.Proxy != "" {
		u, err := url.Parse(d.Proxy)
		switch {
		case err != nil || u.Host == "":
			faults = append(faults, errors.New("proxy: is no URL; write http://proxy.example.net:3128"))
		case !slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme):
			faults = append(faults, fmt.Errorf("proxy: no proxy is spoken to by %s://; write http:// before its host, https:// where it speaks TLS itself, or socks5://", u.Scheme))
		}
	}
	return errors.Join(faults...)
}

func (a adminConfig) validate() error {
	var faults []error
	tokens := given(string(a.Token), a.TokenFile, a.TokenEnv)
	if tokens > 1 {
		faults = append(faults, errors.New("token: give only one of token, token_file and token_env"))
	}
	u, err := url.Parse(a.Listen)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Port() == "" {
		meant := orElse(mendListener("admin.listen", a.Listen), a.Listen, "http://127.0.0.1:8081")
		faults = append(faults, fmt.Errorf("listen: %q is no listener; write %q", a.Listen, meant))
		a.Listen = meant
		u, err = url.Parse(meant)
	}
	if err == nil && tokens == 0 && !isLoopback(u.Hostname()) {
		faults = append(faults, fmt.Errorf("listen: %s can be reached from other machines: set admin.token_file, too, or write %s://127.0.0.1:%s", a.Listen, u.Scheme, u.Port()))
	}
	return errors.Join(faults...)
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// under puts the name of a section before each of its faults.
func under(section string, err error) error {
	if err == nil {
		return nil
	}
	var faults []error
	for _, fault := range each(err) {
		faults = append(faults, fmt.Errorf("%s.%w", section, fault))
	}
	return errors.Join(faults...)
}

// each returns the errors that err joins, not those that they wrap.
func each(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, each(e)...)
	}
	return all
}

func given(values ...string) int {
	n := 0
	for _, v := range values {
		if v != "" {
			n++
		}
	}
	return n
}
