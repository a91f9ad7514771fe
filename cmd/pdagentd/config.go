package main

import (
	"maps"
	"os"
	"slices"
	"time"

	"github.com/pdaltagent/pdaltagent/cmd/internal/site"
	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/delivery/selfwatch"
	"github.com/pdaltagent/pdaltagent/delivery/webhook"
	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/ingest/fetch"
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
	Webhooks     webhook.Config         `yaml:"webhooks"`
	Spool        spoolConfig            `yaml:"spool"`
	History      historyConfig          `yaml:"history"`
	Self         selfwatch.Config       `yaml:"self"`
	Admin        adminConfig            `yaml:"admin"`
	Sandbox      sandboxConfig          `yaml:"sandbox"`

	document  *document // where the keys stand that the configuration was read from
	debug     bool
	scrub     bool   // PDAGENTD_SCRUB_PII: mask all that there are masks for
	trapRules string // a rule file made of PDAGENTD_SNMP_SUMMARY and _SEVERITY
	unusedURL bool   // pagerduty.events_url is given, and there is no route
}

type databaseConfig struct {
	URL string `yaml:"url"`
}

type pagerdutyConfig struct {
	EventsURL    string        `yaml:"events_url"`
	APIURL       string        `yaml:"api_url"` // of the REST API; empty: see apiURL
	APIToken     ingest.Secret `yaml:"api_token"`
	APITokenFile string        `yaml:"api_token_file"`
	APITokenEnv  string        `yaml:"api_token_env"`
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
	Fetch  fetch.Configs    `yaml:"fetch"`
}

type deliveryConfig struct {
	Workers     int           `yaml:"workers"`
	Timeout     time.Duration `yaml:"timeout"`
	GiveUpAfter time.Duration `yaml:"give_up_after"`
	Backoff     backoffConfig `yaml:"backoff"`
	Proxy       string        `yaml:"proxy"`
	Collapse    bool          `yaml:"collapse"` // a trigger and its resolve that both wait are not sent
	CAFile      string        `yaml:"ca_file"`
}

type backoffConfig struct {
	Initial time.Duration `yaml:"initial"`
	Max     time.Duration `yaml:"max"`
}

// spoolConfig is about the disk that events wait on while Postgres is away.
type spoolConfig struct {
	MaxBytes int64 `yaml:"max_bytes"` // 0: 1 GiB
}

type historyConfig struct {
	Keep time.Duration `yaml:"keep"` // 0: for ever
	Raw  bool          `yaml:"raw"`  // messages are kept as they came, even where a mask applies
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
	c.DataDir = site.DataDir()
	c.PagerDuty.EventsURL = "https://events.pagerduty.com"
	c.Ingest.SNMP.Listen = []string{":9162"}
	c.Ingest.Syslog.Listen = []string{"udp://:5514", "tcp://:5514", "tls://:6514"}
	c.Ingest.HTTP.Listen = []string{"http://:8080", "https://:8443"}
	c.Rules = existing("/etc/pdaltagent/rules.d")
	c.MIBs = existing("/etc/pdaltagent/mibs")
	c.Delivery = deliveryConfig{
		Workers: 256, Timeout: 20 * time.Second, GiveUpAfter: 72 * time.Hour,
		Backoff: backoffConfig{Initial: time.Second, Max: 5 * time.Minute}, Collapse: true,
	}
	c.History.Keep = 2160 * time.Hour
	c.Self = selfwatch.Defaults()
	c.Admin.Listen = "http://127.0.0.1:8081"
	c.Sandbox.Listen = "127.0.0.1:8082"
	return c
}

// existing returns folder where it exists: a default that is absent is no fault.
func existing(folder string) []string {
	if _, err := os.Stat(folder); err != nil {
		return nil
	}
	return []string{folder}
}

// sandboxKey is the integration key of the route that the sandbox is reached by.
const sandboxKey ingest.Secret = "5a4d8b0c0000000000000000000000ff"

// routes returns the configured routes, once their keys are resolved, and the
// name of the default one. Without any, events go to the sandbox.
func (c *config) routes() (routes []delivery.Route, standard string) {
	if len(c.Routes) == 0 {
		return []delivery.Route{{Name: sandboxURL, Type: ingest.EventsV2, Key: sandboxKey}}, sandboxURL
	}
	for _, name := range sortedKeys(c.Routes) {
		r := c.Routes[name]
		if r.Key == "" {
			r.Key = sandboxKey
		}
		if r.Type == "" {
			r.Type = delivery.DefaultType(r.Key)
		}
		routes = append(routes, delivery.Route{Name: name, Type: r.Type, Key: r.Key})
	}
	if c.DefaultRoute != "" {
		return routes, c.DefaultRoute
	}
	return routes, routes[0].Name
}

func sortedKeys[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }
