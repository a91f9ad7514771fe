package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/pdaltagent/pdaltagent/cmd/internal/site"
	"github.com/pdaltagent/pdaltagent/mapping"
)

// loadConfig returns the configuration: the defaults, what the environment
// says, and over both what the file says. file is empty for the standard
// places; where none of those exists the defaults stand. used is the file that
// was read. Secrets are not read yet, so that whoever may read the file may
// use what needs none of them.
//
// The error is *misconfigured, with all that is wrong, where the file could be
// read; the configuration is then what of it makes sense.
func loadConfig(file string, env func(string) (string, bool)) (c *config, used string, err error) {
	data, used, err := site.ReadConfig(file)
	if err != nil {
		return nil, file, err
	}
	c = defaults()
	d := newDocument(used, data)
	c.document = d
	faults := fromEnvironment(c, env)
	faults = append(faults, d.decode(c)...)
	if d.has("pagerduty.api_token_file") || d.has("pagerduty.api_token_env") {
		if d.origins["pagerduty.api_token"] != "" && !d.has("pagerduty.api_token") {
			c.PagerDuty.APIToken = "" // the environment's
		}
	}
	if url, ok := env("DATABASE_URL"); ok && url != "" {
		c.Database.URL = url
	}
	d.settle(env)
	if len(c.Routes) == 0 {
		c.unusedURL = d.has("pagerduty.events_url") && c.PagerDuty.EventsURL != sandboxURL
		c.PagerDuty.EventsURL = sandboxURL
	}
	for _, fault := range each(c.validate()) {
		if message := mended(c, fault.Error()); !d.doubtful(keyOf(message)) {
			faults = append(faults, d.fault(message))
		}
	}
	return c, used, misconfiguration(d, faults)
}

// openConfig is loadConfig for those who need the secrets, too: its faults are
// those of both.
func openConfig(file string, env func(string) (string, bool)) (c *config, used string, err error) {
	c, used, err = loadConfig(file, env)
	if c == nil {
		return nil, used, err
	}
	faults := append(faultsOf(err), c.resolve(c.document, env)...)
	return c, used, misconfiguration(c.document, faults)
}

// settle makes variables of the environment the places of those keys alone
// that the file does not give.
func (d *document) settle(env func(string) (string, bool)) {
	for key := range d.origins {
		if d.has(key) {
			delete(d.origins, key)
		}
	}
	if url, _ := env("DATABASE_URL"); url != "" {
		d.origins["database.url"] = "DATABASE_URL"
	}
}

// mended returns a message with a suggestion that keeps what was written,
// where the part that it comes from knows none.
func mended(c *config, message string) string {
	key := keyOf(message)
	section, index, ok := strings.Cut(key, "[")
	listeners := map[string][]string{
		"ingest.snmp.listen": c.Ingest.SNMP.Listen, "ingest.syslog.listen": c.Ingest.Syslog.Listen, "ingest.http.listen": c.Ingest.HTTP.Listen,
	}[section]
	i := 0
	if _, err := fmt.Sscanf(index, "%d]", &i); !ok || err != nil || i >= len(listeners) {
		return message
	}
	meant := mendListener(key, listeners[i])
	if meant == listeners[i] {
		return message
	}
	return fmt.Sprintf("%s: %q is no listener; write %q", key, listeners[i], meant)
}

// misconfigured is all that is wrong with a configuration, its rules and its
// modules.
type misconfigured struct {
	mapping.Faults
	document *document
}

// Unwrap returns the faults one by one.
func (m *misconfigured) Unwrap() []error { return m.Faults.Unwrap() }

// misconfiguration returns faults as an error; nil where there are none.
func misconfiguration(d *document, faults mapping.Faults) error {
	if len(faults) == 0 {
		return nil
	}
	return &misconfigured{d.sort(faults), d}
}

// faultsOf returns the faults that an error is, one without a place where it
// is none.
func faultsOf(err error) mapping.Faults {
	if err == nil {
		return nil
	}
	if faults, ok := errors.AsType[mapping.Faults](err); ok {
		return faults
	}
	if m, ok := errors.AsType[*misconfigured](err); ok {
		return m.Faults
	}
	return mapping.Faults{{Message: err.Error()}}
}
