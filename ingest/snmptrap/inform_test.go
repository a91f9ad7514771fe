package snmptrap

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gosnmp/gosnmp"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// holding returns a handler that passes on what it is asked to call.
func holding() (ingest.HandlerFunc, <-chan func(ingest.Receipt)) {
	dones := make(chan func(ingest.Receipt), 16)
	return func(_ context.Context, _ []ingest.Message, done func(ingest.Receipt)) { dones <- done }, dones
}

func TestInformIsAnsweredAfterCommit(t *testing.T) {
	handler, dones := holding()
	r := run(t, Config{}, quiet(), handler)
	inform := r.client(t, "snmpinform", "-v2c", "-c", strings.Repeat("long", 50), "-r0", "-t5", "--", "1", "1.3.6.1.6.3.1.1.5.1")
	answered := make(chan error, 1)
	go func() { answered <- inform.Run() }()
	done := <-dones
	select {
	case err := <-answered:
		t.Fatalf("snmpinform ended before its inform was durable: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	done(ingest.Receipt{})
	if err := <-answered; err != nil {
		t.Errorf("snmpinform was not answered: %v", err)
	}
}

func TestInformThatIsNotDurableIsRepeated(t *testing.T) {
	handler, dones := holding()
	r := run(t, Config{}, quiet(), handler)
	inform := r.client(t, "snmpinform", "-v2c", "-c", "public", "-r1", "-t0.3", "--", "1", "1.3.6.1.6.3.1.1.5.1")
	answered := make(chan error, 1)
	go func() { answered <- inform.Run() }()
	(<-dones)(ingest.Receipt{Err: errors.New("disk full")})
	(<-dones)(ingest.Receipt{})
	if err := <-answered; err != nil {
		t.Errorf("snmpinform was not answered the second time: %v", err)
	}
}

func TestWhatWasReceivedIsHandedOnAndAnsweredBeforeTheEnd(t *testing.T) {
	const informs = 5000
	type batch struct {
		size int
		done func(ingest.Receipt)
	}
	batches := make(chan batch, informs)
	began, proceed := make(chan struct{}), make(chan struct{})
	begin := sync.OnceFunc(func() { close(began) })
	r := run(t, Config{}, quiet(), func(ctx context.Context, ms []ingest.Message, done func(ingest.Receipt)) {
		begin()
		<-proceed
		if ctx.Err() != nil {
			t.Error("handed on with a context that has ended")
		}
		batches <- batch{len(ms), done}
	})
	conn := r.send(t, unhex(t, inform))
	<-began
	for i := range informs - 1 {
		_, _ = conn.Write(unhex(t, inform))
		if i%100 == 0 {
			time.Sleep(time.Millisecond) // a default receive buffer holds no more
		}
	}
	stopped := make(chan struct{})
	go func() {
		r.stop()
		close(stopped)
	}()
	time.Sleep(20 * time.Millisecond)
	close(proceed)
	select {
	case <-stopped:
		t.Fatal("Run ended with informs unanswered")
	case <-time.After(500 * time.Millisecond):
	}
	for left := informs; left > 0; {
		select {
		case b := <-batches:
			left -= b.size
			b.done(ingest.Receipt{})
		case <-time.After(time.Second):
			t.Fatalf("%d of %d were not handed on", left, informs)
		}
	}
	<-stopped
	_ = conn.SetReadDeadline(time.Now().Add(time.Second))
	if n, err := conn.Read(make([]byte, 100)); err != nil || n != len(inform)/2 {
		t.Errorf("read %d octets: %v", n, err)
	}
}

func TestAnAnswerIsTheInformWithoutItsErrors(t *testing.T) {
	l := offline(t, Config{}, quiet())
	d := datagram(append(unhex(t, inform), 0xee))
	d.To = netip.MustParseAddr("192.0.2.1")
	l.decode([]ingest.Datagram{d})
	if len(l.answers) != 1 {
		t.Fatalf("%d answers: %v", len(l.answers), l.outcomes)
	}
	clear(d.Data) // the datagram's memory is used again before the answer is sent
	want := strings.NewReplacer("a61f", "a21f", "02020005", "02020000", "02020001", "02020000").Replace(inform)
	if got := l.answers[0]; !bytes.Equal(got.packet, unhex(t, want)) || got.to != d.From || got.from != d.To {
		t.Errorf("answer %x from %v to %v, want %s", got.packet, got.from, got.to, want)
	}
	long := datagram(sent(gosnmp.InformRequest, upTime(), linkDownOID(), bytes.Repeat(trapSecret(), 400)))
	l.decode([]ingest.Datagram{long})
	packet, err := l.plain.UnmarshalTrap(l.answers[0].packet, false)
	if err != nil || packet.PDUType != gosnmp.GetResponse || packet.RequestID != 1 || packet.Error != 0 || len(packet.Variables) != 402 {
		t.Errorf("the answer to a long inform: %+v, %v", packet, err)
	}
}

func TestASecuredInformIsTakenOnceItIsDurable(t *testing.T) {
	handler, dones := holding()
	r := run(t, withUsers(ops()), quiet(), handler)
	e := informOf(ops())
	e.engine, e.boots = r.security.own.id, r.security.own.boots
	packet := e.bytes(t)
	conn := r.send(t, packet)
	answered := func() bool {
		_ = conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		n, err := conn.Read(make([]byte, 2048))
		return err == nil && n > 0
	}
	if (<-dones)(ingest.Receipt{Err: errors.New("disk full")}); answered() {
		t.Error("an inform that is not durable was answered")
	}
	_, _ = conn.Write(packet)
	(<-dones)(ingest.Receipt{})
	if !answered() {
		t.Error("an inform that is durable was not answered")
	}
	if _, _ = conn.Write(packet); !answered() {
		t.Error("an inform that is durable was not answered again")
	}
	r.stop()
	if len(dones) != 0 || r.counts(t)[ingest.Replayed] != 1 {
		t.Errorf("handed on again: %d, %v", len(dones), r.counts(t))
	}
}
