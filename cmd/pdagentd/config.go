package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/ingest/httpevent"
	"github.com/pdaltagent/pdaltagent/ingest/snmptrap"
	"github.com/pdaltagent/pdaltagent/ingest/syslog"
)

// config is the shape of the configuration file. A part's own keys live
// beside the part.
type config struct {
	Node         string                 `yaml:"node"`
	DataDir      string                 `yaml:"data_dir"`
	Database     databaseConfig         `yaml:"database"`
	PagerDuty    pagerdutyConfig        `yaml:"pagerduty"`
	Routes       map[string]routeConfig `yaml:"routes"`
	DefaultRoute string                 `yaml:"default_route"`
	Ingest       ingestConfig           `yaml:"ingest"`
	Rules        []string               `yaml:"rules"`
	MIBs         []string               `yaml:"mibs"`
	Delivery     deliveryConfig         `yaml:"delivery"`
	History      historyConfig          `yaml:"history"`
	Admin        adminConfig            `yaml:"admin"`
	Sandbox      sandboxConfig          `yaml:"sandbox"`

	debug     bool
	trapRules string // a rule file made of PDAGENTD_SNMP_SUMMARY and _SEVERITY
}

type databaseConfig struct {
	URL string `yaml:"url"`
}

type pagerdutyConfig struct {
	EventsURL string `yaml:"events_url"`
}

type routeConfig struct {
	Key     ingest.Secret `yaml:"key"`
	KeyFile string        `yaml:"key_file"`
	KeyEnv  string        `yaml:"key_env"`
	Type    ingest.API    `yaml:"type"`
}

type ingestConfig struct {
	SNMP   snmptrap.Config  `yaml:"snmp"`
	Syslog syslog.Config    `yaml:"syslog"`
	HTTP   httpevent.Config `yaml:"http"`
}

type deliveryConfig struct {
	Workers     int           `yaml:"workers"`
	Timeout     time.Duration `yaml:"timeout"`
	GiveUpAfter time.Duration `yaml:"give_up_after"`
	Backoff     backoffConfig `yaml:"backoff"`
	Proxy       string        `yaml:"proxy"`
}

type backoffConfig struct {
	Initial time.Duration `yaml:"initial"`
	Max     time.Duration `yaml:"max"`
}

type historyConfig struct {
	Keep time.Duration `yaml:"keep"`
}

type adminConfig struct {
	Listen    string        `yaml:"listen"`
	Token     ingest.Secret `yaml:"token"`
	TokenFile string        `yaml:"token_file"`
	TokenEnv  string        `yaml:"token_env"`
}

// sandboxConfig is about the built-in stand-in, which listens only where
// pagerduty.events_url is "sandbox".
type sandboxConfig struct {
	Listen string `yaml:"listen"`
}

// sandboxURL is the events_url that stands for the built-in stand-in.
const sandboxURL = "sandbox"

// defaults are what a key is that neither file nor environment gives.
func defaults() *config {
	c := &config{}
	c.Node, _ = os.Hostname()
	c.DataDir = defaultDataDir()
	c.PagerDuty.EventsURL = "https://events.pagerduty.com"
	c.Ingest.SNMP.Listen = []string{":9162"}
	c.Ingest.Syslog.Listen = []string{"udp://:5514"}
	c.Ingest.HTTP.Listen = []string{"http://:8080", "https://:8443"}
	c.Rules = existing("/etc/pdaltagent/rules.d")
	c.MIBs = existing("/etc/pdaltagent/mibs")
	c.Delivery = deliveryConfig{
		Workers: 256, Timeout: 20 * time.Second, GiveUpAfter: 72 * time.Hour,
		Backoff: backoffConfig{Initial: time.Second, Max: 5 * time.Minute},
	}
	c.History.Keep = 2160 * time.Hour
	c.Admin.Listen = "http://127.0.0.1:8081"
	c.Sandbox.Listen = "127.0.0.1:8082"
	return c
}

func defaultDataDir() string {
	if os.Geteuid() == 0 {
		return "/var/lib/pdaltagent"
	}
	if home, err := os.UserHomeDir(); err == nil {
		return filepath.Join(home, ".local/share/pdaltagent")
	}
	return "pdaltagent-data"
}

// existing returns folder where it exists: a default that is absent is no fault.
func existing(folder string) []string {
	if _, err := os.Stat(folder); err != nil {
		return nil
	}
	return []string{folder}
}

// validate returns every fault of c, each beginning with the key that it is
// about.
func (c *config) validate() error {
	faults := []error{
		c.validateRoutes(),
		under("ingest.snmp", c.Ingest.SNMP.Validate()),
		under("ingest.syslog", c.Ingest.Syslog.Validate()),
		under("ingest.http", c.Ingest.HTTP.Validate()),
		under("delivery", c.Delivery.validate()),
		under("admin", c.Admin.validate()),
	}
	if c.Node == "" {
		faults = append(faults, errors.New("node: give this machine a name that no other node has"))
	}
	if c.History.Keep < 0 {
		faults = append(faults, fmt.Errorf("history.keep: %s is negative; write 2160h, or 0 to keep everything", c.History.Keep))
	}
	if c.PagerDuty.EventsURL != sandboxURL {
		if u, err := url.Parse(c.PagerDuty.EventsURL); err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
			faults = append(faults, fmt.Errorf("pagerduty.events_url: %q is no URL; write https://events.pagerduty.com, or %s", c.PagerDuty.EventsURL, sandboxURL))
		}
	}
	if _, _, err := net.SplitHostPort(c.Sandbox.Listen); err != nil {
		faults = append(faults, fmt.Errorf("sandbox.listen: %q is no address; write 127.0.0.1:8082", c.Sandbox.Listen))
	}
	return errors.Join(faults...)
}

func (c *config) validateRoutes() error {
	var faults []error
	for _, name := range sortedKeys(c.Routes) {
		route := c.Routes[name]
		if n := given(string(route.Key), route.KeyFile, route.KeyEnv); n != 1 && c.PagerDuty.EventsURL != sandboxURL {
			faults = append(faults, fmt.Errorf("routes.%s: needs exactly one of key, key_file and key_env, has %d", name, n))
		}
		switch route.Type {
		case "", ingest.EventsV2, ingest.EventsV1, ingest.XERE, ingest.Change:
		default:
			faults = append(faults, fmt.Errorf("routes.%s.type: no type is named %q; v2, v1, x-ere and change exist", name, route.Type))
		}
	}
	if _, ok := c.Routes[c.DefaultRoute]; c.DefaultRoute != "" && !ok {
		faults = append(faults, fmt.Errorf("default_route: no route is named %q; add it under routes", c.DefaultRoute))
	}
	if c.DefaultRoute == "" && len(c.Routes) > 1 {
		faults = append(faults, fmt.Errorf("default_route: say which of the routes %s takes the events that name none", strings.Join(sortedKeys(c.Routes), ", ")))
	}
	return errors.Join(faults...)
}

func (d *deliveryConfig) validate() error {
	var faults []error
	if d.Workers < 1 || d.Workers > 10_000 {
		faults = append(faults, fmt.Errorf("workers: %d is not between 1 and 10000", d.Workers))
	}
	if d.Timeout < time.Second {
		faults = append(faults, fmt.Errorf("timeout: %s is less than 1s", d.Timeout))
	}
	if d.Backoff.Initial < time.Millisecond || d.Backoff.Max < d.Backoff.Initial {
		faults = append(faults, fmt.Errorf("backoff: initial %s and max %s: need at least 1ms, and max no less than initial", d.Backoff.Initial, d.Backoff.Max))
	}
	if d.GiveUpAfter < 0 {
		faults = append(faults, fmt.Errorf("give_up_after: %s is negative; write 72h, or 0 to never give up", d.GiveUpAfter))
	}
	if d.Proxy != "" {
		if u, err := url.Parse(d.Proxy); err != nil || u.Host == "" {
			faults = append(faults, errors.New("proxy: is no URL; write http://proxy.example.net:3128"))
		}
	}
	return errors.Join(faults...)
}

func (a *adminConfig) validate() error {
	u, err := url.Parse(a.Listen)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Port() == "" {
		return fmt.Errorf("listen: %q is no address; write http://127.0.0.1:8081", a.Listen)
	}
	n := given(string(a.Token), a.TokenFile, a.TokenEnv)
	if n > 1 {
		return errors.New("token: give only one of token, token_file and token_env")
	}
	if n == 0 && !isLoopback(u.Hostname()) {
		return fmt.Errorf("listen: %s can be reached from other machines: set token_file, or listen on 127.0.0.1", a.Listen)
	}
	return nil
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

func sortedKeys[T any](m map[string]T) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// sandboxKey is the integration key of the route that the sandbox is reached by.
const sandboxKey ingest.Secret = "5a4d8b0c0000000000000000000000ff"

// routes returns the configured routes with their keys, and the name of the
// default one. Without any, events go to the sandbox.
func (c *config) routes() ([]delivery.Route, string, error) {
	if len(c.Routes) == 0 {
		return []delivery.Route{{Name: sandboxURL, Type: ingest.EventsV2, Key: sandboxKey}}, sandboxURL, nil
	}
	var routes []delivery.Route
	for _, name := range sortedKeys(c.Routes) {
		r := c.Routes[name]
		key, err := resolve("routes."+name+".key", r.Key, r.KeyFile, r.KeyEnv)
		if err != nil {
			return nil, "", err
		}
		if key == "" {
			key = sandboxKey
		}
		if !delivery.ValidKey(key) {
			return nil, "", fmt.Errorf("routes.%s: what it has is no integration key: those have 32 letters and digits", name)
		}
		if r.Type == "" {
			r.Type = delivery.DefaultType(key)
		}
		routes = append(routes, delivery.Route{Name: name, Type: r.Type, Key: key})
	}
	standard := c.DefaultRoute
	if standard == "" {
		standard = routes[0].Name
	}
	return routes, standard, nil
}
