package snmptrap

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"github.com/pdaltagent/pdaltagent/ingest"
)

func TestFaultsInTheConfigurationNameTheirMend(t *testing.T) {
	f := func(conf Config, want string) {
		t.Helper()
		err := conf.Validate()
		if want == "" && err == nil {
			return
		}
		if err == nil || want == "" || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: error %v, want %q", conf, err, want)
		}
	}
	f(Config{}, "")
	f(Config{Listen: []string{":9162", "127.0.0.1:0", "[::1]:162"}, Communities: []ingest.Secret{"public"}}, "")
	f(Config{Listen: []string{":9162", "9162"}}, `listen[1]: "9162" is not an address and port; write ":9162"`)
	f(Config{Listen: []string{":trap"}}, `listen[0]: ":trap" has no port between 0 and 65535`)
	f(Config{Communities: []ingest.Secret{""}}, "communities[0] is empty; leave the whole list empty")
	f(Config{Allow: ingest.AllowList{{}}}, "allow[0] is not a network")
}

func TestTheConfigurationIsReadAsDocumented(t *testing.T) {
	var conf Config
	text := "listen: [\":9162\"]\ncommunities: [public]\nallow: [0.0.0.0/0, \"::/0\"]\n"
	if err := yaml.Load([]byte(text), &conf, yaml.WithKnownFields()); err != nil {
		t.Fatal(err)
	}
	want := Config{
		Listen:      []string{":9162"},
		Communities: []ingest.Secret{"public"},
		Allow:       ingest.AllowList{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")},
	}
	if diff := cmp.Diff(want, conf, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
