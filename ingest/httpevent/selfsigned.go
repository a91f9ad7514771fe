package httpevent

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

const (
	selfSignedFor   = 10 * 365 * 24 * time.Hour
	selfSignedSpare = 90 * 24 * time.Hour // what must be left of it, or it is renewed

	selfSignedCert = "selfsigned.crt"
	selfSignedKey  = "selfsigned.key"
)

// SelfSigned returns the self-signed certificate in folder dir, which it makes,
// with the folder, when there is none, when it expires within 90 days, or when
// what is there is no certificate with its key. It is made for localhost and
// for this host's name and addresses as they are then; removing the two files
// makes a new one at the next call. The key is readable for its owner alone.
func SelfSigned(dir string) (tls.Certificate, error) {
	certFile, keyFile := filepath.Join(dir, selfSignedCert), filepath.Join(dir, selfSignedKey)
	certPEM, err := readOptional(certFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	keyPEM, err := readOptional(keyFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err == nil && time.Until(cert.Leaf.NotAfter) > selfSignedSpare {
		return cert, nil
	}
	if certPEM, keyPEM, err = newSelfSigned(time.Now()); err != nil {
		return tls.Certificate{}, fmt.Errorf("self-signed certificate: %w", err)
	}
	// After a crash between the two the pair does not match, and is made again.
	if err := cmp.Or(os.MkdirAll(dir, 0o755), writeWhole(keyFile, keyPEM, 0o600), writeWhole(certFile, certPEM, 0o644)); err != nil {
		return tls.Certificate{}, fmt.Errorf("self-signed certificate: %w: make the folder writable", err)
	}
	return tls.X509KeyPair(certPEM, keyPEM)
}

func readOptional(file string) ([]byte, error) {
	content, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("self-signed certificate: %w: make it readable, or remove it for a new one", err)
	}
	return content, nil
}

func newSelfSigned(now time.Time) (certPEM, keyPEM []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, nil, err
	}
	names, addrs := hostIdentity()
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: names[0], Organization: []string{"PDaltagent self-signed"}},
		NotBefore:             now.Add(-time.Hour), // senders' clocks differ
		NotAfter:              now.Add(selfSignedFor),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		DNSNames:              names,
		IPAddresses:           addrs,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	certPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return certPEM, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), nil
}

// hostIdentity returns this host's names, of which there is at least one, and
// its addresses. What the host does not tell is left out.
func hostIdentity() (names []string, addrs []net.IP) {
	if name, err := os.Hostname(); err == nil && name != "" && name != "localhost" {
		names = append(names, name)
	}
	names = append(names, "localhost")
	addrs = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	interfaces, _ := net.InterfaceAddrs()
	for _, a := range interfaces {
		if network, ok := a.(*net.IPNet); ok && network.IP.IsGlobalUnicast() {
			addrs = append(addrs, network.IP)
		}
	}
	return names, addrs
}

// writeWhole writes file so that after a crash it is there as it was or as it
// shall be.
func writeWhole(file string, content []byte, mode os.FileMode) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(tmp.Name()))
		}
	}()
	_, err = tmp.Write(content)
	err = cmp.Or(err, tmp.Chmod(mode), tmp.Sync())
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), file)
}
