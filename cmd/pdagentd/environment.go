package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/mapping"
)

// environmentRoute is the route of a key that came with the environment.
const environmentRoute = "default"

// fromEnvironment sets what PDaltagent's variables say, and returns what is
// wrong with them. The file wins over them.
func fromEnvironment(c *config, env func(string) (string, bool)) (faults mapping.Faults) {
	fault := func(variable, format string, args ...any) {
		faults = append(faults, mapping.Fault{Place: mapping.Place{File: variable}, Message: fmt.Sprintf(format, args...)})
	}
	origins := c.document.origins
	get := func(name string) string {
		value, _ := env(name)
		return strings.TrimSpace(value)
	}
	trapRoute := routesFromEnvironment(c, get)
	host, port := get("PDAGENTD_SNMP_HOST"), get("PDAGENTD_SNMP_PORT")
	if host != "" || port != "" {
		if port == "" {
			port = "162"
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			fault("PDAGENTD_SNMP_PORT", "%q is no port; write 162, or another number up to 65535", port)
			port = "162"
		}
		if name, behind, err := net.SplitHostPort(host); err == nil {
			fault("PDAGENTD_SNMP_HOST", "%q has a port; write %s, and the port into PDAGENTD_SNMP_PORT=%s", host, name, behind)
			host = name
		}
		c.Ingest.SNMP.Listen = []string{net.JoinHostPort(host, port)}
		origins["ingest.snmp.listen"] = "PDAGENTD_SNMP_HOST"
	}
	if community := get("PDAGENTD_SNMP_COMMUNITY"); community != "" {
		c.Ingest.SNMP.Communities = []ingest.Secret{ingest.Secret(community)}
	}
	c.trapRules = trapRules(get("PDAGENTD_SNMP_SUMMARY"), get("PDAGENTD_SNMP_SEVERITY"), trapRoute)
	webhooksFromEnvironment(c, get, fault)
	is := func(name string) (on bool) {
		value := get(name)
		if value == "" {
			return false
		}
		on, err := strconv.ParseBool(value)
		if err != nil {
			fault(name, "%q is neither true nor false%s", value, cmp.Or(mendScalar(value, reflect.TypeFor[bool]()), "; write true or false"))
		}
		return on
	}
	c.debug = is("PDAGENTD_DEBUG")
	c.scrub = is("PDAGENTD_SCRUB_PII")
	if is("PDAGENTD_GET_ALL_LOG_ENTRIES") {
		c.Webhooks.AllLogEntries, origins["webhooks.all_log_entries"] = true, "PDAGENTD_GET_ALL_LOG_ENTRIES"
	}
	return faults
}

// snmpRoute is the route of PDAGENTD_SNMP_ROUTING_KEY where there is another
// default.
const snmpRoute = "snmp"

// routesFromEnvironment makes routes of the keys in the environment, and
// returns the one that traps go to which no other rule takes; empty: there is no
// key for traps.
func routesFromEnvironment(c *config, get func(string) string) (trapRoute string) {
	const standard, traps = "PDAGENTD_DEFAULT_ROUTING_KEY", "PDAGENTD_SNMP_ROUTING_KEY"
	route := func(name, variable string) {
		if c.Routes == nil {
			c.Routes, c.DefaultRoute = map[string]routeConfig{}, name
		}
		c.Routes[name] = routeConfig{Key: ingest.Secret(get(variable))}
		c.document.origins["routes."+name] = variable
	}
	if get(standard) != "" {
		route(environmentRoute, standard)
	}
	switch key := get(traps); key {
	case "":
		return ""
	case get(standard):
		return environmentRoute
	}
	trapRoute = environmentRoute
	if get(standard) != "" {
		trapRoute = snmpRoute
	}
	route(trapRoute, traps)
	return trapRoute
}

// mendServices returns the JSON array that was meant by a list of ids.
func mendServices(text string) string {
	ids := regexp.MustCompile(`\bP[A-Z0-9]{3,}\b`).FindAllString(text, -1)
	if len(ids) == 0 {
		ids = []string{"PXXXXXX"}
	}
	return `["` + strings.Join(ids, `", "`) + `"]`
}

// webhooksFromEnvironment sets what is about PagerDuty's log entries.
func webhooksFromEnvironment(c *config, get func(string) string, fault func(variable, format string, args ...any)) {
	origins := c.document.origins
	if token := get("PDAGENTD_API_TOKEN"); token != "" {
		c.PagerDuty.APIToken, origins["pagerduty.api_token"] = ingest.Secret(token), "PDAGENTD_API_TOKEN"
	}
	if url := get("PDAGENTD_WEBHOOK_DEST_URL"); url != "" {
		c.Webhooks.URL, origins["webhooks.url"] = url, "PDAGENTD_WEBHOOK_DEST_URL"
	}
	if text := get("PDAGENTD_WEBHOOK_SERVICES_LIST"); text != "" && json.Unmarshal([]byte(text), &c.Webhooks.Services) != nil {
		fault("PDAGENTD_WEBHOOK_SERVICES_LIST", "is no JSON array of services' ids; write %s", mendServices(text))
	}
	if text := get("PDAGENTD_WEBHOOK_CONFIG_JSON"); text != "" && json.Unmarshal([]byte(text), &c.Webhooks.Config) != nil {
		fault("PDAGENTD_WEBHOOK_CONFIG_JSON", `is no JSON object; write one such as {"name": "value"}, with names in double quotes`)
	}
	origins["webhooks.services"], origins["webhooks.config"] = "PDAGENTD_WEBHOOK_SERVICES_LIST", "PDAGENTD_WEBHOOK_CONFIG_JSON"
	for variable, to := range map[string]*time.Duration{"PDAGENTD_POLLING_INTERVAL_SECONDS": &c.Webhooks.Every, "PDAGENTD_KEEP_ACTIVITY_SECONDS": &c.Webhooks.Keep} {
		text := get(variable)
		if text == "" {
			continue
		}
		seconds, err := strconv.ParseUint(text, 10, 31)
		if err != nil || seconds == 0 {
			fault(variable, "%q is no number of seconds; write %s", text, cmp.Or(regexp.MustCompile(`[1-9]\d*`).FindString(text), "10"))
			continue
		}
		*to = time.Duration(seconds) * time.Second
	}
	origins["webhooks.every"], origins["webhooks.keep"] = "PDAGENTD_POLLING_INTERVAL_SECONDS", "PDAGENTD_KEEP_ACTIVITY_SECONDS"
}

// scrubRules is a rule file with every mask that is built in.
const scrubRules = "mask: [email, phone, card_number, ssn, iban, ip, ipv6, url, token]\n"

// trapRules returns a rule file whose one rule takes every trap that no other
// rule takes, as PDaltagent does; empty where the environment asks for none.
func trapRules(summary, severity, route string) string {
	if summary == "" && severity == "" && route == "" {
		return ""
	}
	if route == snmpRoute {
		route = "      route: " + snmpRoute + "\n"
	} else {
		route = "" // the default one, which a file may say
	}
	if summary == "" {
		summary = "${source} sent ${trap.name}"
	}
	if severity == "" {
		severity = "critical"
	}
	return fmt.Sprintf(`rules:
  - id: snmp-environment
    match: { trap: "*" }
    event:
      summary: %q
      severity: %q
      dedup_key: '${source}/${trap.oid}'
      custom_details: '${vb}'
%s`, summary, severity, route)
}
