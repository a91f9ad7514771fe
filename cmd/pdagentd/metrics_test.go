package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// TestReadinessIsThatOfReadyz.
func TestReadinessIsThatOfReadyz(t *testing.T) {
	var fault error
	g := readiness(func() (string, error) { return "committing", fault })
	if got := testutil.ToFloat64(g); got != 1 {
		t.Errorf("ready: %v", got)
	}
	fault = errors.New("the spool is full")
	if got := testutil.ToFloat64(g); got != 0 {
		t.Errorf("not ready: %v", got)
	}
}

// TestCertificatesTellWhenTheyExpire, as they are when it is asked.
func TestCertificatesTellWhenTheyExpire(t *testing.T) {
	until := time.Unix(1900000000, 0)
	c := certificates{ingest.Syslog: nil, ingest.HTTP: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		return &tls.Certificate{Leaf: &x509.Certificate{NotAfter: until}}, nil
	}}
	f := func(value string) {
		t.Helper()
		if err := testutil.CollectAndCompare(c, strings.NewReader(`
# HELP pdaltagent_certificate_expiry_timestamp_seconds When the certificate expires that senders are shown, in seconds since 1970.
# TYPE pdaltagent_certificate_expiry_timestamp_seconds gauge
pdaltagent_certificate_expiry_timestamp_seconds{protocol="http"} `+value+"\n")); err != nil {
			t.Error(err)
		}
	}
	f("1.9e+09")
	until = time.Unix(2000000000, 0)
	f("2e+09")
}
