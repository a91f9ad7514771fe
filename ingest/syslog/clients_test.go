package syslog

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// program returns where a program is, or skips the test.
func program(t *testing.T, name, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed; apt-get install %s", name, pkg)
	}
	return path
}

func (s *station) port() string { return strconv.Itoa(int(s.Addrs()[0].Port())) }

func TestLoggerOfUtilLinuxIsUnderstood(t *testing.T) {
	logger := program(t, "logger", "bsdutils")
	f := func(transport string, how ...string) {
		t.Helper()
		s := listen(t, Config{Listen: []string{transport + "://127.0.0.1:0"}})
		run := func(args ...string) {
			t.Helper()
			args = append(append([]string{"-n", "127.0.0.1", "-P", s.port()}, how...), args...)
			if out, err := exec.CommandContext(t.Context(), logger, args...).CombinedOutput(); err != nil {
				t.Fatalf("logger %v: %v: %s", args, err, out)
			}
		}
		run("--rfc3164", "-p", "local3.err", "-t", "disk", "--id=4711", "sda: 3 bad blocks")
		run("--rfc5424", "-p", "local3.err", "-t", "disk", "--id=4711", "--msgid", "BAD", "--sd-id", "x@1", "--sd-param", "n=\"3\"", "sda: 3 bad blocks")
		run("--rfc5424=notime,notq,nohost", "-t", "disk", "sda: 3 bad blocks")
		got := s.receive(3)
		if len(got) != 3 {
			t.Fatalf("%s %v: %d lines: %+v", transport, how, len(got), got)
		}
		if got[0].Host == "" || got[1].Host == "" {
			t.Error("no host name")
		}
		for i := range got {
			got[i].Host, got[i].Source, got[i].Raw = "", netip.Addr{}, ""
		}
		want := []kept{
			{App: "disk", PID: "4711", Text: "sda: 3 bad blocks", Facility: 19, Severity: 3, Stamped: true},
			{App: "disk", PID: "4711", MsgID: "BAD", Text: "sda: 3 bad blocks", Facility: 19, Severity: 3, DataSize: 2, Stamped: true},
			{App: "disk", Text: "sda: 3 bad blocks", Facility: 1, Severity: 5},
		}
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Errorf("%s %v (-want +got):\n%s", transport, how, diff)
		}
	}
	f("udp", "-d")
	f("tcp", "-T")
	f("tcp", "-T", "--octet-count")
}

func TestOpenSSLSendsWithItsCertificate(t *testing.T) {
	openssl := program(t, "openssl", "openssl")
	ca := newAuthority(t)
	files, client := ca.issue("server"), ca.issue("client")
	files.ClientCAFile = ca.file
	s := listen(t, overTLSWith(files))
	send := func(line string, args ...string) {
		args = append([]string{"s_client", "-connect", "127.0.0.1:" + s.port(), "-CAfile", ca.file, "-verify_return_error", "-quiet", "-no_ign_eof"}, args...)
		cmd := exec.CommandContext(t.Context(), openssl, args...)
		cmd.Stdin = strings.NewReader(line)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Run(); err != nil {
			t.Logf("openssl %v: %v: %s", args, err, out.String())
		}
	}
	send("<13>1 - h a - - - forged\n")
	eventually(t, "it is refused", func() bool { return s.counted(ingest.RefusedTLS) == 1 })
	send("<13>1 - h a - - - genuine\n", "-cert", client.CertFile, "-key", client.KeyFile)
	if diff := cmp.Diff([]string{"<13>1 - h a - - - genuine"}, raws(s.receive(1))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// rsyslog runs an rsyslogd that forwards the lines of a file by an action,
// until the test ends.
func rsyslog(t *testing.T, global, action string, lines []string) {
	t.Helper()
	daemon := program(t, "rsyslogd", "rsyslog")
	dir := t.TempDir()
	input := filepath.Join(dir, "input")
	if err := os.WriteFile(input, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(dir, "rsyslog.conf")
	text := fmt.Sprintf(`global(workDirectory=%q %s)
module(load="imfile" mode="inotify")
input(type="imfile" File=%q Tag="disk:" Facility="local3" Severity="error" ruleset="out")
ruleset(name="out") { action(type="omfwd" target="127.0.0.1" %s) }
`, dir, global, input, action)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, daemon, "-n", "-f", conf, "-i", filepath.Join(dir, "pid"))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		stop()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("rsyslogd said %s", out.String())
		}
	})
}

func TestRsyslogForwardsByEveryTransport(t *testing.T) {
	ca := newAuthority(t)
	files, client := ca.issue("server"), ca.issue("client")
	files.ClientCAFile = ca.file
	f := func(name string, conf Config, global, action string) {
		t.Run(name, func(t *testing.T) {
			s := listen(t, conf)
			var lines []string
			for i := range 500 {
				lines = append(lines, fmt.Sprintf("block %d is bad", i))
			}
			rsyslog(t, global, fmt.Sprintf(`port="%s" %s`, s.port(), action), lines)
			eventually(t, "all lines", func() bool { return s.count() >= len(lines) })
			for i, k := range s.end() {
				if k.Host == "" || !k.Stamped || k.App != "disk" || k.Text != lines[i] || k.Facility != 19 || k.Severity != 3 {
					t.Fatalf("line %d is %+v", i, k)
				}
			}
		})
	}
	f("udp", Config{}, "", `protocol="udp"`)
	f("tcp", tcp(Config{}), "", `protocol="tcp"`)
	f("tcp NUL", tcp(Config{}), "", `protocol="tcp" TCP_FrameDelimiter="0"`)
	f("tcp octet-counted", tcp(Config{}), "", `protocol="tcp" TCP_Framing="octet-counted" template="RSYSLOG_SyslogProtocol23Format"`)
	f("tcp strict", Config{Listen: []string{"tcp://127.0.0.1:0?format=rfc5424"}}, "", `protocol="tcp" template="RSYSLOG_SyslogProtocol23Format"`)
	if found, _ := filepath.Glob("/usr/lib/*/rsyslog/lmnsd_gtls.so"); len(found) == 0 {
		t.Log("TLS is not tried: apt-get install rsyslog-gnutls")
		return
	}
	global := fmt.Sprintf(`DefaultNetstreamDriver="gtls" DefaultNetstreamDriverCAFile=%q DefaultNetstreamDriverCertFile=%q DefaultNetstreamDriverKeyFile=%q`,
		ca.file, client.CertFile, client.KeyFile)
	f("tls", overTLSWith(files), global, `protocol="tcp" TCP_Framing="octet-counted" StreamDriver="gtls" StreamDriverMode="1"
		StreamDriverAuthMode="x509/name" StreamDriverPermittedPeers="server" template="RSYSLOG_SyslogProtocol23Format"`)
}
