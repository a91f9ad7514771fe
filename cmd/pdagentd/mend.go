package main

import (
	"fmt"
	"net/netip"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/pdaltagent/pdaltagent/ingest/httpevent"
	"github.com/pdaltagent/pdaltagent/ingest/snmptrap"
	"github.com/pdaltagent/pdaltagent/ingest/syslog"
)

// parseDuration is time.ParseDuration that also takes days (d) and weeks (w).
func parseDuration(s string) (time.Duration, error) {
	s = regexp.MustCompile(`\d+(\.\d+)?[dw]`).ReplaceAllStringFunc(s, func(part string) string {
		hours := map[byte]float64{'d': 24, 'w': 168}[part[len(part)-1]]
		n, err := strconv.ParseFloat(part[:len(part)-1], 64)
		if err != nil {
			return part
		}
		return strconv.FormatFloat(n*hours, 'f', -1, 64) + "h"
	})
	return time.ParseDuration(s)
}

// mendDuration returns the duration that somebody meant; empty: none is near.
func mendDuration(s string) string {
	m := regexp.MustCompile(`^\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*$`).FindStringSubmatch(s)
	if m == nil {
		return ""
	}
	number, word := m[1], strings.ToLower(m[2])
	if word == "" {
		return fmt.Sprintf("%ss (or %sm, %sh, %sd)", number, number, number, number)
	}
	for _, unit := range []struct{ prefix, suffix string }{
		{"milli", "ms"}, {"msec", "ms"}, {"ms", "ms"}, {"s", "s"}, {"mi", "m"}, {"h", "h"}, {"d", "d"}, {"w", "w"},
	} {
		if strings.HasPrefix(word, unit.prefix) {
			return number + unit.suffix
		}
	}
	days := 0.0
	switch n, _ := strconv.ParseFloat(number, 64); {
	case strings.HasPrefix(word, "mo"):
		days = n * 30
	case strings.HasPrefix(word, "y"):
		days = n * 365
	default:
		return ""
	}
	return strconv.FormatFloat(days, 'f', -1, 64) + "d"
}

// mendScalar returns "; write …" for a value that was meant to be a t.
func mendScalar(s string, t reflect.Type) string {
	word := strings.ToLower(strings.TrimSpace(s))
	switch k := t.Kind(); {
	case k == reflect.Bool:
		for _, meant := range []struct{ words, value string }{{"yes on y 1 enabled", "true"}, {"no off n 0 disabled", "false"}} {
			if strings.Contains(" "+meant.words+" ", " "+word+" ") {
				return "; write " + meant.value
			}
		}
	case reflect.Int <= k && k <= reflect.Uint64:
		m := regexp.MustCompile(`^(\d+)\s*([kmg])i?b?$`).FindStringSubmatch(word)
		if m == nil {
			return ""
		}
		shift := map[string]uint{"k": 10, "m": 20, "g": 30}[m[2]]
		if n, err := strconv.ParseInt(m[1], 10, 32); err == nil {
			return fmt.Sprintf("; write %d", n<<shift)
		}
	}
	return ""
}

// mendNetwork returns "write …" for an address or a network that is no CIDR.
func mendNetwork(s string, t reflect.Type) string {
	if t != reflect.TypeFor[netip.Prefix]() {
		return ""
	}
	if addr, err := netip.ParseAddr(s); err == nil {
		return fmt.Sprintf("write \"%s/%d\"", addr, addr.BitLen())
	}
	host, _, _ := strings.Cut(s, "/")
	if addr, err := netip.ParseAddr(host); err == nil {
		return fmt.Sprintf("behind the / is a number of bits from 0 to %d", addr.BitLen())
	}
	return `write one such as "192.0.2.0/24" or "2001:db8::/32"`
}

// mendListener returns what was meant by value as the listener of a key,
// with all that value says kept; value itself where nothing is near.
func mendListener(key, value string) string {
	key, _, _ = strings.Cut(key, "[")
	_, bare, schemed := strings.Cut(value, "://")
	if !schemed {
		bare = value
	}
	var forms []string
	var valid func(string) error
	switch key {
	case "ingest.snmp.listen":
		forms = []string{"%s", ":%s", "%s:9162"}
		valid = func(s string) error { return snmptrap.Config{Listen: []string{s}}.Validate() }
	case "ingest.syslog.listen":
		forms = []string{"udp://%s", "udp://:%s", "udp://%s:5514"}
		valid = func(s string) error { return syslog.Config{Listen: []string{s}}.Validate() }
	case "ingest.http.listen", "admin.listen":
		forms = []string{"http://%s", "http://:%s", "http://%s:8080"}
		if key == "admin.listen" {
			forms = []string{"http://%s", "http://127.0.0.1:%s", "http://%s:8081"}
		}
		if strings.HasSuffix(bare, "443") || strings.HasPrefix(value, "https:") {
			for i, form := range forms {
				forms[i] = "https" + strings.TrimPrefix(form, "http")
			}
		}
		valid = func(s string) error { return httpevent.Config{Listen: []string{s}}.Validate() }
	case "sandbox.listen":
		forms = []string{"%s", "127.0.0.1:%s", "%s:8082"}
		valid = validAddress
	default:
		return value
	}
	bare = strings.TrimSuffix(bare, "/")
	for _, form := range forms {
		if meant := fmt.Sprintf(form, bare); valid(meant) == nil {
			return meant
		}
	}
	return value
}

// mendURL returns the URL that was meant.
func mendURL(value string) string {
	_, bare, schemed := strings.Cut(value, "://")
	if !schemed {
		bare = strings.TrimLeft(value, "/")
	}
	host, _, _ := strings.Cut(bare, "/")
	name, port, _ := strings.Cut(host, ":")
	addr, err := netip.ParseAddr(name)
	private := name == "localhost" || err == nil && (addr.IsLoopback() || addr.IsPrivate())
	if private || port != "" && port != "443" {
		return "http://" + bare
	}
	return "https://" + bare
}
