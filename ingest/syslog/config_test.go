package syslog

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.yaml.in/yaml/v4"

	"github.com/pdaltagent/pdaltagent/ingest"
)

func TestConfigIsReadFromItsKeys(t *testing.T) {
	var c Config
	err := yaml.Unmarshal([]byte(`
listen: ["udp://:5514", "tcp://:5514?format=rfc5424", "tls://[::1]:6514/"]
format: rfc3164
max_message_bytes: 8192
max_connections: 100
idle_timeout: 90s
timezone: Europe/Berlin
tls: { cert_file: c.pem, key_file: k.pem, client_ca_file: ca.pem }
proxy_protocol: [198.51.100.7/32]
allow: [192.0.2.0/24, "2001:db8::/32"]
`), &c)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	want := Config{
		Listen: []string{"udp://:5514", "tcp://:5514?format=rfc5424", "tls://[::1]:6514/"}, Format: RFC3164,
		MaxMessageBytes: 8192, MaxConnections: 100, IdleTimeout: 90 * time.Second, Timezone: "Europe/Berlin",
		TLS:           TLS{CertFile: "c.pem", KeyFile: "k.pem", ClientCAFile: "ca.pem"},
		ProxyProtocol: ingest.AllowList{netip.MustParsePrefix("198.51.100.7/32")},
		Allow:         ingest.AllowList{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")},
	}
	if diff := cmp.Diff(want, c, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }), cmpopts.IgnoreFields(Config{}, "Certificate")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var got []endpoint
	for _, text := range c.Listen {
		e, err := parseEndpoint(text, c.format())
		if err != nil {
			t.Error(err)
		}
		got = append(got, e)
	}
	if diff := cmp.Diff([]endpoint{
		{overUDP, ":5514", RFC3164}, {overTCP, ":5514", RFC5424}, {overTLS, "[::1]:6514", RFC3164},
	}, got, cmp.AllowUnexported(endpoint{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestOnlyATLSListenerWithoutFilesNeedsACertificate(t *testing.T) {
	f := func(want bool, files TLS, listen ...string) {
		t.Helper()
		if got := (Config{Listen: listen, TLS: files}).NeedsCertificate(); got != want {
			t.Errorf("%v with %+v: %v, want %v", listen, files, got, want)
		}
	}
	f(true, TLS{}, "udp://:1", "tls://:2")
	f(false, TLS{}, "udp://:1", "tcp://:2")
	f(false, TLS{CertFile: "c", KeyFile: "k"}, "tls://:2")
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
	f(listen("http://:80"), "listen[0]", "unknown scheme", "tls")
	f(listen("tcp://:80?fromat=auto"), `unknown option "fromat"`, "format")
	f(listen("tcp://:80?format=rfc"), `unknown format "rfc"`, "auto, rfc3164, rfc5424, rfc6587")
	f(listen("tcp://80"), "not an address and port", "tcp://:5514")
	f(Config{Format: "cef"}, "format: \"cef\"", "auto, rfc3164")
	f(Config{MaxMessageBytes: 1 << 40}, "max_message_bytes", "67108864")
	f(Config{MaxConnections: -1}, "max_connections: -1", "4096")
	f(Config{IdleTimeout: -time.Second}, "idle_timeout: -1s", "10m")
	f(Config{TLS: TLS{KeyFile: "k"}}, "tls: cert_file and key_file")
	f(Config{ProxyProtocol: ingest.AllowList{{}}}, "proxy_protocol[0]")
	f(listen(":5514"), "no scheme", "udp://:5514")
	f(listen("udp://5514"), "not an address and port")
	f(listen("udp://:syslog"), "no port between")
	f(Config{MaxMessageBytes: 100}, "max_message_bytes", "480")
	f(Config{Timezone: "Mars/Olympus"}, "timezone", "Mars/Olympus", "Europe/Berlin")
	f(Config{Allow: ingest.AllowList{{}}}, "allow[0]")
	f(Config{Listen: []string{":1", "tcp://2"}, Timezone: "x"}, "listen[0]", "listen[1]", "timezone")
	if err := (Config{}).Validate(); err != nil {
		t.Errorf("an empty configuration: %v", err)
	}
}
