package delivery

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// Untrusted says that no connection was made since the other side cannot show
// by TLS that it is who it should be: nothing is wrong with the delivery, which
// waits with all others of its route until a person has mended that.
type Untrusted struct {
	Host  string // and port, where it is not the scheme's
	Fault string // what is wrong
	Mend  string // what to do
}

// Error says whom not to trust, why, and what to do.
func (e *Untrusted) Error() string {
	return fmt.Sprintf("no TLS with %s: %s; %s", e.Host, e.Fault, e.Mend)
}

// Distrust returns an *Untrusted where err, which net/http returned for a
// request to host, says so of its certificate or that it speaks no TLS; else
// nil. caKey is the key of the configuration that adds authorities.
func Distrust(err error, host, caKey string) *Untrusted {
	fault, mend := distrust(err, caKey)
	if fault == "" {
		return nil
	}
	return &Untrusted{Host: host, Fault: fault, Mend: mend}
}

func distrust(err error, caKey string) (fault, mend string) {
	var (
		unknown   x509.UnknownAuthorityError
		wrongName x509.HostnameError
		invalid   x509.CertificateInvalidError
		refused   *tls.CertificateVerificationError
		noTLS     tls.RecordHeaderError
		op        *net.OpError
	)
	switch {
	case errors.As(err, &unknown):
		return fmt.Sprintf("its certificate is issued by %q, which is no authority that this machine trusts", issuer(unknown.Cert)), mendAuthority(caKey)
	case errors.As(err, &wrongName):
		return "its certificate is made out to " + names(wrongName.Certificate),
			"another machine answers for that name: look at DNS, at the proxy and at the URL in the configuration"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil:
		return fmt.Sprintf("the certificate of %q is valid from %s to %s only", invalid.Cert.Subject, moment(invalid.Cert.NotBefore), moment(invalid.Cert.NotAfter)),
			"look at this machine's clock; if that is right, whoever runs the host or the proxy in between must renew it"
	case errors.As(err, &refused):
		return "its certificate cannot be verified: " + refused.Err.Error(), mendAuthority(caKey)
	case errors.As(err, &noTLS), errors.Is(err, http.ErrSchemeMismatch):
		return "what answers there does not speak TLS",
			"a proxy or firewall answers in its place, or the URL in the configuration has the wrong port"
	case errors.As(err, &op) && op.Op == "remote error":
		return "it ends the handshake: " + op.Err.Error(),
			"a proxy or firewall in between breaks TLS, or wants an older version of it or a certificate of ours: have this host let through"
	}
	return "", ""
}

func mendAuthority(caKey string) string {
	return "if that authority is your own, or that of a proxy of your own that reads this traffic, write its certificate into a file and set " + caKey +
		"; if not, somebody else answers in its place"
}

// issuer is who a certificate says to have issued it.
func issuer(c *x509.Certificate) string {
	if c == nil {
		return "nobody"
	}
	return c.Issuer.String()
}

// names are those that a certificate is made out to.
func names(c *x509.Certificate) string {
	all := append([]string(nil), c.DNSNames...)
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	switch {
	case len(all) == 0:
		return fmt.Sprintf("%q, without a host's name", c.Subject)
	case len(all) > 5:
		all = append(all[:5], "…")
	}
	return strings.Join(all, ", ")
}

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }
