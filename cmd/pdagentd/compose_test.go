package main

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// composeFile is as much of compose.yaml as is looked at.
type composeFile struct {
	Services map[string]struct {
		Build                                struct{ Context, Dockerfile string }
		Ports, Volumes, Secrets, Environment any
		ReadOnly                             bool `yaml:"read_only"`
	}
	Secrets map[string]struct{ File string }
}

func words(list any) (all []string) {
	entries, _ := list.([]any)
	for _, e := range entries {
		if s, ok := e.(string); ok {
			all = append(all, s)
		}
	}
	return all
}

// TestComposeFilesFitTogether: what compose.yaml mounts exists, its secrets are
// made by the script beside it, pdagentd takes the configuration there and
// listens on the ports that the host's lead to, and no variable of PDaltagent's
// is left out.
func TestComposeFilesFitTogether(t *testing.T) {
	dir := repository + "/deploy"
	var c composeFile
	if err := yaml.Unmarshal([]byte(read(t, dir+"/compose.yaml")), &c); err != nil {
		t.Fatal(err)
	}
	secrets := t.TempDir()
	sh(t, dir, "compose/secrets.sh "+secrets)
	before := read(t, secrets+"/db_password")
	if sh(t, dir, "compose/secrets.sh "+secrets); before != read(t, secrets+"/db_password") || len(before) != 48 {
		t.Errorf("the password was %q and is made anew", before)
	}
	for name, s := range c.Secrets {
		if _, err := os.Stat(secrets + strings.TrimPrefix(s.File, "./compose/secrets")); err != nil {
			t.Errorf("secret %s: %v", name, err)
		}
	}
	if len(c.Services) != 4 {
		t.Errorf("there are %d services", len(c.Services))
	}
	for name, s := range c.Services {
		if !s.ReadOnly {
			t.Errorf("%s may write everywhere", name)
		}
		for _, secret := range words(s.Secrets) {
			if c.Secrets[secret].File == "" {
				t.Errorf("%s: there is no secret %s", name, secret)
			}
		}
		for _, v := range words(s.Volumes) {
			if source, _, _ := strings.Cut(v, ":"); strings.HasPrefix(source, ".") {
				if _, err := os.Stat(filepath.Join(dir, source)); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
	}
	us := c.Services["pdagentd"]
	if _, err := os.Stat(filepath.Join(dir, us.Build.Context, us.Build.Dockerfile)); err != nil {
		t.Error(err)
	}

	text := strings.NewReplacer("/run/secrets", secrets, "/etc/pdaltagent", dir, "#routes", "routes", "#  noc", "  noc").Replace(read(t, dir+"/compose/pdagentd.yaml"))
	if err := os.Chmod(secrets+"/noc_key", 0o600); err != nil {
		t.Fatal(err)
	}
	write(t, secrets+"/noc_key", testKey+"\n")
	file := filepath.Join(t.TempDir(), "pdagentd.yaml")
	write(t, file, text)
	conf, _, err := openConfig(file, noEnv)
	if err != nil {
		t.Fatal(err)
	}
	if conf.Admin.Token == "" || conf.Routes["noc"].Key != testKey {
		t.Error("its secrets are not read")
	}
	listening := listeningOn(t, conf)
	var led []string
	for _, p := range words(us.Ports) {
		if _, to, ok := cutLast(p, ":"); ok {
			led = append(led, to)
		}
	}
	slices.Sort(listening)
	slices.Sort(led)
	if !slices.Equal(listening, led) {
		t.Errorf("pdagentd listens on %v, and ports lead to %v", listening, led)
	}

	given := strings.Join(append(words(us.Environment), words(us.Ports)...), " ")
	for _, name := range regexp.MustCompile(`"(PDAGENTD_\w+|DATABASE_URL)"`).FindAllStringSubmatch(read(t, "environment.go")+read(t, "load.go"), -1) {
		if !strings.Contains(given, name[1]) && name[1] != "PDAGENTD_SNMP_HOST" { // every address of the container
			t.Errorf("%s does not reach pdagentd", name[1])
		}
	}
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// listeningOn returns the ports that a configuration makes pdagentd listen on,
// as 9162/udp.
func listeningOn(t *testing.T, c *config) (ports []string) {
	t.Helper()
	add := func(address, network string) {
		_, number, _ := cutLast(address, ":")
		ports = append(ports, number+"/"+network)
	}
	for _, l := range c.Ingest.SNMP.Listen {
		add(l, "udp")
	}
	for _, l := range slices.Concat(c.Ingest.Syslog.Listen, c.Ingest.HTTP.Listen, []string{c.Admin.Listen}) {
		u, err := url.Parse(l)
		if err != nil {
			t.Fatal(err)
		}
		network := "tcp"
		if u.Scheme == "udp" {
			network = "udp"
		}
		add(u.Host, network)
	}
	return ports
}

// TestGitPassesSecretsOfComposeOver: those that the script makes, and the file
// in which an integration key may stand.
func TestGitPassesSecretsOfComposeOver(t *testing.T) {
	ignored := strings.Split(read(t, repository+"/.gitignore"), "\n")
	for _, path := range []string{"/deploy/compose/secrets/", "/deploy/.env"} {
		if !slices.Contains(ignored, path) {
			t.Errorf("%s may be committed", path)
		}
	}
}

// TestComposeTakesTheFile, with every profile.
func TestComposeTakesTheFile(t *testing.T) {
	program, err := exec.LookPath("docker-compose")
	if err != nil {
		t.Skip("docker-compose is not installed")
	}
	cmd := exec.CommandContext(t.Context(), program, "--file", repository+"/deploy/compose.yaml", "--profile", "prometheus", "--profile", "grafana", "config", "--services")
	cmd.Env = append(os.Environ(), "PDAGENTD_DEFAULT_ROUTING_KEY="+testKey)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got := strings.Fields(string(out))
	slices.Sort(got)
	if want := []string{"grafana", "pdagentd", "postgres", "prometheus"}; !slices.Equal(got, want) {
		t.Errorf("services %v, want %v", got, want)
	}
}
