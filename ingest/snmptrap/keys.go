package snmptrap

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/hmac"
	_ "crypto/md5" // the hashes that crypto.Hash makes
	_ "crypto/sha1"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"crypto/subtle"
	"encoding/binary"
	"hash"
	"sync"

	"github.com/gosnmp/gosnmp"
)

// keys are what a user authenticates and encrypts with towards one
// authoritative engine. authentic must not be called from two goroutines at
// once; the rest may.
type keys struct {
	user   *user
	engine string
	auth   []byte
	hmac   hash.Hash

	// What encrypting takes is made only when a message has been found
	// authentic: for some users it costs milliseconds.
	priv  func() []byte
	codec func() *gosnmp.GoSNMP
}

// passphraseKey turns a passphrase to a key (RFC 3414 section A.2): it hashes
// a mebibyte.
func passphraseKey(algorithm crypto.Hash, passphrase []byte) []byte {
	const length = 1 << 20
	repeated := make([]byte, 0, 1<<12+len(passphrase))
	for len(repeated) < 1<<12 {
		repeated = append(repeated, passphrase...)
	}
	h := algorithm.New()
	for left := length; left > 0; left -= len(repeated) {
		h.Write(repeated[:min(left, len(repeated))])
	}
	return h.Sum(nil)
}

// localise makes the key of one engine (RFC 3414 section A.2).
func localise(algorithm crypto.Hash, key []byte, engine string) []byte {
	h := algorithm.New()
	h.Write(key)
	h.Write([]byte(engine))
	h.Write(key)
	return h.Sum(nil)
}

// keysAt returns the keys of u at an engine. It costs microseconds.
func (u *user) keysAt(engine string) *keys {
	auth := localise(u.hash(), u.authKey(), engine)
	k := &keys{user: u, engine: engine, auth: auth, hmac: hmac.New(u.hash().New, auth)}
	k.priv = sync.OnceValue(func() []byte { return u.privKeyAt(engine) })
	k.codec = sync.OnceValue(k.newCodec)
	return k
}

// privKeyAt returns the key that u encrypts with at an engine. Where the hash
// is shorter than the key, it is extended: as draft-blumenthal-aes-usm-04
// section 3.1.2.1 says for AES192 and AES256, as
// draft-reeder-snmpv3-usm-3desede-00 section 2.1 says for AES192C and AES256C,
// which hashes another mebibyte.
func (u *user) privKeyAt(engine string) []byte {
	key := localise(u.hash(), u.privKey(), engine)
	length := 16
	switch u.priv {
	case gosnmp.AES192, gosnmp.AES192C:
		length = 24
	case gosnmp.AES256, gosnmp.AES256C:
		length = 32
	default:
	}
	if len(key) >= length {
		return key[:length]
	}
	if u.priv == gosnmp.AES192C || u.priv == gosnmp.AES256C {
		more := localise(u.hash(), passphraseKey(u.hash(), key), engine)
		return append(key, more...)[:length]
	}
	h := u.hash().New()
	h.Write(key)
	return h.Sum(key)[:length]
}

// newCodec returns what authenticates, decrypts and decodes the messages that
// are secured with k.
func (k *keys) newCodec() *gosnmp.GoSNMP {
	parameters := &gosnmp.UsmSecurityParameters{
		UserName: k.user.name, AuthoritativeEngineID: k.engine,
		AuthenticationProtocol: k.user.auth, SecretKey: k.auth,
		PrivacyProtocol: gosnmp.NoPriv,
	}
	if k.user.priv != gosnmp.NoPriv {
		parameters.PrivacyProtocol, parameters.PrivacyKey = k.user.priv, k.priv()
	}
	return &gosnmp.GoSNMP{
		Version: gosnmp.Version3, SecurityModel: gosnmp.UserSecurityModel, SecurityParameters: parameters,
	}
}

// authentic reports whether the code of m is the one that k makes of it (RFC
// 3414 section 6.3.2, RFC 7860 section 4.2.2).
func (k *keys) authentic(m *secured) bool {
	if len(m.mac) != k.user.macSize() {
		return false
	}
	var sum [64]byte
	return subtle.ConstantTimeCompare(k.code(sum[:0], m), m.mac) == 1
}

// code appends the authentication code of m, in which the field for it counts
// as zero.
func (k *keys) code(to []byte, m *secured) []byte {
	var zero [64]byte
	k.hmac.Reset()
	k.hmac.Write(m.raw[:m.macAt])
	k.hmac.Write(zero[:len(m.mac)])
	k.hmac.Write(m.raw[m.macAt+len(m.mac):])
	return k.hmac.Sum(to)[:len(to)+k.user.macSize()]
}

// encrypt returns scoped encrypted, with the salt that is sent beside it (RFC
// 3414 section 8.1.1, RFC 3826 section 3.1).
func (k *keys) encrypt(scoped []byte, boots, time uint32, counter uint64) (encrypted, salt []byte) {
	key := k.priv()
	salt = binary.BigEndian.AppendUint64(nil, counter)
	if k.user.priv == gosnmp.DES {
		binary.BigEndian.PutUint32(salt, boots)
		return encryptDES(scoped, key, salt), salt
	}
	iv := binary.BigEndian.AppendUint32(nil, boots)
	iv = append(binary.BigEndian.AppendUint32(iv, time), salt...)
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // privKeyAt returns keys of the right length
	}
	encrypted = make([]byte, len(scoped))
	cipher.NewCFBEncrypter(block, iv).XORKeyStream(encrypted, scoped) //nolint:staticcheck // RFC 3826 section 3.1 says CFB
	return encrypted, salt
}

func encryptDES(scoped, key, salt []byte) []byte {
	block, err := des.NewCipher(key[:8])
	if err != nil {
		panic(err) // eight octets are a key
	}
	iv := make([]byte, 8)
	subtle.XORBytes(iv, key[8:16], salt)
	padded := make([]byte, (len(scoped)+7)/8*8)
	copy(padded, scoped)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(padded, padded)
	return padded
}
