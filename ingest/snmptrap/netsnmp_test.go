package snmptrap

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// pairs are all users that differ in what they authenticate and encrypt with.
func pairs() []User {
	var users []User
	for _, auth := range []string{"MD5", "SHA", "SHA224", "SHA256", "SHA384", "SHA512"} {
		for _, priv := range []string{"DES", "AES128", "AES192", "AES256", "AES192C", "AES256C"} {
			users = append(users, User{
				Name: auth + "-" + priv, Auth: auth, AuthPassphrase: "authenticate me", Priv: priv, PrivPassphrase: "encrypt me",
			})
		}
	}
	return users
}

// options are how net-snmp is told of u.
func options(u User) []string {
	named := strings.NewReplacer("SHA2", "SHA-2", "SHA3", "SHA-3", "SHA5", "SHA-5", "AES128", "AES", "AES192C", "AES-192-C", "AES256C", "AES-256-C", "AES1", "AES-1", "AES2", "AES-2")
	level := "noAuthNoPriv"
	o := []string{"-v3", "-u", u.Name, "-r0", "-t10"}
	if u.Auth != "" {
		level = "authNoPriv"
		o = append(o, "-a", named.Replace(u.Auth), "-A", u.AuthPassphrase.Reveal())
	}
	if u.Priv != "" {
		level = "authPriv"
		o = append(o, "-x", named.Replace(u.Priv), "-X", u.PrivPassphrase.Reveal())
	}
	return append(o, "-l", level)
}

// answering returns a handler that makes everything durable, and what it was
// handed.
func answering() (ingest.HandlerFunc, <-chan ingest.Message) {
	got := make(chan ingest.Message, 1000)
	return func(_ context.Context, ms []ingest.Message, done func(ingest.Receipt)) {
		for _, m := range deepCopy(ms) {
			got <- m
		}
		if done != nil {
			done(ingest.Receipt{Events: len(ms)})
		}
	}, got
}

// lacks says whether a program of net-snmp was built without an algorithm.
func lacks(output []byte) bool {
	return strings.Contains(string(output), "Invalid authentication protocol") || strings.Contains(string(output), "Invalid privacy protocol")
}

func TestEveryPairOfAlgorithmsIsUnderstood(t *testing.T) {
	needNetSNMP(t)
	users := append(pairs(), User{Name: "only-auth", Auth: "SHA", AuthPassphrase: "authenticate me"}, guest())
	handler, got := answering()
	r := run(t, withUsers(users...), quiet(), handler)
	var (
		mu      sync.Mutex
		skipped []string
		sent    = map[string]int{}
		group   sync.WaitGroup
	)
	send := func(u User, program string, engine ...string) {
		args := append(append(options(u), engine...), "--", "77", "1.3.6.1.6.3.1.1.5.4", "1.3.6.1.2.1.2.2.1.2.517", "s", u.Name)
		out, err := r.client(t, program, args...).CombinedOutput()
		mu.Lock()
		defer mu.Unlock()
		switch {
		case lacks(out):
			skipped = append(skipped, program+" "+u.Name)
		case err != nil:
			t.Errorf("%s %s: %v: %s", program, u.Name, err, out)
		default:
			sent[u.Name]++
		}
	}
	room := make(chan struct{}, 4)
	for i, u := range users {
		group.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			send(u, "snmptrap", "-e", fmt.Sprintf("0x80001f888074726170%02x", i))
			send(u, "snmpinform")
		})
	}
	group.Wait()
	received := map[string]map[bool]bool{}
	for left := 2*len(users) - len(skipped); left > 0; left-- {
		select {
		case m := <-got:
			name := string(m.Trap.Varbinds[0].Value.([]byte))
			if m.Trap.OID != "1.3.6.1.6.3.1.1.5.4" || m.Trap.Version != "v3" || m.Trap.Uptime != 77 || len(m.Trap.Varbinds) != 1 {
				t.Errorf("%s: %+v", name, m.Trap)
			}
			if received[name] == nil {
				received[name] = map[bool]bool{}
			}
			received[name][m.Trap.Inform] = true
		case <-time.After(5 * time.Second):
			t.Fatalf("%d were not received: %v", left, r.counts(t))
		}
	}
	for name, n := range sent {
		if len(received[name]) != n {
			t.Errorf("%s: %d of %d were received", name, len(received[name]), n)
		}
	}
	t.Logf("%d of %d users understood as traps and as informs; this net-snmp lacks: %v", len(received), len(users), skipped)
}

func TestNotificationsComeByIPv6(t *testing.T) {
	handler, got := answering()
	conf := withUsers(ops())
	conf.Listen = []string{"[::1]:0"}
	if socket, err := net.ListenPacket("udp6", "[::1]:0"); err != nil { //nolint:noctx // it is closed at once
		t.Skip("no IPv6 here: ", err)
	} else {
		_ = socket.Close()
	}
	r := run(t, conf, quiet(), handler)
	for _, args := range [][]string{{"-v2c", "-c", "public"}, options(ops())} {
		for _, program := range []string{"snmptrap", "snmpinform"} {
			if out, err := r.client(t, program, append(args, "--", "77", "1.3.6.1.6.3.1.1.5.4")...).CombinedOutput(); err != nil {
				t.Fatalf("%s %v: %v: %s", program, args, err, out)
			}
			if m := <-got; m.Source != netip.IPv6Loopback() || m.Trap.OID != "1.3.6.1.6.3.1.1.5.4" {
				t.Errorf("%s %v: from %v, %+v", program, args, m.Source, m.Trap)
			}
		}
	}
}

func TestAReplayedTrapIsRefusedAndCounted(t *testing.T) {
	handler, got := answering()
	r := run(t, withUsers(ops()), quiet(), handler)
	wire, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = wire.Close() }()
	command := r.client(t, "snmptrap", append(options(ops()), "--", "77", "1.3.6.1.6.3.1.1.5.4")...)
	for i, a := range command.Args {
		if a == r.Addrs()[0].String() {
			command.Args[i] = wire.LocalAddr().String()
		}
	}
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("snmptrap: %v: %s", err, out)
	}
	packet := make([]byte, 2048)
	n, err := wire.Read(packet)
	if err != nil {
		t.Fatal(err)
	}
	r.send(t, packet[:n], packet[:n], packet[:n])
	r.stop()
	if len(got) != 1 || r.counts(t)[ingest.Replayed] != 2 {
		t.Errorf("%d were handed on: %v", len(got), r.counts(t))
	}
}

func TestSendersOfInformsAreToldWhy(t *testing.T) {
	known := ops()
	handler, _ := answering()
	r := run(t, withUsers(known, User{Name: "only-auth", Auth: "SHA", AuthPassphrase: "authenticate me"}), quiet(), handler)
	f := func(u User, want string, outcome ingest.Outcome, more ...string) {
		t.Helper()
		before := r.counts(t)[outcome]
		args := append(append(options(u), more...), "--", "77", "1.3.6.1.6.3.1.1.5.4")
		out, err := r.client(t, "snmpinform", args...).CombinedOutput()
		if _, failed := err.(*exec.ExitError); !failed && want != "" { //nolint:errorlint // as exec returns it
			t.Errorf("snmpinform %s: %v: %s", u.Name, err, out)
		}
		if !strings.Contains(string(out), want) {
			t.Errorf("snmpinform %s says %q, want %q", u.Name, out, want)
		}
		if r.counts(t)[outcome] == before {
			t.Errorf("snmpinform %s: no %s: %v", u.Name, outcome, r.counts(t))
		}
	}
	wrong := known
	wrong.AuthPassphrase = "another passphrase"
	f(wrong, "Authentication failure (incorrect password, community or key)", ingest.RefusedDigest)
	wrong = known
	wrong.PrivPassphrase = "another passphrase"
	f(wrong, "Decryption error", ingest.Undecryptable)
	wrong = known
	wrong.Priv, wrong.PrivPassphrase = "", ""
	f(wrong, "Unsupported security level", ingest.RefusedSecurity)
	f(User{Name: "only-auth", Auth: "SHA", AuthPassphrase: "authenticate me", Priv: "AES128", PrivPassphrase: "encrypt me"},
		"Unsupported security level", ingest.RefusedSecurity)
	f(User{Name: "nobody", Auth: "SHA", AuthPassphrase: "authenticate me"}, "Unknown user name", ingest.RefusedUser)
	f(known, "", ingest.Discovery)
	f(known, "", ingest.Replayed, "-e", "0x"+fmt.Sprintf("%x", ours), "-Z", "7,7", "-r1", "-t1") // told our boots and time, it asks again
}
