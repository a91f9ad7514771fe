package syslog

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// authority issues certificates for tests, and keeps them as files.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.cert, a.key = a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	a.file = filepath.Join(a.dir, "ca.pem")
	a.write(a.file, "CERTIFICATE", a.cert.Raw)
	return a
}

func (a *authority) sign(template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, by := a.cert, a.key
	if parent == nil {
		parent, by = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

func (a *authority) write(file, kind string, der []byte) {
	a.t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// issue writes a certificate for 127.0.0.1 and its key to files.
func (a *authority) issue(name string) (files TLS) {
	a.t.Helper()
	cert, key := a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	files = TLS{CertFile: filepath.Join(a.dir, name+".pem"), KeyFile: filepath.Join(a.dir, name+".key")}
	a.write(files.CertFile, "CERTIFICATE", cert.Raw)
	a.write(files.KeyFile, "PRIVATE KEY", der)
	return files
}

// client returns what trusts the authority, with a certificate where files
// name one.
func (a *authority) client(files TLS) *tls.Config {
	a.t.Helper()
	conf := &tls.Config{RootCAs: x509.NewCertPool()}
	conf.RootCAs.AddCert(a.cert)
	if files.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(files.CertFile, files.KeyFile)
		if err != nil {
			a.t.Fatal(err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf
}

func overTLSWith(files TLS) Config {
	return Config{Listen: []string{"tls://127.0.0.1:0"}, TLS: files}
}

// secured dials with TLS.
func (s *station) secured(conf *tls.Config) (net.Conn, error) {
	conn, err := (&tls.Dialer{Config: conf}).DialContext(s.t.Context(), "tcp", s.Addrs()[0].String())
	if err == nil {
		s.t.Cleanup(func() { _ = conn.Close() })
	}
	return conn, err
}

func TestLinesComeOverTLS(t *testing.T) {
	ca := newAuthority(t)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		s := listen(t, overTLSWith(ca.issue("server")))
		conf := ca.client(TLS{})
		conf.MinVersion, conf.MaxVersion = version, version
		conn, err := s.secured(conf)
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for i := range 5000 {
			m := fmt.Sprintf("<13>1 - host app - - - %d %s", i, strings.Repeat("x", i%500))
			want = append(want, m)
			write(t, conn, fmt.Sprintf("%d %s", len(m), m))
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(want, raws(s.receive(len(want)))); diff != "" {
			t.Errorf("(-want +got):\n%.1000s", diff)
		}
	}
}

func TestOldTLSIsRefusedAndCounted(t *testing.T) {
	ca := newAuthority(t)
	s := listen(t, overTLSWith(ca.issue("server")))
	conf := ca.client(TLS{})
	conf.MinVersion, conf.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	if _, err := s.secured(conf); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	eventually(t, "it is counted", func() bool { return s.counted(ingest.RefusedTLS) == 1 })
	write(t, s.dial(), "<13>not TLS at all\n")
	eventually(t, "it is counted", func() bool { return s.counted(ingest.RefusedTLS) == 2 })
}

func TestSendersMustShowACertificateOfTheClientAuthority(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	files := ca.issue("server")
	files.ClientCAFile = ca.file
	s := listen(t, overTLSWith(files))
	refused := 0
	for name, client := range map[string]TLS{"no certificate": {}, "another's": other.issue("client")} {
		conn, err := s.secured(ca.client(client))
		if err == nil { // in TLS 1.3 the client hears of it afterwards
			_, _ = conn.Write([]byte("<13>forged\n"))
			if !closed(t, conn) {
				t.Errorf("%s: it is open", name)
			}
		}
		refused++
		eventually(t, name+" is counted", func() bool { return s.counted(ingest.RefusedTLS) == refused })
	}
	conn, err := s.secured(ca.client(ca.issue("client")))
	if err != nil {
		t.Fatal(err)
	}
	write(t, conn, "<13>genuine\n")
	if diff := cmp.Diff([]string{"<13>genuine"}, raws(s.receive(1))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRenewedCertificatesAndAuthoritiesAreUsedWithoutARestart(t *testing.T) {
	ca, next := newAuthority(t), newAuthority(t)
	files := ca.issue("server")
	files.ClientCAFile = ca.file
	s := listen(t, overTLSWith(files))
	if _, err := s.secured(ca.client(ca.issue("client"))); err != nil {
		t.Fatal(err)
	}
	ca.file = files.ClientCAFile
	renewed := next.issue("server-renewed")
	for from, to := range map[string]string{renewed.CertFile: files.CertFile, renewed.KeyFile: files.KeyFile, next.file: files.ClientCAFile} {
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(1100 * time.Millisecond)
	conn, err := s.secured(next.client(next.issue("client-2")))
	if err != nil {
		t.Fatal(err)
	}
	write(t, conn, "<13>renewed\n")
	if diff := cmp.Diff([]string{"<13>renewed"}, raws(s.receive(1))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTheSelfSignedCertificateIsShownWhereNoneIsConfigured(t *testing.T) {
	ca := newAuthority(t)
	files := ca.issue("self")
	pair, err := tls.LoadX509KeyPair(files.CertFile, files.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	conf := overTLSWith(TLS{})
	_, err = New(t.Context(), conf, nil, nil, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "tls.cert_file") {
		t.Errorf("error %v does not name the mend", err)
	}
	conf.Certificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &pair, nil }
	s := listen(t, conf)
	conn, err := s.secured(ca.client(TLS{}))
	if err != nil {
		t.Fatal(err)
	}
	if name := conn.(*tls.Conn).ConnectionState().PeerCertificates[0].Subject.CommonName; name != "self" {
		t.Errorf("%s is shown", name)
	}
}

func TestMissingCertificateFilesAreNamedAtTheStart(t *testing.T) {
	ca := newAuthority(t)
	good := ca.issue("server")
	for _, files := range []TLS{
		{CertFile: "/nowhere/cert.pem", KeyFile: good.KeyFile},
		{CertFile: good.CertFile, KeyFile: "/nowhere/key.pem"},
		{CertFile: good.CertFile, KeyFile: good.KeyFile, ClientCAFile: "/nowhere/ca.pem"},
	} {
		_, err := New(t.Context(), overTLSWith(files), nil, nil, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), "tls: ") || !strings.Contains(err.Error(), "/nowhere/") {
			t.Errorf("%+v: error %v", files, err)
		}
	}
}

func TestAThousandHalfOpenHandshakesDisturbNobody(t *testing.T) {
	half := connectionsWithin(t, 1000)
	ca := newAuthority(t)
	s := listen(t, overTLSWith(ca.issue("server")))
	for i := range half {
		conn := s.dial()
		if i%2 == 0 {
			write(t, conn, "\x16\x03\x01") // the beginning of a ClientHello
		}
	}
	begin := time.Now()
	conn, err := s.secured(ca.client(TLS{}))
	if err != nil {
		t.Fatal(err)
	}
	write(t, conn, "<13>hello\n")
	eventually(t, "the good one is heard", func() bool { return s.count() == 1 })
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("a line took %v among %d half-open handshakes", took, half)
	}
	if got := s.Connections(); got < half {
		t.Errorf("%d connections are open, want more than %d", got, half)
	}
}

func TestARefusalSaysWhatToDo(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	files := ca.issue("server")
	files.ClientCAFile = ca.file
	f := func(want string, try func(s *station)) {
		t.Helper()
		s := listen(t, overTLSWith(files))
		try(s)
		eventually(t, want, func() bool { return strings.Contains(s.logged.String(), want) })
	}
	f("does not speak TLS", func(s *station) { write(t, s.dial(), "<13>hello\n") })
	f("has no certificate", func(s *station) { _, _ = s.secured(ca.client(TLS{})) })
	f("add its issuer there", func(s *station) { _, _ = s.secured(ca.client(other.issue("client"))) })
	f("must trust the issuer", func(s *station) { _, _ = s.secured(other.client(ca.issue("client"))) })
	f("closed the connection", func(s *station) { _ = s.dial().Close() })
	f("newer than TLS 1.1", func(s *station) {
		conf := ca.client(TLS{})
		conf.MinVersion, conf.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
		_, _ = s.secured(conf)
	})
}

func TestAComplaintIsNotRepeatedAtOnce(t *testing.T) {
	s := listen(t, tcp(Config{Allow: ingest.AllowList{netip.MustParsePrefix("192.0.2.0/24")}}))
	for range 50 {
		if !closed(t, s.dial()) {
			t.Error("it is open")
		}
	}
	if n := strings.Count(s.logged.String(), "WARN"); n != 1 || s.counted(ingest.RefusedSource) != 50 {
		t.Errorf("%d refused, logged %d times: %s", s.counted(ingest.RefusedSource), n, s.logged.String())
	}
}

func TestABalancerMayStandBeforeTLS(t *testing.T) {
	ca := newAuthority(t)
	conf := overTLSWith(ca.issue("server"))
	conf.ProxyProtocol = ingest.AllowList{netip.MustParsePrefix("127.0.0.1/32")}
	s := listen(t, conf)
	raw := s.dial()
	write(t, raw, "PROXY TCP4 192.0.2.1 198.51.100.9 51022 6514\r\n")
	client := ca.client(TLS{})
	client.ServerName = "server"
	conn := tls.Client(raw, client)
	if err := conn.HandshakeContext(context.Background()); err != nil {
		t.Fatal(err)
	}
	write(t, conn, "<13>hello\n")
	s.receive(1)
	if len(s.messages) != 1 || s.messages[0].Source != netip.MustParseAddr("192.0.2.1") {
		t.Errorf("handed on %+v", s.messages)
	}
}
