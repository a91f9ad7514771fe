package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pdaltagent/pdaltagent/cmd/internal/site"
	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/mapping"
)

// resolve reads what the configuration only names: each x_file and x_env
// beside a secret x goes into x. It also looks whether keys, certificates and
// the database's URL are what they should be. Its faults are all of them.
func (c *config) resolve(d *document, env func(string) (string, bool)) mapping.Faults {
	r := resolver{document: d, env: env}
	r.walk("", reflect.ValueOf(c).Elem())
	for _, name := range sortedKeys(c.Routes) {
		r.checkKey("routes."+name, c.Routes[name].Key)
	}
	if c.Database.URL != "" {
		if _, err := pgxpool.ParseConfig(c.Database.URL); err != nil {
			r.fault("database.url: %w; write postgres://USER@HOST/DATABASE", err)
		}
	}
	return r.faults
}

type resolver struct {
	*document
	env    func(string) (string, bool)
	faults mapping.Faults
}

func (r *resolver) fault(format string, args ...any) {
	message := fmt.Errorf(format, args...).Error()
	if key := keyOf(message); !r.doubtful(key) {
		r.faults = append(r.faults, r.document.fault(message))
	}
}

// walk resolves the secrets in v, which is settable.
func (r *resolver) walk(key string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		r.section(key, v)
		for f, value := range v.Fields() {
			if tag := tagOf(f); tag != "" {
				r.walk(join(key, tag), value)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			r.walk(fmt.Sprintf("%s[%d]", key, i), v.Index(i))
		}
	case reflect.Map:
		for _, name := range v.MapKeys() {
			value := reflect.New(v.Type().Elem()).Elem()
			value.Set(v.MapIndex(name))
			r.walk(join(key, name.String()), value)
			v.SetMapIndex(name, value)
		}
	default:
	}
}

func tagOf(f reflect.StructField) string {
	tag, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	if tag == "-" || !f.IsExported() {
		return ""
	}
	return tag
}

// section resolves the secrets that a struct holds itself.
func (r *resolver) section(key string, v reflect.Value) {
	texts := map[string]reflect.Value{}
	for f, value := range v.Fields() {
		if tag := tagOf(f); tag != "" && value.Kind() == reflect.String {
			texts[tag] = value
		}
	}
	for name, secret := range texts {
		file, hasFile := texts[name+"_file"]
		variable, hasEnv := texts[name+"_env"]
		if secret.Type() != reflect.TypeFor[ingest.Secret]() || !hasFile || !hasEnv {
			continue
		}
		if given(secret.String(), file.String(), variable.String()) > 1 {
			continue // Validate says so
		}
		r.secret(join(key, name), secret, file, variable)
	}
	certificate, hasCertificate := texts["cert_file"]
	if private, ok := texts["key_file"]; ok && hasCertificate && certificate.String() != "" && private.String() != "" {
		r.certificate(key, certificate.String(), private.String())
	}
	for _, name := range []string{"client_ca_file", "ca_file"} {
		if authorities, ok := texts[name]; ok && authorities.String() != "" {
			r.authorities(key+"."+name, authorities.String())
		}
	}
}

// secret puts what file or variable hold into the secret, and empties them.
func (r *resolver) secret(key string, secret, file, variable reflect.Value) {
	switch {
	case file.String() != "":
		text, err := site.ReadSecret(file.String())
		if err != nil {
			r.fault("%s_file: %w", key, err)
		}
		secret.SetString(text)
		file.SetString("")
	case variable.String() != "":
		name := variable.String()
		text, set := r.env(name)
		text = strings.TrimSpace(text)
		switch {
		case !set:
			r.fault("%s_env: the environment has no variable %s: set it (in a systemd unit by EnvironmentFile=), or use %s_file", key, name, lastOf(key))
		case text == "":
			r.fault("%s_env: the variable %s is empty: set it, or use %s_file", key, name, lastOf(key))
		}
		secret.SetString(text)
		variable.SetString("")
	default:
		return
	}
	if strings.ContainsAny(secret.String(), "\r\n") {
		r.fault("%s: has more than one line; a secret is one line", r.writtenAs(key))
		secret.SetString("")
	}
}

// writtenAs returns the key that the file has for a secret: x, x_file or
// x_env.
func (r *resolver) writtenAs(key string) string {
	for _, suffix := range []string{"_file", "_env"} {
		if r.has(key + suffix) {
			return key + suffix
		}
	}
	return key
}

func lastOf(key string) string { return key[strings.LastIndexByte(key, '.')+1:] }

// checkKey looks whether what a route has is an integration key, of which it
// tells nothing but the length.
func (r *resolver) checkKey(route string, key ingest.Secret) {
	if key == "" || delivery.ValidKey(key) {
		return
	}
	r.fault("%s: holds no integration key: one has 32 letters and digits, this has %d characters; copy it from the integration's page in PagerDuty",
		r.writtenAs(route+".key"), len(key.Reveal()))
}

// certificate looks whether two files hold a certificate and its key.
func (r *resolver) certificate(section, certFile, keyFile string) {
	ok := true
	for key, file := range map[string]string{".cert_file": certFile, ".key_file": keyFile} {
		if _, err := os.ReadFile(file); err != nil { //nolint:gosec // the operator names it
			r.fault("%s%s: %w", section, key, site.Unreadable(file, err))
			ok = false
		}
	}
	if !ok {
		return
	}
	if _, err := tls.LoadX509KeyPair(certFile, keyFile); err != nil {
		r.fault("%s: %s and %s are no certificate and its key: %w", section, certFile, keyFile, err)
	}
}

// authorities looks whether a file holds certificates.
func (r *resolver) authorities(key, file string) {
	data, err := os.ReadFile(file) //nolint:gosec // the operator names it
	switch {
	case err != nil:
		r.fault("%s: %w", key, site.Unreadable(file, err))
	case !x509.NewCertPool().AppendCertsFromPEM(data):
		r.fault("%s: %s holds no certificate: it must hold PEM, which begins with -----BEGIN CERTIFICATE-----", key, file)
	}
}
