package ingest

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// recheck is how often a file that is kept may be looked at.
const recheck = time.Second

// Certificate is a certificate and its key in two PEM files. It is read anew
// when they change, so that renewing it needs no restart. Its methods may be
// called from any goroutine.
type Certificate struct{ kept *kept[*tls.Certificate] }

// LoadCertificate reads a certificate, with the chain that leads to it, and
// its key.
func LoadCertificate(certFile, keyFile string, log *slog.Logger) (*Certificate, error) {
	k, err := keep(log, func() (*tls.Certificate, error) { return readCertificate(certFile, keyFile, log) }, certFile, keyFile)
	if err != nil {
		return nil, err
	}
	return &Certificate{kept: k}, nil
}

func readCertificate(certFile, keyFile string, log *slog.Logger) (*tls.Certificate, error) {
	c, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("certificate %s with key %s: %w", certFile, keyFile, err)
	}
	if c.Leaf != nil && time.Now().After(c.Leaf.NotAfter) {
		log.Warn("the certificate has expired: senders that check it will refuse it; renew it",
			"file", certFile, "expired", c.Leaf.NotAfter)
	}
	return &c, nil
}

// GetCertificate is for tls.Config. It looks at the files at most once a
// second; while they hold no certificate with its key, the one that they held
// before stays, and the fault is logged once. It never returns an error.
func (c *Certificate) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return c.kept.get(), nil
}

// Authorities are the certificates in a PEM file that other certificates must
// be issued by. They are read anew when the file changes. The methods may be
// called from any goroutine.
type Authorities struct{ kept *kept[*x509.CertPool] }

// LoadAuthorities reads the certificates of authorities.
func LoadAuthorities(file string, log *slog.Logger) (*Authorities, error) {
	return loadAuthorities(file, x509.NewCertPool, log)
}

// LoadMoreAuthorities reads the certificates of authorities that are trusted
// besides those of the system.
func LoadMoreAuthorities(file string, log *slog.Logger) (*Authorities, error) {
	return loadAuthorities(file, func() *x509.CertPool {
		pool, err := x509.SystemCertPool()
		if err != nil {
			return x509.NewCertPool() // the system has none
		}
		return pool
	}, log)
}

func loadAuthorities(file string, others func() *x509.CertPool, log *slog.Logger) (*Authorities, error) {
	k, err := keep(log, func() (*x509.CertPool, error) { return readAuthorities(file, others()) }, file)
	if err != nil {
		return nil, err
	}
	return &Authorities{kept: k}, nil
}

func readAuthorities(file string, pool *x509.CertPool) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("certificate authorities: %w", err)
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("certificate authorities: %s holds no certificate; it must hold PEM, which begins with -----BEGIN CERTIFICATE-----", file)
	}
	return pool, nil
}

// Pool returns the authorities. It looks at the file as
// Certificate.GetCertificate does.
func (a *Authorities) Pool() *x509.CertPool { return a.kept.get() }

// kept is what was last read of some files without a fault.
type kept[T any] struct {
	files   []string
	read    func() (T, error)
	log     *slog.Logger
	current atomic.Pointer[T]

	mu      sync.Mutex // of what follows; who does not get it takes current as it is
	checked time.Time
	state   []os.FileInfo // of files, when current was read
	fault   string        // why current is not what was last in files; empty: it is
}

func keep[T any](log *slog.Logger, read func() (T, error), files ...string) (*kept[T], error) {
	k := &kept[T]{files: files, read: read, log: log, checked: time.Now()}
	k.state, _ = k.stat()
	t, err := read()
	if err != nil {
		return nil, err
	}
	k.current.Store(&t)
	return k, nil
}

func (k *kept[T]) get() T {
	if k.mu.TryLock() {
		if now := time.Now(); now.Sub(k.checked) >= recheck {
			k.checked = now
			k.refresh()
		}
		k.mu.Unlock()
	}
	return *k.current.Load()
}

// refresh reads the files if they have changed. A fault is tried again at each
// check, for a file may be read while it is written; it is logged when it is
// another than before.
func (k *kept[T]) refresh() {
	state, err := k.stat()
	if err == nil && sameState(state, k.state) {
		k.fault = ""
		return
	}
	var t T
	if err == nil {
		t, err = k.read()
	}
	if err != nil {
		if k.fault != err.Error() {
			k.fault = err.Error()
			k.log.Error("the changed files cannot be used; what was read of them before stays in use", "files", k.files, "error", err)
		}
		return
	}
	k.current.Store(&t)
	k.state, k.fault = state, ""
	k.log.Info("read anew, since the files have changed", "files", k.files)
}

func (k *kept[T]) stat() ([]os.FileInfo, error) {
	state := make([]os.FileInfo, len(k.files))
	var errs []error
	for i, file := range k.files {
		info, err := os.Stat(file)
		state[i] = info
		errs = append(errs, err)
	}
	return state, errors.Join(errs...)
}

func sameState(a, b []os.FileInfo) bool {
	for i := range a {
		if b[i] == nil || !os.SameFile(a[i], b[i]) || a[i].Size() != b[i].Size() || !a[i].ModTime().Equal(b[i].ModTime()) {
			return false
		}
	}
	return true
}
