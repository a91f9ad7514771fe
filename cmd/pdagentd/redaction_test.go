package main

import (
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// leaky is an appliance that meets all kinds of mishaps, and what can be seen
// of it.
type leaky struct {
	*testing.T
	secrets
	*appliance
	file, ca string
	proxy    *httptest.Server
	logs     keep
	answers  strings.Builder
}

func newLeaky(t *testing.T) *leaky {
	t.Helper()
	l := &leaky{T: t, secrets: newSecrets(), ca: filepath.Join(t.TempDir(), "ca.pem")}
	pagerduty := httptest.NewTLSServer(logEntries(t, l.secrets))
	pagerduty.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	t.Cleanup(pagerduty.Close)
	write(t, l.ca, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pagerduty.Certificate().Raw})))
	s := l.configured
	l.proxy = passage(t, s["proxy's password"])
	t.Cleanup(l.proxy.Close)
	l.file = settings(t, fmt.Sprintf(`
pagerduty: { events_url: %[1]s, api_url: %[1]s, api_token: %[8]s }
webhooks: { url: '%[1]s/%[9]s', every: 1s, secret: %[10]s, former_secret: %[11]s, destinations: [ { name: new, format: v3, url: '%[1]s/%[9]s?%[9]s', secret: %[10]s, former_secret: %[11]s } ] }
delivery: { proxy: 'http://us:%[2]s@%[3]s', ca_file: %[4]s, timeout: 2s, backoff: { initial: 20ms, max: 100ms }, give_up_after: 1h }
default_route: noc
routes:
  noc: { key: %[5]s }
  ere: { key: %[6]s }
  old: { key: %[7]s, type: v1 }
`, pagerduty.URL, s["proxy's password"], l.proxy.Listener.Addr(), l.ca, s["route's key"], s["x-ere route's key"], s["v1 route's key"],
		s["API token"], s["webhooks' path"], s["webhooks' secret"], s["webhooks' former secret"]))
	rewrite(t, l.file, `communities: [public] }`, fmt.Sprintf(`communities: [%s], users: [{ name: ops, auth: SHA256, auth_passphrase: %s, priv: AES128, priv_passphrase: %s }] }`,
		s["community"], s["v3 auth passphrase"], s["v3 priv passphrase"]),
		`["http://127.0.0.1:0", "https://127.0.0.1:0"] }`, `["http://127.0.0.1:0", "https://127.0.0.1:0"], token: `+s["ingest token"]+` }`,
		`admin: { listen: "http://127.0.0.1:0" }`, `admin: { listen: "http://127.0.0.1:0", token: `+s["admin token"]+` }`,
		`../../deploy/rules.d`, l.rules())
	log.SetOutput(&l.logs) // net/http says some things there
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
	a, stop := beginWith(t, l.file, slog.New(slog.NewJSONHandler(&l.logs, &slog.HandlerOptions{Level: slog.LevelDebug})))
	t.Cleanup(stop)
	l.appliance = a
	return l
}

// rules writes rules that send to each of the routes.
func (l *leaky) rules() string {
	dir := l.TempDir()
	write(l.T, filepath.Join(dir, "10.yaml"), `rules:
  - { id: trap, match: { trap: '*' }, event: { summary: 'mode-refuse ${message}', severity: error, dedup_key: trap, route: ere } }
  - { id: line, match: { syslog: '*' }, event: { summary: 'mode-refuse ${message}', severity: error, dedup_key: line, route: old } }
  - { id: hook, match: { http: '/hooks/*' }, event: { summary: 'mode-fail ${message}', severity: error, dedup_key: hook } }
`)
	return dir
}

// say posts a body as one of the senders; headers are pairs.
func (l *leaky) say(path, body string, headers ...string) {
	l.Helper()
	req, err := http.NewRequestWithContext(l.Context(), http.MethodPost, "http://"+l.http.Addrs()[0].String()+path, strings.NewReader(body))
	if err != nil {
		l.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+l.configured["ingest token"])
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	l.do(req)
}

// do keeps what is answered.
func (l *leaky) do(req *http.Request) string {
	l.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		l.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		l.Fatal(err)
	}
	fmt.Fprintf(&l.answers, "%s %s\n%s\n", resp.Status, resp.Header, answer)
	return string(answer)
}

// page returns a page of the admin listener.
func (l *leaky) page(path string, headers ...string) string {
	l.Helper()
	req, err := http.NewRequestWithContext(l.Context(), http.MethodGet, "http://"+l.admin.Addr().String()+path, http.NoBody)
	if err != nil {
		l.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return l.do(req)
}

// events posts events with keys of senders' own, by each of the APIs, for each
// of the ways in which PagerDuty can fail.
func (l *leaky) events() {
	l.Helper()
	k := l.senders
	for _, mode := range []string{"mode-accept", "mode-refuse", "mode-fail", "mode-busy", "mode-reset", "mode-redirect"} {
		v2 := func(key string) string {
			return fmt.Sprintf(`{"routing_key":"%s","event_action":"trigger","dedup_key":"%s","payload":{"summary":"%[2]s","source":"h","severity":"info","custom_details":{"said":"%[1]s"}}}`, key, mode)
		}
		l.say("/v2/enqueue", v2(k["v2"]))
		l.say("/v2/enqueue", strings.Replace(v2(k["header"]), `"routing_key":"`+k["header"]+`",`, "", 1), "X-Routing-Key", k["header"])
		l.say("/v2/change/enqueue", fmt.Sprintf(`{"routing_key":"%s","payload":{"summary":"%s of %[1]s","source":"h"}}`, k["change"], mode))
		l.say("/x-ere/"+k["x-ere"], v2(k["x-ere"]))
		l.say("/integration/"+k["integration"]+"/enqueue", fmt.Sprintf(`{"any":"%s","of":"%s"}`, mode, k["integration"]))
		l.say("/generic/2010-04-15/create_event.json", fmt.Sprintf(`{"service_key":"%s","event_type":"trigger","incident_key":"%s","description":"%[2]s","details":{"by":"%[1]s"}}`, k["v1"], mode))
		form := url.Values{"pd_nagios_object": {"service"}, "HOSTNAME": {"h"}, "SERVICEDESC": {mode}, "SERVICESTATE": {"CRITICAL"}}
		form["NOTIFICATIONTYPE"], form["CONTACTPAGER"], form["MORE"] = []string{"PROBLEM"}, []string{k["nagios"]}, []string{k["nagios"]}
		l.say("/nagios/2010-04-15/create_event", form.Encode(), "Content-Type", formType)
	}
	l.say("/hooks/any", `{"message":"a hook"}`)
}

// mistakes posts what is refused, with keys and tokens where they do not
// belong.
func (l *leaky) mistakes() {
	l.Helper()
	key, token := l.senders["malformed"], l.configured["ingest token"]
	for _, body := range []string{
		`{"routing_key":"` + key, `{"routing_key":"` + key + `0","event_action":"trigger"}`, `{"routing_key":["` + key + `"]}`, key,
		`{"routing_key":{"` + key + `":1},"event_action":"` + key + `"}`, `{"` + key + `":"` + key + `","event_action":"` + key + `"}`,
		`{"routing_key":"` + key[:31] + `é","event_action":"trigger","payload":{"severity":"` + key + `","summary":"","source":5,"timestamp":"` + key + `"}}`,
	} {
		for _, path := range []string{"/v2/enqueue", "/v2/change/enqueue", "/generic/2010-04-15/create_event.json", "/nagios/2010-04-15/create_event"} {
			l.say(path, body)
		}
	}
	l.say("/x-ere/"+key+"0", `{}`)
	l.say("/integration/"+key, `{}`)
	l.say("/integration/"+key+"/enqueue", `{"cut`)
	l.say("/v2/enqueue/"+key+"?routing_key="+key, `{}`)
	l.say("/v2/enqueue", `{}`, "Authorization", "Bearer "+token+"x")
	l.say("/v2/enqueue", `{}`, "Authorization", "Basic "+token)
	l.page("/metrics", "Authorization", "Bearer "+l.configured["admin token"]+"x")
	l.page("/queue/?token=" + l.configured["admin token"] + "x")
	misplaced := l.senders["misplaced"]
	l.say("/v2/enqueue", fmt.Sprintf(`{"routing_key":"%s","service_key":"%[1]s","event_action":"trigger","client":"%[1]s","dedup_key":"%[1]s","payload":{"summary":"mode-refuse %[1]s","source":"%[1]s","severity":"info","component":"%[1]s","custom_details":{"%[1]s":["%[1]s"]}}}`, misplaced),
		"X-Key", misplaced, "User-Agent", misplaced)
}

// traps sends traps and lines, with the right secrets and with wrong ones.
func (l *leaky) traps() {
	l.Helper()
	s, agent := l.configured, "127.0.0.1:"+port(l.snmp.Addrs()[0])
	link := []string{agent, "", "1.3.6.1.6.3.1.1.5.3", "1.3.6.1.2.1.2.2.1.1.7", "i", "7"}
	client(l.T, "snmptrap", append([]string{"-v2c", "-c", s["community"]}, link...)...)
	client(l.T, "snmptrap", append([]string{"-v2c", "-c", s["community"] + "x"}, link...)...)
	client(l.T, "snmptrap", "-v1", "-c", s["community"], agent, "1.3.6.1.4.1.8072", "192.0.2.7", "2", "0", "1")
	v3 := []string{"-v3", "-e", "0x8000000001020304", "-u", "ops", "-l", "authPriv", "-a", "SHA-256", "-x", "AES"}
	client(l.T, "snmptrap", append(append(v3, "-A", s["v3 auth passphrase"], "-X", s["v3 priv passphrase"]), link...)...)
	client(l.T, "snmptrap", append(append(v3, "-A", s["v3 auth passphrase"]+"x", "-X", s["v3 priv passphrase"]), link...)...)
	var d net.Dialer
	conn, err := d.DialContext(l.Context(), "udp", agent)
	if err != nil {
		l.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // write only
	fmt.Fprintf(conn, "\x30\x40\x02\x01\x01\x04\x11%s\xa7\x20cut", s["community"])
	client(l.T, "logger", "--rfc3164", "-d", "-n", "127.0.0.1", "-P", port(l.syslog.Addrs()[0]), "a line")
}

// send has pd-send send an event.
func (l *leaky) send() {
	l.Helper()
	program := filepath.Join(l.TempDir(), "pd-send")
	if out, err := exec.CommandContext(l.Context(), "go", "build", "-o", program, "../pd-send").CombinedOutput(); err != nil {
		l.Fatalf("%v\n%s", err, out)
	}
	for _, key := range []string{l.senders["pd-send"], l.senders["malformed"] + "0"} {
		cmd := exec.CommandContext(l.Context(), program, "-k", key, "-t", "trigger", "-i", "by-pd-send", "-d", "mode-refuse")
		cmd.Env = append(os.Environ(), "PDSEND_EVENTS_BASE_URL=http://"+l.http.Addrs()[0].String(), "PDSEND_TOKEN="+l.configured["ingest token"])
		out, _ := cmd.CombinedOutput() // it is refused without the token
		l.answers.Write(out)
	}
}

// outages has PagerDuty's certificate be bad and then the proxy be gone, in the
// middle of deliveries.
func (l *leaky) outages() {
	l.Helper()
	good, err := os.ReadFile(l.ca)
	if err != nil {
		l.Fatal(err)
	}
	other, err := os.ReadFile(filepath.Join(l.config.DataDir, "tls", "selfsigned.crt"))
	if err != nil {
		l.Fatal(err)
	}
	write(l.T, l.ca, string(other)+"\n")
	time.Sleep(1100 * time.Millisecond) // until the file is looked at again
	event := func(key string) {
		l.say("/v2/enqueue", fmt.Sprintf(`{"routing_key":"%s","event_action":"trigger","dedup_key":"k","payload":{"summary":"s","source":"h","severity":"info"}}`, key))
	}
	event(l.senders["distrusted"])
	l.eventually(l.T, "held", `SELECT state FROM deliveries WHERE last_error LIKE 'no TLS with 127.0.0.1%' AND dedup_key = 'k'`)
	write(l.T, l.ca, string(good))
	l.eventually(l.T, "delivered", `SELECT state FROM deliveries WHERE dedup_key = 'k'`)
	l.sender.Close()
	l.proxy.CloseClientConnections()
	l.proxy.Close()
	l.say("/x-ere/"+l.senders["unreachable"], `{"event_action":"trigger","dedup_key":"u","payload":{"summary":"s","source":"h","severity":"info"}}`)
	l.eventually(l.T, "1", `SELECT count(*) FROM deliveries WHERE dedup_key = 'u' AND last_error LIKE '%refused%'`)
}

// rows returns the text of all rows of each table of every schema, however
// they are typed.
func (l *leaky) rows() map[string]string {
	l.Helper()
	names := l.sql(l.T, `SELECT format('%I.%I', table_schema, table_name) FROM information_schema.tables
		WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')`)
	tables := map[string]string{}
	for _, name := range strings.Fields(names) {
		var text *string
		if err := l.database.pool.QueryRow(l.Context(), `SELECT string_agg(t::text, E'\n') FROM `+name+` AS t`).Scan(&text); err != nil {
			l.Fatal(err)
		}
		if text != nil {
			tables["table "+name] = *text
		}
	}
	return tables
}

// pages returns what the admin listener shows.
func (l *leaky) pages() map[string]string {
	l.Helper()
	bearer := []string{"Authorization", "Bearer " + l.configured["admin token"]}
	paths := []string{"/metrics", "/readyz", "/queue/", "/queue/api/queues?limit=20", "/queue/api/states"}
	for _, state := range []string{"available", "cancelled", "completed", "discarded", "retryable", "running", "scheduled"} {
		paths = append(paths, "/queue/api/jobs?limit=100&state="+state)
	}
	for _, id := range strings.Fields(l.sql(l.T, `SELECT id FROM river.river_job ORDER BY id LIMIT 50`)) {
		paths = append(paths, "/queue/api/jobs/"+id)
	}
	pages := map[string]string{}
	for _, path := range paths {
		pages["page "+path] = l.page(path, bearer...)
	}
	return pages
}

// commands returns what the commands print.
func (l *leaky) commands() map[string]string {
	l.Helper()
	said := map[string]string{}
	run := func(args ...string) {
		var stdout, stderr strings.Builder
		execute(l.Context(), args, &stdout, &stderr)
		said[strings.Join(args[:2], " ")+" "+args[len(args)-1]] = stdout.String() + stderr.String()
	}
	run("queue", "list", "--config", l.file, "--state", "held,queued,delivered,dead", "--limit", "0")
	run("queue", "list", "--config", l.file, "--state", "held,queued,delivered,dead", "--limit", "0", "--json")
	for _, id := range strings.Fields(l.sql(l.T, `SELECT id FROM deliveries`)) {
		run("queue", "show", "--config", l.file, id)
	}
	run("check", "--config", l.file)
	var hello strings.Builder
	l.hello(&hello, l.file)
	said["the first words"] = hello.String()
	return said
}

// TestNoSecretIsShownAnywhere: whatever goes wrong, integration keys, tokens,
// communities, passphrases and the proxy's password are in no log, table, page,
// answer or command's output. Senders' own keys are in one table, and those
// of what could not be committed or decoded in two folders that only their
// owner may open.
func TestNoSecretIsShownAnywhere(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	l := newLeaky(t)
	l.traps()
	l.mistakes()
	l.events()
	l.send()
	l.eventually(t, "0", `SELECT count(*) FROM deliveries WHERE attempts = 0 AND NOT EXISTS
		(SELECT FROM deliveries b WHERE b.alert_id = deliveries.alert_id AND b.seq < deliveries.seq)`)
	l.eventually(t, "true", `SELECT count(*) > 5 FROM attempts WHERE error LIKE '%EOF%' OR error LIKE '%reset%'`)
	l.eventually(t, "true", `SELECT count(*) > 5 FROM deliveries WHERE kind = 'webhook' AND attempts > 0`)
	l.outages()
	l.eventually(t, "true", `SELECT bool_or(last_error LIKE '%refused%') FROM deliveries WHERE kind = 'webhook' AND state = 'queued'`)

	places := map[string]string{"the log": l.logs.String(), "answers": l.answers.String()}
	for _, more := range []map[string]string{l.rows(), l.pages(), l.commands()} {
		for place, text := range more {
			places[place] = text
		}
	}
	for place, text := range places {
		senders := place != "table public.sender_keys" && place != "answers" // who brings a key may be told it
		for _, secret := range l.in(text, senders) {
			t.Errorf("%s holds the %s", place, secret)
		}
	}
	kept := places["table public.sender_keys"]
	for name, key := range l.senders {
		if known := strings.Contains(kept, hex.EncodeToString([]byte(key))); known != (name != "malformed") {
			t.Errorf("that sender_keys holds the key of %s is %v", name, known)
		}
	}
	if n := strings.Count(places["table public.deliveries"], "[secret]"); n < 10 {
		t.Errorf("answers that repeat a key are kept without it: %d of them", n)
	}
	l.folders()
}

// folders looks at the files of the appliance but for the database's.
func (l *leaky) folders() {
	l.Helper()
	err := filepath.WalkDir(l.config.DataDir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(l.config.DataDir, path)
		if name == "postgres" {
			return fs.SkipDir
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if d.IsDir() {
			if closed := name == "quarantine" || name == "spool"; closed && info.Mode().Perm() != 0o700 {
				l.Errorf("%s has mode %s", name, info.Mode())
			}
			return nil
		}
		text, err := os.ReadFile(path) //nolint:gosec // in the test's folder
		if err != nil {
			return err
		}
		closed := strings.HasPrefix(name, "quarantine/") || strings.HasPrefix(name, "spool/")
		if found := l.in(string(text), true); len(found) > 0 && (!closed || info.Mode().Perm() != 0o600) {
			l.Errorf("%s, with mode %s, holds %v", name, info.Mode(), found)
		}
		return nil
	})
	if err != nil {
		l.Fatal(err)
	}
}
