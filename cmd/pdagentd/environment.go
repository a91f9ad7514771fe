package main

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// environmentRoute is the route of a key that came with the environment.
const environmentRoute = "default"

// fromEnvironment sets what PDaltagent's variables say. The file wins over
// them.
func fromEnvironment(c *config, env func(string) (string, bool)) error {
	get := func(name string) string {
		value, _ := env(name)
		return strings.TrimSpace(value)
	}
	for _, name := range []string{"PDAGENTD_DEFAULT_ROUTING_KEY", "PDAGENTD_SNMP_ROUTING_KEY"} {
		if key := get(name); key != "" {
			c.Routes = map[string]routeConfig{environmentRoute: {Key: ingest.Secret(key)}}
			c.DefaultRoute = environmentRoute
		}
	}
	host, port := get("PDAGENTD_SNMP_HOST"), get("PDAGENTD_SNMP_PORT")
	if host != "" || port != "" {
		if port == "" {
			port = "162"
		}
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return fmt.Errorf("PDAGENTD_SNMP_PORT: %q is no port", port)
		}
		c.Ingest.SNMP.Listen = []string{net.JoinHostPort(host, port)}
	}
	if community := get("PDAGENTD_SNMP_COMMUNITY"); community != "" {
		c.Ingest.SNMP.Communities = []ingest.Secret{ingest.Secret(community)}
	}
	c.trapRules = trapRules(get("PDAGENTD_SNMP_SUMMARY"), get("PDAGENTD_SNMP_SEVERITY"), get("PDAGENTD_SNMP_ROUTING_KEY") != "")
	if debug := get("PDAGENTD_DEBUG"); debug != "" {
		on, err := strconv.ParseBool(debug)
		if err != nil {
			return fmt.Errorf("PDAGENTD_DEBUG: %q is neither true nor false", debug)
		}
		c.debug = on
	}
	return nil
}

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
