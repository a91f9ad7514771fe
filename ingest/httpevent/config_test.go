package httpevent

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

func containsAll(s string, parts ...string) bool {
	for _, part := range parts {
		if !strings.Contains(s, part) {
			return false
		}
	}
	return true
}

func TestConfigReadsTheDocumentedKeys(t *testing.T) {
	var got Config
	err := yaml.Unmarshal([]byte(`
listen: ["http://:8080", "https://:8443"]
tls: { cert_file: c.pem, key_file: k.pem }
max_body_bytes: 1000
max_connections: 100
token_file: /run/secrets/token
allow: [10.0.0.0/8, "::/0"]
`), &got)
	if err != nil {
		t.Fatal(err)
	}
	if err := got.Validate(); err != nil {
		t.Error(err)
	}
	if len(got.Listen) != 2 || got.TLS.KeyFile != "k.pem" || got.MaxBodyBytes != 1000 || got.MaxConnections != 100 || got.TokenFile != "/run/secrets/token" ||
		len(got.Allow) != 2 || !got.HTTPS() {
		t.Errorf("%+v", got)
	}
}

func TestConfigFaultsNameTheirKeyAndMend(t *testing.T) {
	f := func(c Config, want ...string) {
		t.Helper()
		if err := c.Validate(); err == nil || !containsAll(err.Error(), want...) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	f(Config{Listen: []string{"http://:8080", "8443"}}, `listen[1]: "8443" is no listener: write http://:8080`)
	f(Config{Listen: []string{"ftp://:21"}}, `"ftp://:21" is no listener`)
	f(Config{Listen: []string{"http://:8080/path"}}, "is no listener")
	f(Config{Listen: []string{"http://localhost"}}, `"http://localhost" has no port from 0 to 65535: write http://localhost:8080`)
	f(Config{Listen: []string{"http://:99999"}}, "has no port from 0 to 65535")
	f(Config{TLS: TLS{CertFile: "c"}}, "tls: cert_file and key_file go together")
	f(Config{MaxBodyBytes: -1}, "max_body_bytes: -1 is negative")
	f(Config{MaxConnections: -1}, "max_connections: -1 is negative: leave it out for 4096")
	f(Config{Token: "abc", TokenEnv: "X"}, "token, token_file, token_env: give only one of them")
	if err := (Config{}).Validate(); err != nil {
		t.Error(err)
	}
}
