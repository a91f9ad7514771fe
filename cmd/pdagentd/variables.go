package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pdaltagent/pdaltagent/mapping"
)

// variables are those variables of the environment that a PDaltagent has, or
// that look like it.
type variables struct {
	known   []string
	unknown []string
}

// variableKeys says which key each variable gives; empty: one that has no key.
func variableKeys() map[string]string {
	return map[string]string{
		"PDAGENTD_DEFAULT_ROUTING_KEY": "routes", "PDAGENTD_SNMP_ROUTING_KEY": "routes",
		"PDAGENTD_SNMP_HOST": "ingest.snmp.listen", "PDAGENTD_SNMP_PORT": "ingest.snmp.listen", "PDAGENTD_SNMP_COMMUNITY": "ingest.snmp.communities",
		"PDAGENTD_SNMP_SUMMARY": "", "PDAGENTD_SNMP_SEVERITY": "", "PDAGENTD_SCRUB_PII": "", "PDAGENTD_DEBUG": "",
		"PDAGENTD_API_TOKEN": "pagerduty.api_token", "PDAGENTD_WEBHOOK_DEST_URL": "webhooks.url",
		"PDAGENTD_WEBHOOK_SERVICES_LIST": "webhooks.services", "PDAGENTD_WEBHOOK_CONFIG_JSON": "webhooks.config",
		"PDAGENTD_GET_ALL_LOG_ENTRIES":      "webhooks.all_log_entries",
		"PDAGENTD_POLLING_INTERVAL_SECONDS": "webhooks.every", "PDAGENTD_KEEP_ACTIVITY_SECONDS": "webhooks.keep",
		"DATABASE_URL": "database.url",
	}
}

// variablesOf finds them in an environment, of which empty ones are no part.
func variablesOf(environ []string) (v variables) {
	known := variableKeys()
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		_, ok := known[name]
		switch {
		case strings.TrimSpace(value) == "":
		case ok:
			v.known = append(v.known, name)
		case strings.HasPrefix(name, "PDAGENTD_") && !strings.HasPrefix(name, "PDAGENTD_ADMIN_"): // those have no successor
			v.unknown = append(v.unknown, name)
		}
	}
	slices.Sort(v.known)
	slices.Sort(v.unknown)
	return v
}

// heeded says which of them are in use, and for what.
func (v variables) heeded(d *document) string {
	var used []string
	keys := variableKeys()
	for _, name := range v.known {
		switch key := keys[name]; {
		case v.beaten(d, name):
		case key == "":
			used = append(used, name)
		default:
			used = append(used, name+" ("+key+")")
		}
	}
	if len(used) == 0 {
		return ""
	}
	return ", and of the environment " + strings.Join(used, ", ")
}

// beaten tells whether the file gives what a variable gives.
func (v variables) beaten(d *document, name string) bool {
	key := variableKeys()[name]
	secret := d.has(key+"_file") || d.has(key+"_env")
	return key != "" && key != "routes" && name != "DATABASE_URL" && (d.has(key) || secret)
}

// warnings are about those that change nothing.
func (v variables) warnings(d *document) (warnings mapping.Faults) {
	keys := variableKeys()
	for _, name := range v.known {
		if v.beaten(d, name) {
			warnings = append(warnings, mapping.Fault{
				Place: mapping.Place{File: name}, Message: fmt.Sprintf("is not heeded: %s gives %s, and wins over it", d.name(), keys[name]),
			})
		}
	}
	for _, name := range v.unknown {
		warnings = append(warnings, mapping.Fault{
			Place: mapping.Place{File: name}, Message: "means nothing to pdagentd" + mapping.DidYouMean(name, sortedKeys(keys)),
		})
	}
	return warnings
}
