package snmptrap

import (
	"bytes"
	"encoding/hex"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gosnmp/gosnmp"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// opened decodes an answer of ours as its receiver would, who knows u.
func opened(t *testing.T, u User, b []byte) *gosnmp.SnmpPacket {
	t.Helper()
	known, _ := newUser(&u)
	codec := &gosnmp.GoSNMP{Version: gosnmp.Version3, SecurityParameters: &gosnmp.UsmSecurityParameters{
		UserName: u.Name, AuthenticationProtocol: known.auth, AuthenticationPassphrase: u.AuthPassphrase.Reveal(),
		PrivacyProtocol: known.priv, PrivacyPassphrase: u.PrivPassphrase.Reveal(),
	}}
	p, err := codec.UnmarshalTrap(bytes.Clone(b), true)
	if err != nil {
		t.Fatalf("answer %x: %v", b, err)
	}
	return p
}

func TestReportsSayWhatWasWrongAndCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := offline(t, withUsers(ops()), quiet())
		time.Sleep(77 * time.Second)
		f := func(e envelope, reader User, oid string, count uint, at level) {
			t.Helper()
			_, answer := l.outcome(e.bytes(t))
			if answer == nil {
				t.Errorf("%s: no report: %v", oid, l.outcomes)
				return
			}
			p := opened(t, reader, answer)
			usm := p.SecurityParameters.(*gosnmp.UsmSecurityParameters)
			if p.PDUType != gosnmp.Report || p.MsgID != 99 || level(p.MsgFlags) != at || p.ContextEngineID != ours ||
				usm.AuthoritativeEngineID != ours || usm.AuthoritativeEngineBoots != 1 || usm.AuthoritativeEngineTime != 77 {
				t.Errorf("%s: report %+v of %+v", oid, p, usm)
			}
			want := []gosnmp.SnmpPDU{{Name: ".1.3.6.1.6.3.15.1.1." + oid + ".0", Type: gosnmp.Counter32, Value: count}}
			if diff := cmp.Diff(want, p.Variables); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		}
		inform := func(change func(*envelope)) envelope {
			e := informOf(ops())
			e.time = 77
			change(&e)
			return e
		}
		plain := User{Name: "ops"}
		noPriv := inform(func(e *envelope) { e.flags &^= 2 })
		f(noPriv, plain, "1", 1, noAuthNoPriv)
		f(noPriv, plain, "1", 2, noAuthNoPriv)
		f(inform(func(e *envelope) { e.boots = 9 }), ops(), "2", 1, authNoPriv)
		f(inform(func(e *envelope) { e.user.Name = "nobody" }), User{Name: "nobody"}, "3", 1, noAuthNoPriv)
		f(inform(func(e *envelope) { e.engine = theirs }), plain, "4", 1, noAuthNoPriv)
		f(inform(func(e *envelope) { e.user.AuthPassphrase = "another passphrase" }), plain, "5", 1, noAuthNoPriv)
		f(inform(func(e *envelope) { e.user.PrivPassphrase = "another passphrase" }), plain, "6", 1, noAuthNoPriv)

		// A discovery probe (RFC 3414 section 4), and what wants no report.
		probe := unhex(t, "303a020103300f02024a69020300ffe30401040201030410300e0400020100020100040004000400"+"301204000400a00c020237f00201000201003000")
		o, answer := l.outcome(probe)
		p := opened(t, User{}, answer)
		if o != ingest.Discovery || p.MsgID != 0x4a69 || p.RequestID != 0x37f0 || p.Variables[0].Value != uint(2) {
			t.Errorf("%s: %+v", o, p)
		}
		silent := inform(func(e *envelope) { e.boots, e.flags = 9, gosnmp.AuthPriv })
		if o, answer := l.outcome(silent.bytes(t)); o != ingest.Replayed || answer != nil {
			t.Errorf("not reportable: %s, reported: %v", o, answer != nil)
		}
		reported := 0
		for range 2 * reportsPerSource {
			if _, answer := l.outcome(probe); answer != nil {
				reported++
			}
		}
		if reported > reportsPerSource {
			t.Errorf("%d reports in a second to one source", reported)
		}
	})
}

func TestAnInformIsAnsweredAtItsOwnLevel(t *testing.T) {
	lenient := ops()
	lenient.Level = "noAuthNoPriv"
	l := offline(t, withUsers(lenient), quiet())
	salts := map[string]bool{}
	for i, flags := range []gosnmp.SnmpV3MsgFlags{gosnmp.NoAuthNoPriv, gosnmp.AuthNoPriv, gosnmp.AuthPriv, gosnmp.AuthPriv} {
		e := informOf(lenient)
		e.flags, e.requestID = flags|gosnmp.Reportable, uint32(1000+i)
		o, answer := l.outcome(e.bytes(t))
		if o != accepted || answer == nil {
			t.Fatalf("%v: %s", flags, o)
		}
		reader := lenient
		if flags == gosnmp.NoAuthNoPriv {
			reader = User{Name: "ops"}
		}
		p := opened(t, reader, answer)
		if p.PDUType != gosnmp.GetResponse || p.MsgFlags != flags || p.MsgID != 99 || p.RequestID != e.requestID || len(p.Variables) != 3 {
			t.Errorf("%v: answer %+v", flags, p)
		}
		salts[hex.EncodeToString(p.SecurityParameters.(*gosnmp.UsmSecurityParameters).PrivacyParameters)] = true
	}
	if len(salts) != 3 {
		t.Errorf("salts %v: one is used twice", salts)
	}
}

// TestSaltsAreNotUsedAgain is about RFC 3414 section 8.1.1.1: those of DES
// differ from those of another boot.
func TestSaltsAreNotUsedAgain(t *testing.T) {
	u, err := newUser(&User{Name: "des", Auth: "MD5", AuthPassphrase: "authenticate", Priv: "DES", PrivPassphrase: "encrypt-it"})
	if err != nil {
		t.Fatal(err)
	}
	encrypted, salt := u.keysAt(ours).encrypt([]byte("123456789"), 7, 8, 0x1111222233334444)
	if hex.EncodeToString(salt) != "0000000733334444" || len(encrypted) != 16 {
		t.Errorf("salt %x of %d octets", salt, len(encrypted))
	}
}

// TestAnAnswerKeepsAnOddRequestID sends an inform, without security, whose
// request-id is negative and in four octets where one would do.
func TestAnAnswerKeepsAnOddRequestID(t *testing.T) {
	l := offline(t, withUsers(guest()), quiet())
	o, answer := l.outcome(inClear(ours, pduOf(inform)))
	if o != accepted || !bytes.Contains(answer, unhex(t, "a21f 0204ffffffff 02020000 02020000")) {
		t.Errorf("%s: answer %x", o, answer)
	}
}
