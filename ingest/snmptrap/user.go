package snmptrap

import (
	"crypto"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/gosnmp/gosnmp"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// Sizes that RFC 3411 section 5 and RFC 3414 sections 5 and 11.2 set.
const (
	minEngineID   = 5
	maxEngineID   = 32
	maxUserName   = 32
	minPassphrase = 8
)

// User is one element of ingest.snmp.users: a user of SNMPv3's User-based
// Security Model.
type User struct {
	Name string `yaml:"name"`

	// Auth is MD5, SHA, SHA224, SHA256, SHA384 or SHA512; empty: the user
	// does not authenticate, and anyone can speak in its name.
	Auth string `yaml:"auth"`

	// Whoever loads the configuration resolves AuthPassphraseFile and
	// AuthPassphraseEnv into AuthPassphrase, after Validate; likewise for
	// PrivPassphrase.
	AuthPassphrase     ingest.Secret `yaml:"auth_passphrase"`
	AuthPassphraseFile string        `yaml:"auth_passphrase_file"`
	AuthPassphraseEnv  string        `yaml:"auth_passphrase_env"`

	// Priv is DES, AES128, AES192, AES256, AES192C or AES256C (those with a C
	// extend short keys as Cisco does); empty: the user does not encrypt.
	Priv string `yaml:"priv"`

	PrivPassphrase     ingest.Secret `yaml:"priv_passphrase"`
	PrivPassphraseFile string        `yaml:"priv_passphrase_file"`
	PrivPassphraseEnv  string        `yaml:"priv_passphrase_env"`

	// EngineID binds the user to messages that name this engine as
	// authoritative: hexadecimal; empty: any engine.
	EngineID string `yaml:"engine_id"`

	// Level is the least that is taken of the user: noAuthNoPriv, authNoPriv
	// or authPriv; empty: what its keys give.
	Level string `yaml:"level"`
}

// user is a User whose words are understood.
type user struct {
	name   string
	engine string // empty: any
	auth   gosnmp.SnmpV3AuthProtocol
	priv   gosnmp.SnmpV3PrivProtocol
	least  level
	most   level // what its keys give

	authKey func() []byte // made of the passphrase when it is first needed
	privKey func() []byte
}

// newUser understands u. The error joins every fault of it but those of its
// passphrases, each beginning with its key.
func newUser(u *User) (*user, error) {
	var faults []error
	fault := func(key string, err error) {
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", key, err))
		}
	}
	of := &user{name: u.Name}
	var err error
	if u.Name == "" || len(u.Name) > maxUserName {
		fault("name", fmt.Errorf("%q has not 1 to %d octets", u.Name, maxUserName))
	}
	of.auth, err = authProtocol(u.Auth)
	fault("auth", err)
	of.priv, err = privProtocol(u.Priv)
	fault("priv", err)
	if u.Priv != "" && u.Auth == "" {
		fault("priv", fmt.Errorf("%s without auth: SNMPv3 has no encryption without authentication; set auth too", u.Priv))
	}
	of.engine, err = parseEngineID(u.EngineID)
	fault("engine_id", err)
	switch {
	case of.priv != gosnmp.NoPriv:
		of.most = authPriv
	case of.auth != gosnmp.NoAuth:
		of.most = authNoPriv
	}
	of.least, err = of.leastLevel(u.Level)
	fault("level", err)
	of.authKey = of.keyOf(u.AuthPassphrase)
	of.privKey = of.keyOf(u.PrivPassphrase)
	return of, errors.Join(faults...)
}

func (u *user) keyOf(passphrase ingest.Secret) func() []byte {
	return sync.OnceValue(func() []byte { return passphraseKey(u.hash(), []byte(passphrase.Reveal())) })
}

func (u *user) hash() crypto.Hash { return u.auth.HashType() }

// macSize is how many octets of a hash are sent (RFC 3414 section 6.1, RFC
// 7860 section 4.1).
func (u *user) macSize() int {
	if size := u.hash().Size(); size > 20 {
		return map[int]int{28: 16, 32: 24, 48: 32, 64: 48}[size]
	}
	return 12
}

func (u *user) leastLevel(name string) (level, error) {
	of := u.most
	switch name {
	case "":
	case "noAuthNoPriv":
		of = noAuthNoPriv
	case "authNoPriv":
		of = authNoPriv
	case "authPriv":
		of = authPriv
	default:
		return of, fmt.Errorf("%q is no security level: write noAuthNoPriv, authNoPriv or authPriv", name)
	}
	if of > u.most {
		return of, fmt.Errorf("%s is more than the keys of the user give: set auth and priv, or lower the level", name)
	}
	return of, nil
}

func authProtocol(name string) (gosnmp.SnmpV3AuthProtocol, error) {
	switch plainName(name) {
	case "":
		return gosnmp.NoAuth, nil
	case "MD5":
		return gosnmp.MD5, nil
	case "SHA", "SHA1":
		return gosnmp.SHA, nil
	case "SHA224":
		return gosnmp.SHA224, nil
	case "SHA256":
		return gosnmp.SHA256, nil
	case "SHA384":
		return gosnmp.SHA384, nil
	case "SHA512":
		return gosnmp.SHA512, nil
	}
	return gosnmp.NoAuth, fmt.Errorf("%q is not known: write MD5, SHA, SHA224, SHA256, SHA384 or SHA512", name)
}

func privProtocol(name string) (gosnmp.SnmpV3PrivProtocol, error) {
	switch plainName(name) {
	case "":
		return gosnmp.NoPriv, nil
	case "DES":
		return gosnmp.DES, nil
	case "AES", "AES128":
		return gosnmp.AES, nil
	case "AES192":
		return gosnmp.AES192, nil
	case "AES256":
		return gosnmp.AES256, nil
	case "AES192C":
		return gosnmp.AES192C, nil
	case "AES256C":
		return gosnmp.AES256C, nil
	}
	return gosnmp.NoPriv, fmt.Errorf("%q is not known: write DES, AES128, AES192, AES256, AES192C or AES256C", name)
}

// plainName makes of "sha-256", as net-snmp has it, SHA256.
func plainName(name string) string { return strings.ToUpper(strings.ReplaceAll(name, "-", "")) }

// parseEngineID returns the octets of an engine id in hexadecimal, with or
// without 0x; none for an empty one.
func parseEngineID(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	b, err := hex.DecodeString(strings.TrimPrefix(strings.ToLower(text), "0x"))
	if err != nil || len(b) < minEngineID || len(b) > maxEngineID {
		return "", fmt.Errorf("%q is no engine id: write its %d to %d octets in hexadecimal, as in \"80001f8880e9630000d61ff449\"", text, minEngineID, maxEngineID)
	}
	return string(b), nil
}

// passphraseFaults says what is wrong with the passphrases of u as they stand
// in the configuration file.
func (u *User) passphraseFaults() error {
	return errors.Join(
		passphraseFault("auth", u.Auth != "", u.AuthPassphrase, u.AuthPassphraseFile, u.AuthPassphraseEnv),
		passphraseFault("priv", u.Priv != "", u.PrivPassphrase, u.PrivPassphraseFile, u.PrivPassphraseEnv),
	)
}

// unresolved returns an error if a passphrase of u is not there, but where to
// find it.
func (u *User) unresolved() error {
	if u.Auth != "" && u.AuthPassphrase == "" {
		return fmt.Errorf("auth_passphrase: %s%s was not read", u.AuthPassphraseFile, u.AuthPassphraseEnv)
	}
	if u.Priv != "" && u.PrivPassphrase == "" {
		return fmt.Errorf("priv_passphrase: %s%s was not read", u.PrivPassphraseFile, u.PrivPassphraseEnv)
	}
	return nil
}

func passphraseFault(of string, needed bool, passphrase ingest.Secret, file, env string) error {
	n := 0
	for _, given := range []string{passphrase.Reveal(), file, env} {
		if given != "" {
			n++
		}
	}
	key := of + "_passphrase"
	switch {
	case needed && n != 1:
		return fmt.Errorf("%s: needs exactly one of %s, %s_file and %s_env, has %d", key, key, key, key, n)
	case !needed && n > 0:
		return fmt.Errorf("%s: there is no %s that it would be for: set %s, or leave the passphrase out", key, of, of)
	case passphrase != "" && len(passphrase) < minPassphrase:
		return fmt.Errorf("%s: has %d octets; SNMPv3 asks for %d at least (RFC 3414 section 11.2)", key, len(passphrase), minPassphrase)
	}
	return nil
}
