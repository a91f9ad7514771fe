package syslog

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// tlsConfig returns what tls listeners offer: TLS 1.2 or later, and where
// client_ca_file says so, only to senders with a certificate of it.
func (r *Receiver) tlsConfig() (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: r.conf.Certificate}
	if files := r.conf.TLS; files.CertFile != "" {
		c, err := ingest.LoadCertificate(files.CertFile, files.KeyFile, r.log)
		if err != nil {
			return nil, fmt.Errorf("tls: %w", err)
		}
		conf.GetCertificate = c.GetCertificate
	}
	if conf.GetCertificate == nil {
		return nil, errors.New("tls: no certificate: give tls.cert_file and tls.key_file")
	}
	if r.conf.TLS.ClientCAFile == "" {
		return conf, nil
	}
	authorities, err := ingest.LoadAuthorities(r.conf.TLS.ClientCAFile, r.log)
	if err != nil {
		return nil, fmt.Errorf("tls: client_ca_file: %w", err)
	}
	conf.ClientAuth = tls.RequireAndVerifyClientCert
	conf.ClientCAs = authorities.Pool()
	conf.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		pool := authorities.Pool()
		if pool == conf.ClientCAs {
			return nil, nil //nolint:nilnil // tls.Config has it so: conf as it is
		}
		current := conf.Clone()
		current.ClientCAs = pool
		return current, nil
	}
	return conf, nil
}

// handshakeMend returns what to do about a handshake that failed.
func handshakeMend(err error) string {
	var header tls.RecordHeaderError
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	switch text := err.Error(); {
	case errors.As(err, &header):
		return ": the sender does not speak TLS; send to a tcp:// listener, or switch TLS on there"
	case errors.As(err, &unknown):
		return ": nobody in tls.client_ca_file has issued the sender's certificate; add its issuer there"
	case errors.As(err, &invalid):
		return ": the sender's certificate is not valid; renew it"
	case strings.Contains(text, "didn't provide a certificate"):
		return ": the sender has no certificate; give it one that an authority of tls.client_ca_file has issued"
	case strings.Contains(text, "remote error"):
		return ": the sender refused; it must trust the issuer of our certificate, and know us by a name that is in it"
	case strings.Contains(text, "unsupported versions"):
		return ": the sender offers nothing newer than TLS 1.1; update it"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return ": the sender did not finish it in time; does it speak TLS?"
	case errors.Is(err, io.EOF):
		return ": the sender closed the connection; does it trust our certificate?"
	}
	return ""
}
