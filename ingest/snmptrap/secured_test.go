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

// An engine of RFC 3411 that is not ours, and ours.
const (
	theirs = "\x80\x00\x1f\x88\x80theirs"
	ours   = "\x80\x00\x00\x00\x05ours"
)

// ops is a user of authPriv, guest one that does not authenticate.
func ops() User {
	return User{Name: "ops", Auth: "SHA256", AuthPassphrase: "authenticate", Priv: "AES128", PrivPassphrase: "encrypt-it"}
}

func guest() User { return User{Name: "guest"} }

func withUsers(users ...User) Config {
	return Config{Users: users, EngineID: hex.EncodeToString([]byte(ours))}
}

// envelope is an SNMPv3 message that a test makes, with another program's
// code than that which reads it.
type envelope struct {
	user        User
	engine      string
	boots, time uint32
	flags       gosnmp.SnmpV3MsgFlags
	model       gosnmp.SnmpV3SecurityModel
	pdu         gosnmp.PDUType
	requestID   uint32
}

func trapOf(u User) envelope {
	e := envelope{user: u, engine: theirs, boots: 3, time: 1000, model: gosnmp.UserSecurityModel, pdu: gosnmp.SNMPv2Trap, requestID: 7}
	if u.Auth != "" {
		e.flags = gosnmp.AuthNoPriv
	}
	if u.Priv != "" {
		e.flags = gosnmp.AuthPriv
	}
	return e
}

func informOf(u User) envelope {
	e := trapOf(u)
	e.engine, e.boots, e.time = ours, 1, 0
	e.pdu, e.flags = gosnmp.InformRequest, e.flags|gosnmp.Reportable
	return e
}

func (e envelope) bytes(tb testing.TB) []byte {
	tb.Helper()
	u, err := newUser(&e.user)
	if err != nil {
		tb.Fatal(err)
	}
	parameters := &gosnmp.UsmSecurityParameters{
		UserName: e.user.Name, AuthoritativeEngineID: e.engine, AuthoritativeEngineBoots: e.boots, AuthoritativeEngineTime: e.time,
		AuthenticationProtocol: u.auth, AuthenticationPassphrase: e.user.AuthPassphrase.Reveal(),
		PrivacyProtocol: u.priv, PrivacyPassphrase: e.user.PrivPassphrase.Reveal(),
	}
	p := &gosnmp.SnmpPacket{
		Version: gosnmp.Version3, MsgFlags: e.flags, SecurityModel: e.model, SecurityParameters: parameters,
		ContextEngineID: e.engine, PDUType: e.pdu, MsgID: 99, RequestID: e.requestID,
		Variables: []gosnmp.SnmpPDU{
			{Name: ".1.3.6.1.2.1.1.3.0", Type: gosnmp.TimeTicks, Value: uint32(18)},
			{Name: ".1.3.6.1.6.3.1.1.4.1.0", Type: gosnmp.ObjectIdentifier, Value: ".1.3.6.1.6.3.1.1.5.3"},
			{Name: ".1.3.6.1.2.1.2.2.1.2.517", Type: gosnmp.OctetString, Value: "Gi0/17"},
		},
	}
	if e.pdu == gosnmp.Trap {
		p.Enterprise, p.AgentAddress, p.GenericTrap, p.Variables = ".1.3.6.1.4.1.9.1", "192.0.2.7", 3, p.Variables[2:]
	}
	if err := parameters.InitSecurityKeys(); err != nil {
		tb.Fatal(err)
	}
	if err := parameters.InitPacket(p); err != nil {
		tb.Fatal(err)
	}
	b, err := p.MarshalMsg()
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// outcome decodes one datagram, and returns what became of it and the answer
// that its sender gets: at once, or after the commit.
func (l *listener) outcome(b []byte) (ingest.Outcome, []byte) {
	l.decode([]ingest.Datagram{datagram(bytes.Clone(b))})
	b = nil
	for _, a := range append(l.answers, l.reports...) {
		b = a.packet
	}
	for o, n := range l.outcomes {
		if n == 1 && len(l.outcomes) == 1 && len(l.messages) == 0 {
			return o, b
		}
	}
	if len(l.outcomes) == 0 && len(l.messages) == 1 {
		return accepted, b
	}
	return "more than one", b
}

func TestASecuredTrapBecomesATrap(t *testing.T) {
	l := offline(t, withUsers(ops(), guest()), quiet())
	f := func(what string, e envelope, source string, want ingest.Trap) {
		t.Helper()
		if o, _ := l.outcome(e.bytes(t)); o != accepted {
			t.Errorf("%s: %s", what, o)
			return
		}
		if diff := cmp.Diff(&want, deepCopy(l.messages)[0].Trap); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", what, diff)
		}
		if got := l.messages[0].Source.String(); got != source {
			t.Errorf("%s: from %s, want %s", what, got, source)
		}
	}
	want := ingest.Trap{
		Version: "v3", OID: "1.3.6.1.6.3.1.1.5.3", Uptime: 18,
		Varbinds: []ingest.Varbind{{OID: "1.3.6.1.2.1.2.2.1.2.517", Type: ingest.OctetString, Value: []byte("Gi0/17")}},
	}
	const peer = "203.0.113.9"
	f("authPriv", trapOf(ops()), peer, want)
	f("noAuthNoPriv", trapOf(guest()), peer, want)
	v1 := trapOf(ops())
	v1.pdu, v1.time = gosnmp.Trap, 1001
	inV3 := want
	inV3.OID, inV3.Enterprise, inV3.Uptime = "1.3.6.1.6.3.1.1.5.4", "1.3.6.1.4.1.9.1", 0
	f("a v1 Trap-PDU", v1, "192.0.2.7", inV3)
	want.Inform = true
	f("an inform", informOf(ops()), peer, want)
	f("an inform without authentication", informOf(guest()), peer, want)
}

func TestWhatIsNotWhatItSaysIsRefused(t *testing.T) {
	other := ops()
	other.AuthPassphrase = "another passphrase"
	otherPriv := ops()
	otherPriv.PrivPassphrase = "another passphrase"
	bound := ops()
	bound.EngineID = hex.EncodeToString([]byte(theirs))
	lenient := ops()
	lenient.Level = "authNoPriv"
	unprotected := ops()
	unprotected.Level = "noAuthNoPriv"
	with := func(e envelope, change func(*envelope)) envelope {
		change(&e)
		return e
	}
	f := func(what string, users []User, e envelope, want ingest.Outcome, mangle ...func([]byte)) {
		t.Helper()
		l := offline(t, withUsers(users...), quiet())
		b := e.bytes(t)
		for _, m := range mangle {
			m(b)
		}
		if got, _ := l.outcome(b); got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	one := func(u User) []User { return []User{u} }
	flip := func(at int) func([]byte) { return func(b []byte) { b[(at+len(b))%len(b)] ^= 1 } }

	f("no such user", one(guest()), trapOf(ops()), ingest.RefusedUser)
	f("a user of another engine", one(bound), with(trapOf(ops()), func(e *envelope) { e.engine += "!" }), ingest.RefusedUser)
	f("a user of this engine", one(bound), trapOf(ops()), accepted)
	f("a user of this engine and others", []User{other, bound}, trapOf(ops()), accepted)
	f("another passphrase", one(other), trapOf(ops()), ingest.RefusedDigest)
	f("another passphrase to encrypt", one(otherPriv), trapOf(ops()), ingest.Undecryptable)
	f("changed on its way", one(ops()), trapOf(ops()), ingest.RefusedDigest, flip(-1))
	noPriv := with(trapOf(ops()), func(e *envelope) { e.flags = gosnmp.AuthNoPriv })
	f("not encrypted", one(ops()), noPriv, ingest.RefusedSecurity)
	f("not encrypted, which is allowed", one(lenient), noPriv, accepted)
	noAuth := with(trapOf(ops()), func(e *envelope) { e.flags = gosnmp.NoAuthNoPriv })
	f("not authenticated", one(ops()), noAuth, ingest.RefusedSecurity)
	f("not authenticated, less than is allowed", one(lenient), noAuth, ingest.RefusedSecurity)
	f("not authenticated, which is allowed", one(unprotected), noAuth, accepted)
	f("more than the user's keys give", one(guest()), with(trapOf(ops()), func(e *envelope) { e.user.Name = "guest" }), ingest.RefusedSecurity)
	for model := range 4 {
		forged := with(noAuth, func(e *envelope) { e.model = gosnmp.SnmpV3SecurityModel(model) })
		want := ingest.RefusedSecurity
		f("security model forged", one(ops()), forged, want)
		f("security model forged, encrypted", one(ops()), with(forged, func(e *envelope) { e.flags = gosnmp.AuthPriv }),
			map[bool]ingest.Outcome{true: accepted, false: want}[model == 3])
	}
	f("GetRequest", one(ops()), with(trapOf(ops()), func(e *envelope) { e.pdu = gosnmp.GetRequest }), ingest.Unsupported)
	f("an inform for another engine", one(ops()), with(informOf(ops()), func(e *envelope) { e.engine = theirs }), ingest.Discovery)
	f("an inform for another engine, not authentic", one(other), with(informOf(ops()), func(e *envelope) { e.engine = theirs }), ingest.Discovery)
	f("a trap whose sender wants a report", one(ops()), with(trapOf(ops()), func(e *envelope) { e.flags |= gosnmp.Reportable }), accepted)
	f("an inform of another boot", one(ops()), with(informOf(ops()), func(e *envelope) { e.boots = 2 }), ingest.Replayed)
	f("an inform of another time", one(ops()), with(informOf(ops()), func(e *envelope) { e.time = 151 }), ingest.Replayed)
	f("an inform in time", one(ops()), with(informOf(ops()), func(e *envelope) { e.time = 149 }), accepted)
}

func TestPlainTextIsNotTakenForEncrypted(t *testing.T) {
	e := trapOf(ops())
	e.flags = gosnmp.AuthNoPriv
	b := e.bytes(t)
	h, _ := readHeader(b)
	m, _ := readSecured(b, &h)
	b[bytes.Index(b, []byte{4, 1, 1, 2, 1, 3})+2] = 3 // msgFlags: authPriv
	u, _ := newUser(&e.user)
	copy(b[m.macAt:], u.keysAt(theirs).code(nil, &m)) // a user whose keys are known
	if got, _ := offline(t, withUsers(ops()), quiet()).outcome(b); got != ingest.Malformed {
		t.Errorf("%s, want malformed", got)
	}
}

func TestWhatIsNoSecuredMessageIsMalformed(t *testing.T) {
	l := offline(t, withUsers(ops(), guest()), quiet())
	f := func(what, from, to string) {
		t.Helper()
		b := bytes.Replace(inClear(theirs, pduOf(inform)), unhex(t, from), unhex(t, to), 1)
		if o, _ := l.outcome(b); o != ingest.Malformed {
			t.Errorf("%s: %s, want malformed", what, o)
		}
	}
	f("privacy without authentication", "040100 020103", "040102 020103")
	f("flags in no octet", "040100 020103", "050100 020103")
	f("a security model in no number", "040100 020103", "040100 040103")
	f("negative boots", "020100 020100", "0201ff 020100")
	f("negative time", "020100 020100", "020100 0201ff")
	f("no user", "0482000567", "0582000567")
	f("no security parameters", "0400 0400 30", "0500 0400 30")
	f("an encrypted PDU in a message that is not", "0400 0400 30", "0400 0400 04")
}

func TestARefusedMessageIsLeftAsItCame(t *testing.T) {
	get, other := trapOf(ops()), trapOf(ops())
	get.pdu = gosnmp.GetRequest
	other.user.PrivPassphrase = "another passphrase"
	l := offline(t, withUsers(ops()), quiet())
	for _, e := range []envelope{get, other} {
		d := datagram(e.bytes(t))
		before := bytes.Clone(d.Data)
		if l.decode([]ingest.Datagram{d}); len(l.messages) != 0 || !bytes.Equal(d.Data, before) {
			t.Errorf("%v: changed", l.outcomes)
		}
	}
}

// TestACodeOfAnotherLengthIsNotAuthentic has a code that is longer than any.
func TestACodeOfAnotherLengthIsNotAuthentic(t *testing.T) {
	l := offline(t, withUsers(ops()), quiet())
	for _, size := range []int{0, 8, 12, 25, 100} {
		b := tlv(0x30, []byte{2, 1, 3}, tlv(0x30, []byte{2, 1, 9}, []byte{2, 2, 5, 0xdc}, []byte{4, 1, 3}, []byte{2, 1, 3}),
			tlv(4, tlv(0x30, tlv(4, []byte(theirs)), []byte{2, 1, 0, 2, 1, 0}, tlv(4, []byte("ops")), tlv(4, make([]byte, size)), tlv(4, make([]byte, 8)))),
			tlv(4, make([]byte, 16)))
		if o, _ := l.outcome(b); o != ingest.RefusedDigest {
			t.Errorf("%d octets: %s", size, o)
		}
	}
}

func TestARepeatedTrapIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := offline(t, withUsers(ops(), guest()), quiet())
		f := func(what string, b []byte, want ingest.Outcome) {
			t.Helper()
			if got, _ := l.outcome(b); got != want {
				t.Errorf("%s: %s, want %s", what, got, want)
			}
		}
		id := uint32(0)
		at := func(boots, time uint32) []byte {
			id++
			e := trapOf(ops())
			e.boots, e.time, e.requestID = boots, time, id
			return e.bytes(t)
		}
		first := at(3, 1000)
		f("the first", first, accepted)
		f("the same again", first, ingest.Replayed)
		f("another of that second", at(3, 1000), accepted)
		time.Sleep(100 * time.Second)
		f("one that was late", at(3, 951), accepted)
		f("one that was too late", at(3, 949), ingest.Replayed)
		time.Sleep(51 * time.Second)
		f("the same again, after the window", first, ingest.Replayed)
		f("another of that second, after the window", at(3, 1000), ingest.Replayed)
		f("the engine boots", at(4, 0), accepted)
		f("one from before it booted", at(3, 1200), ingest.Replayed)
		time.Sleep(200 * time.Second)
		f("its clock is slow", at(4, 10), accepted)
		f("a boots counter that is used up", at(1<<31-1, 10), ingest.Replayed)
		f("without authentication", trapOf(guest()).bytes(t), accepted)
		f("without authentication again", trapOf(guest()).bytes(t), accepted)
	})
}

// TestACodeIsRememberedForTheWindow repeats a message whose engine's clock
// stands still, which the time window alone would take.
func TestACodeIsRememberedForTheWindow(t *testing.T) {
	start := time.Now()
	r := newReplays(start)
	if !r.add(1, start) || r.add(1, start) {
		t.Fatal("a code is not new once")
	}
	now := start.Add(generationLasts - time.Second)
	r.add(2, now)
	for at, code := range map[time.Duration]uint64{timeWindow * time.Second: 1, generationLasts + timeWindow*time.Second: 2} {
		r.add(uint64(at), start.Add(at))
		if !r.has(code) {
			t.Errorf("code %d is forgotten after %v", code, at)
		}
	}
	for i := range uint64(5 * generationSize) {
		r.add(1000+i, start)
	}
	if n := len(r.recent) + len(r.older); n > 2*generationSize {
		t.Errorf("%d codes are remembered", n)
	}
}

func TestARepeatedInformIsAnsweredAgainAndNotTaken(t *testing.T) {
	l := offline(t, withUsers(ops()), quiet())
	b := informOf(ops()).bytes(t)
	if got, answer := l.outcome(b); got != accepted || answer == nil {
		t.Fatalf("the first: %s", got)
	}
	if got, answer := l.outcome(b); got != accepted || answer == nil {
		t.Errorf("again, not yet durable: %s, answered %v", got, answer != nil)
	}
	l.security.take(l.answers, time.Now())
	if got, answer := l.outcome(b); got != ingest.Replayed || answer == nil {
		t.Errorf("again, durable: %s, answered %v", got, answer != nil)
	}
}

func TestForgedEnginesAreLimitedAndNotRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := offline(t, withUsers(ops()), quiet())
		if o, _ := l.outcome(trapOf(ops()).bytes(t)); o != accepted {
			t.Fatal(o)
		}
		forge := forger(t)
		got := map[ingest.Outcome]int{}
		for range unseenPerSource + 10 {
			o, _ := l.outcome(forge())
			got[o]++
		}
		want := map[ingest.Outcome]int{ingest.RefusedDigest: unseenPerSource - 1, ingest.RefusedEngine: 11}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		if n := len(l.security.peers.byEngine); n != 1 {
			t.Errorf("%d engines are remembered", n)
		}
		if o, _ := l.outcome(good(t, 1)[0]); o != accepted {
			t.Errorf("a trap of an engine that is known: %s", o)
		}
	})
}

func TestTheEnginesThatAreRememberedAreBounded(t *testing.T) {
	l := offline(t, withUsers(ops()), quiet())
	l.security.peers = newPeers(2)
	at := func(engine string, time uint32) ingest.Outcome {
		e := trapOf(ops())
		e.engine, e.time = theirs+engine, time
		o, _ := l.outcome(e.bytes(t))
		return o
	}
	for i, engine := range []string{"1", "2", "1", "3"} {
		if o := at(engine, uint32(1000+i)); o != accepted {
			t.Errorf("engine %s: %s", engine, o)
		}
	}
	ps := l.security.peers
	if len(ps.byEngine) != 2 || ps.order.Len() != 2 || ps.get([]byte(theirs+"1")) == nil || ps.get([]byte(theirs+"3")) == nil {
		t.Errorf("remembered: %v", ps.byEngine)
	}
}

func TestUnseenEnginesAreLimited(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	l := newLimiter(3, 5)
	count := func(source string, now time.Time) (n int) {
		for range 10 {
			if l.allow(address(source), now) {
				n++
			}
		}
		return n
	}
	got := []int{count("192.0.2.1", now), count("2001:db8::1", now), count("192.0.2.3", now), count("192.0.2.1", now.Add(time.Second))}
	if diff := cmp.Diff([]int{3, 2, 0, 3}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
