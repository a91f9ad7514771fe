package syslog

import (
	"net/netip"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/pdaltagent/pdaltagent/ingest"
)

func TestConfigIsReadFromItsKeys(t *testing.T) {
	var c Config
	err := yaml.Unmarshal([]byte(`
listen: ["udp://:5514", "udp://[::1]:514"]
max_message_bytes: 8192
timezone: Europe/Berlin
allow: [192.0.2.0/24, "2001:db8::/32"]
`), &c)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	if len(c.Listen) != 2 || c.maxMessageBytes() != 8192 || !c.Allow.Permits(netip.MustParseAddr("192.0.2.9")) {
		t.Errorf("read as %+v", c)
	}
}

func TestEveryFaultIsNamedWithItsMend(t *testing.T) {
	f := func(c Config, wants ...string) {
		t.Helper()
		err := c.Validate()
		if err == nil {
			t.Errorf("%+v is valid", c)
			return
		}
		for _, want := range wants {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("error %q does not say %q", err, want)
			}
		}
	}
	listen := func(address string) Config { return Config{Listen: []string{address}} }
	f(listen("tcp://:5514"), "listen[0]", "syslog over TCP", "udp://:5514")
	f(listen("tls://:6514"), "syslog over TLS", "udp://:6514")
	f(listen("http://:80"), "unknown scheme")
	f(listen(":5514"), "no scheme", "udp://:5514")
	f(listen("udp://5514"), "not an address and port")
	f(listen("udp://:syslog"), "no port between")
	f(Config{MaxMessageBytes: 100}, "max_message_bytes", "480")
	f(Config{Timezone: "Mars/Olympus"}, "timezone", "Mars/Olympus", "Europe/Berlin")
	f(Config{Allow: ingest.AllowList{{}}}, "allow[0]")
	f(Config{Listen: []string{":1", "tcp://:2"}, Timezone: "x"}, "listen[0]", "listen[1]", "timezone")
	if err := (Config{}).Validate(); err != nil {
		t.Errorf("an empty configuration: %v", err)
	}
}
