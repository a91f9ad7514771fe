package main

import (
	"encoding/json"
	"fmt"
	"net"
	"reflect"
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
	for _, name := range []string{"PDAGENTD_DEFAULT_ROUTING_KEY", "PDAGENTD_SNMP_ROUTING_KEY"} {
		if key := get(name); key != "" {
			c.Routes = map[string]routeConfig{environmentRoute: {Key: ingest.Secret(key)}}
			c.DefaultRoute = environmentRoute
			origins["routes."+environmentRoute] = name
		}
	}
	host, port := get("PDAGENTD_SNMP_HOST"), get("PDAGENTD_SNMP_PORT")
	if host != "" || port != "" {
		if port == "" {
			port = "162"
		}
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			fault("PDAGENTD_SNMP_PORT", "%q is no port; write 162, or another number up to 65535", port)
			port = "162"
		}
		c.Ingest.SNMP.Listen = []string{net.JoinHostPort(host, port)}
		origins["ingest.snmp.listen"] = "PDAGENTD_SNMP_HOST"
	}
	if community := get("PDAGENTD_SNMP_COMMUNITY"); community != "" {
		c.Ingest.SNMP.Communities = []ingest.Secret{ingest.Secret(community)}
	}
	c.trapRules = trapRules(get("PDAGENTD_SNMP_SUMMARY"), get("PDAGENTD_SNMP_SEVERITY"), get("PDAGENTD_SNMP_ROUTING_KEY") != "")
	webhooksFromEnvironment(c, get, fault)
	is := func(name string) (on bool) {
		value := get(name)
		if value == "" {
			return false
		}
		on, err := strconv.ParseBool(value)
		if err != nil {
			fault(name, "%q is neither true nor false%s", value, mendScalar(value, reflect.TypeFor[bool]()))
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

// webhooksFromEnvironment sets what is about PagerDuty's log entries.
func webhooksFromEnvironment(c *config, get func(string) string, fault func(variable, format string, args ...any)) {
	origins := c.document.origins
	if token := get("PDAGENTD_API_TOKEN"); token != "" {
		c.PagerDuty.APIToken, origins["pagerduty.api_token"] = ingest.Secret(token), "PDAGENTD_API_TOKEN"
	}
	if url := get("PDAGENTD_WEBHOOK_DEST_URL"); url != "" {
		c.Webhooks.URL, origins["webhooks.url"] = url, "PDAGENTD_WEBHOOK_DEST_URL"
	}
	for variable, to := range map[string]any{"PDAGENTD_WEBHOOK_SERVICES_LIST": &c.Webhooks.Services, "PDAGENTD_WEBHOOK_CONFIG_JSON": &c.Webhooks.Config} {
		if text := get(variable); text != "" {
			if err := json.Unmarshal([]byte(text), to); err != nil {
				fault(variable, `is not what it should be, such as %s: %v`, map[bool]string{true: `["PXXXXXX"]`, false: `{"name": "value"}`}[to == any(&c.Webhooks.Services)], err)
			}
		}
	}
	origins["webhooks.services"], origins["webhooks.config"] = "PDAGENTD_WEBHOOK_SERVICES_LIST", "PDAGENTD_WEBHOOK_CONFIG_JSON"
	for variable, to := range map[string]*time.Duration{"PDAGENTD_POLLING_INTERVAL_SECONDS": &c.Webhooks.Every, "PDAGENTD_KEEP_ACTIVITY_SECONDS": &c.Webhooks.Keep} {
		text := get(variable)
		if text == "" {
			continue
		}
		seconds, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			fault(variable, "%q is no number of seconds; write 10, or another one", text)
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
func trapRules(summary, severity string, wanted bool) string {
	if summary == "" && severity == "" && !wanted {
		return ""
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
`, summary, severity)
}
