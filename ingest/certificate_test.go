package ingest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// newPair returns a self-signed certificate and its key, as PEM.
func newPair(t *testing.T, name string, notAfter time.Time) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: notAfter, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

func writeFile(t *testing.T, file string, content []byte) {
	t.Helper()
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// shown returns the common name of the certificate that is shown.
func shown(t *testing.T, c *Certificate) string {
	t.Helper()
	got, err := c.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	return got.Leaf.Subject.CommonName
}

func TestACertificateIsReadAnewWhenItsFilesChange(t *testing.T) {
	certFile, keyFile := filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		place := func(name string) {
			cert, key := newPair(t, name, time.Now().Add(time.Hour))
			writeFile(t, certFile, cert)
			writeFile(t, keyFile, key)
		}
		place("first")
		c, err := LoadCertificate(certFile, keyFile, slog.New(slog.NewTextHandler(&logged, nil)))
		if err != nil {
			t.Fatal(err)
		}
		expect := func(want string) {
			t.Helper()
			if got := shown(t, c); got != want {
				t.Errorf("%s is shown, want %s", got, want)
			}
		}
		expect("first")
		place("the second") // another size: a file system's clock may be coarse
		time.Sleep(recheck - time.Millisecond)
		expect("first")
		time.Sleep(time.Millisecond)
		expect("the second")

		// What is broken is complained about once, and mended when it can be.
		cert, key := newPair(t, "and the third", time.Now().Add(time.Hour))
		writeFile(t, certFile, cert)
		logged.Reset()
		for range 3 {
			time.Sleep(recheck)
			expect("the second")
		}
		if n := strings.Count(logged.String(), "level=ERROR"); n != 1 || !strings.Contains(logged.String(), "does not match") {
			t.Errorf("logged %s", logged.String())
		}
		writeFile(t, keyFile, key)
		time.Sleep(recheck)
		expect("and the third")

		if err := os.Remove(keyFile); err != nil {
			t.Fatal(err)
		}
		time.Sleep(recheck)
		expect("and the third")
		if !strings.Contains(logged.String(), "no such file") {
			t.Errorf("logged %s", logged.String())
		}
	})
}

func TestACertificateMayBeSwappedByALink(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", "b"} {
		cert, key := newPair(t, name, time.Now().Add(time.Hour))
		sub := filepath.Join(dir, name)
		if err := os.Mkdir(sub, 0o700); err != nil {
			t.Fatal(err)
		}
		for file, content := range map[string][]byte{"cert.pem": cert, "key.pem": key} {
			file = filepath.Join(sub, file)
			padding := bytes.Repeat([]byte("\n"), 2048-len(content)) // so that neither size nor time tells them apart
			writeFile(t, file, append(content, padding...))
			if err := os.Chtimes(file, time.Unix(1e9, 0), time.Unix(1e9, 0)); err != nil {
				t.Fatal(err)
			}
		}
	}
	current := filepath.Join(dir, "current")
	link := func(to string) {
		_ = os.Remove(current)
		if err := os.Symlink(filepath.Join(dir, to), current); err != nil {
			t.Fatal(err)
		}
	}
	link("a")
	synctest.Test(t, func(t *testing.T) {
		c, err := LoadCertificate(filepath.Join(current, "cert.pem"), filepath.Join(current, "key.pem"), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		link("b") // as Kubernetes does
		time.Sleep(recheck)
		if got := shown(t, c); got != "b" {
			t.Errorf("%s is shown", got)
		}
	})
}

func TestAnExpiredCertificateIsComplainedAbout(t *testing.T) {
	dir := t.TempDir()
	cert, key := newPair(t, "old", time.Now().Add(-time.Hour))
	writeFile(t, filepath.Join(dir, "c"), cert)
	writeFile(t, filepath.Join(dir, "k"), key)
	var logged bytes.Buffer
	if _, err := LoadCertificate(filepath.Join(dir, "c"), filepath.Join(dir, "k"), slog.New(slog.NewTextHandler(&logged, nil))); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(logged.String(), "expired") {
		t.Errorf("logged %q", logged.String())
	}
}

func TestAFileThatHoldsNoCertificateIsNamed(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	none, empty := filepath.Join(t.TempDir(), "none.pem"), filepath.Join(t.TempDir(), "empty.pem")
	writeFile(t, empty, []byte("hello"))
	f := func(err error, want string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not say %s", err, want)
		}
	}
	_, err := LoadCertificate(none, empty, log)
	f(err, none)
	_, err = LoadAuthorities(none, log)
	f(err, none)
	_, err = LoadAuthorities(empty, log)
	f(err, "BEGIN CERTIFICATE")
}

func TestAuthoritiesAreReadAnewWhenTheirFileChanges(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ca.pem")
	synctest.Test(t, func(t *testing.T) {
		first, _ := newPair(t, "first", time.Now().Add(time.Hour))
		writeFile(t, file, first)
		a, err := LoadAuthorities(file, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		before := a.Pool()
		if time.Sleep(recheck); a.Pool() != before {
			t.Error("another pool, though nothing has changed")
		}
		second, _ := newPair(t, "second", time.Now().Add(time.Hour))
		writeFile(t, file, append(first, second...))
		want := x509.NewCertPool()
		want.AppendCertsFromPEM(append(first, second...))
		if time.Sleep(recheck); !a.Pool().Equal(want) {
			t.Error("the second is not in the pool")
		}
	})
}
