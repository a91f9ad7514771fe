package httpevent

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func encodeCert(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func selfSigned(t *testing.T, dir string) tls.Certificate {
	t.Helper()
	cert, err := SelfSigned(dir)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestSelfSignedCertificateIsMadeOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "too")
	first, second := selfSigned(t, dir), selfSigned(t, dir)
	if !first.Leaf.Equal(second.Leaf) {
		t.Error("another certificate at the second start")
	}
	if key, ok := first.PrivateKey.(*ecdsa.PrivateKey); !ok || key.Curve != elliptic.P256() {
		t.Errorf("key %T", first.PrivateKey)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(first.Leaf)
	for _, name := range []string{host, "localhost", "127.0.0.1", "::1"} {
		if _, err := first.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	info, err := os.Stat(filepath.Join(dir, selfSignedKey))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key: %v, %v", info.Mode(), err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 2 {
		t.Errorf("left over: %v", files)
	}
}

func TestSelfSignedCertificateIsRenewed(t *testing.T) {
	f := func(why string, spoil func(dir string) error) {
		t.Helper()
		dir := t.TempDir()
		old := selfSigned(t, dir)
		if err := spoil(dir); err != nil {
			t.Fatal(err)
		}
		renewed := selfSigned(t, dir)
		if renewed.Leaf.Equal(old.Leaf) || time.Until(renewed.Leaf.NotAfter) < selfSignedSpare {
			t.Errorf("%s: not renewed", why)
		}
		if again := selfSigned(t, dir); !again.Leaf.Equal(renewed.Leaf) {
			t.Errorf("%s: renewed twice", why)
		}
	}
	f("expires soon", func(dir string) error {
		cert, key, err := newSelfSigned(time.Now().Add(selfSignedSpare - selfSignedFor - time.Minute))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, selfSignedCert), cert, 0o600); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, selfSignedKey), key, 0o600)
	})
	f("of another key", func(dir string) error {
		_, key, err := newSelfSigned(time.Now())
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, selfSignedKey), key, 0o600)
	})
	f("damaged", func(dir string) error { return os.Truncate(filepath.Join(dir, selfSignedCert), 100) })
	f("without its key", func(dir string) error { return os.Remove(filepath.Join(dir, selfSignedKey)) })
}

func TestSelfSignedCertificateNamesWhatItCannotUse(t *testing.T) {
	f := func(prepare func(dir string) string, want string) {
		t.Helper()
		dir := prepare(t.TempDir())
		if _, err := SelfSigned(dir); err == nil || !containsAll(err.Error(), dir, want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	f(func(dir string) string {
		file := filepath.Join(dir, "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}, "not a directory")
	f(func(dir string) string {
		if err := os.Mkdir(filepath.Join(dir, selfSignedKey), 0o700); err != nil {
			t.Fatal(err)
		}
		return dir
	}, "make it readable, or remove it for a new one")
}
