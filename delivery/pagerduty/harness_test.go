package pagerduty

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/ingest"
)

func TestMain(m *testing.M) {
	if os.Getenv("PAGERDUTY_CHILD") != "" {
		os.Exit(m.Run())
	}
	goleak.VerifyTestMain(m)
}

// authority issues certificates.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string // its own certificate, PEM
}

func newAuthority(t testing.TB, name string) *authority {
	t.Helper()
	a := &authority{t: t, file: filepath.Join(t.TempDir(), "ca.pem")}
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	a.cert = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, a.cert, a.cert, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(a.file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

// issue returns a certificate for a name, which was valid since an hour before
// it ends.
func (a *authority) issue(name string, notAfter time.Time) *tls.Config {
	a.t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotBefore: notAfter.Add(-time.Hour), NotAfter: notAfter}
	if ip := net.ParseIP(name); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{name}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// serveTLS serves handler with HTTP/2 and HTTP/1.1.
func serveTLS(t testing.TB, conf *tls.Config, handler http.Handler) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.EnableHTTP2, s.TLS = true, conf
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// senderTo returns a sender with the routes v2, v1, xere and change.
func senderTo(t testing.TB, config Config) *Sender {
	t.Helper()
	routes, err := delivery.NewRoutes([]delivery.Route{
		{Name: "v2", Type: ingest.EventsV2, Key: key},
		{Name: "v1", Type: ingest.EventsV1, Key: key},
		{Name: "xere", Type: ingest.XERE, Key: rKey},
		{Name: "change", Type: ingest.Change, Key: key},
	}, "v2")
	if err != nil {
		t.Fatal(err)
	}
	if config.Timeout == 0 {
		config.Timeout = 5 * time.Second
	}
	config.Idle, config.Version = 8, "test"
	s, err := New(config, routes, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// proxy is an HTTP proxy that passes CONNECTs on, whatever name they ask for,
// to one address.
type proxy struct {
	net.Listener
	to       string
	password string // of the user "us"; empty: anybody may
	status   int    // answered to each CONNECT instead; 0: 200
	says     string // to whoever was let through, instead of what to says

	mu    sync.Mutex
	asked []string // for these hosts
	open  sync.WaitGroup
}

func newProxy(t testing.TB, p *proxy) *proxy {
	t.Helper()
	var conf net.ListenConfig
	l, err := conf.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.Listener = l
	p.open.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.open.Go(func() { p.serve(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close() // only once
		p.open.Wait()
	})
	return p
}

func (p *proxy) serve(c net.Conn) {
	defer c.Close() //nolint:errcheck // it may be closed
	req, err := http.ReadRequest(bufio.NewReader(c))
	if err != nil {
		return
	}
	p.mu.Lock()
	p.asked = append(p.asked, req.Host)
	p.mu.Unlock()
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte("us:"+p.password))
	switch {
	case p.password != "" && req.Header.Get("Proxy-Authorization") != want:
		fmt.Fprint(c, "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
		return
	case p.status != 0:
		fmt.Fprintf(c, "HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n", p.status)
		return
	}
	fmt.Fprint(c, "HTTP/1.1 200 Connection established\r\n\r\n")
	if p.says != "" {
		_, _ = c.Read(make([]byte, 1024))
		fmt.Fprint(c, p.says)
		_, _ = io.Copy(io.Discard, c)
		return
	}
	to, err := net.Dial("tcp", p.to) //nolint:noctx // on loopback
	if err != nil {
		return
	}
	var one sync.WaitGroup
	one.Go(func() {
		_, _ = io.Copy(to, c)
		_ = to.Close()
	})
	_, _ = io.Copy(c, to)
	_ = c.Close()
	one.Wait()
}

func (p *proxy) hosts() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.asked...)
}
