package snmptrap

import (
	"fmt"
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
	f(Config{EngineID: "0x80001F88046e6f63"}, "")
	f(Config{EngineID: "8000"}, `engine_id: "8000" is no engine id: write its 5 to 32 octets in hexadecimal`)

	user := func(change func(*User)) Config {
		u := User{Name: "ops", Auth: "SHA256", AuthPassphrase: "authenticate", Priv: "AES256", PrivPassphraseFile: "/run/secrets/priv"}
		change(&u)
		return Config{Users: []User{{Name: "guest"}, u}}
	}
	f(user(func(*User) {}), "")
	f(user(func(u *User) { u.Name = "" }), `users[1].name: "" has not 1 to 32 octets`)
	f(user(func(u *User) { u.Auth = "sha-512" }), "")
	f(user(func(u *User) { u.Auth = "SHA3" }), `users[1].auth: "SHA3" is not known: write MD5, SHA,`)
	f(user(func(u *User) { u.Priv = "3DES" }), `users[1].priv: "3DES" is not known: write DES, AES128,`)
	f(user(func(u *User) { u.Auth, u.AuthPassphrase = "", "" }), "users[1].priv: AES256 without auth")
	f(user(func(u *User) { u.AuthPassphraseEnv = "OPS" }), "users[1].auth_passphrase: needs exactly one of auth_passphrase, auth_passphrase_file and auth_passphrase_env, has 2")
	f(user(func(u *User) { u.PrivPassphraseFile = "" }), "users[1].priv_passphrase: needs exactly one of")
	f(user(func(u *User) { u.Priv = "" }), "users[1].priv_passphrase: there is no priv that it would be for")
	f(user(func(u *User) { u.AuthPassphrase = "seven77" }), "users[1].auth_passphrase: has 7 octets; SNMPv3 asks for 8")
	f(user(func(u *User) { u.EngineID = "engine" }), `users[1].engine_id: "engine" is no engine id`)
	f(user(func(u *User) { u.Level = "authPriv" }), "")
	f(user(func(u *User) { u.Level = "high" }), `users[1].level: "high" is no security level: write noAuthNoPriv,`)
	f(user(func(u *User) { u.Priv, u.PrivPassphraseFile, u.Level = "", "", "authPriv" }), "users[1].level: authPriv is more than the keys of the user give")
	f(user(func(u *User) { *u = User{Name: "guest"} }), `users[1].name: "guest" is users[0] too; bind them to different engines`)
	f(user(func(u *User) { *u = User{Name: "guest", EngineID: "8000000001"} }), "")
	err := user(func(u *User) { u.Name, u.Auth, u.Priv, u.AuthPassphrase = "", "A", "B", "hush" }).Validate()
	if n := strings.Count(err.Error(), "\nusers[1].") + 1; n != 4 || strings.Contains(err.Error(), "hush") {
		t.Errorf("%d faults, want 4 without secrets:\n%v", n, err)
	}
}

func TestPassphrasesAreLookedAtWhenTheyAreResolved(t *testing.T) {
	f := func(u User, want string) {
		t.Helper()
		_, err := New(t.Context(), withUsers(u), nil, nil, quiet())
		if got := fmt.Sprint(err); !strings.Contains(got, want) {
			t.Errorf("%v, want %s", got, want)
		}
	}
	f(User{Name: "ops", Auth: "SHA", AuthPassphrase: "authenticate", AuthPassphraseFile: "/run/secrets/auth"}, "<nil>")
	f(User{Name: "ops", Auth: "SHA", AuthPassphrase: "short", AuthPassphraseFile: "/run/secrets/auth"}, "users[0].auth_passphrase: has 5 octets")
	f(User{Name: "ops", Auth: "SHA", AuthPassphraseFile: "/run/secrets/auth"}, "users[0].auth_passphrase: /run/secrets/auth was not read")
}

func TestTheConfigurationIsReadAsDocumented(t *testing.T) {
	var conf Config
	text := "listen: [\":9162\"]\ncommunities: [public]\nallow: [0.0.0.0/0, \"::/0\"]\nengine_id: \"8000000001\"\n" +
		"users:\n  - { name: ops, auth: SHA, auth_passphrase: authenticate, auth_passphrase_file: a, auth_passphrase_env: A,\n" +
		"      priv: AES128, priv_passphrase: encrypt-it, priv_passphrase_file: p, priv_passphrase_env: P, engine_id: \"8000000002\", level: authNoPriv }\n"
	if err := yaml.Load([]byte(text), &conf, yaml.WithKnownFields()); err != nil {
		t.Fatal(err)
	}
	want := Config{
		Listen:      []string{":9162"},
		Communities: []ingest.Secret{"public"},
		Allow:       ingest.AllowList{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")},
		EngineID:    "8000000001",
		Users: []User{{
			Name: "ops", Auth: "SHA", AuthPassphrase: "authenticate", AuthPassphraseFile: "a", AuthPassphraseEnv: "A",
			Priv: "AES128", PrivPassphrase: "encrypt-it", PrivPassphraseFile: "p", PrivPassphraseEnv: "P",
			EngineID: "8000000002", Level: "authNoPriv",
		}},
	}
	if diff := cmp.Diff(want, conf, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
