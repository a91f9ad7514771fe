package httpevent

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// wire sends what a test says, byte for byte, and returns all that comes back
// until the connection is closed, or stays silent for a while.
func (g *rig) wire(sent ...string) string {
	g.t.Helper()
	conn := g.dial()
	defer func() { _ = conn.Close() }()
	var got bytes.Buffer
	for _, part := range sent {
		if _, err := io.WriteString(conn, part); err != nil {
			break // the answer says why
		}
		_ = conn.SetReadDeadline(time.Now().Add(150 * time.Millisecond))
		_, _ = io.Copy(&got, conn)
	}
	return got.String()
}

func (g *rig) dial() net.Conn {
	g.t.Helper()
	conn, err := (&net.Dialer{}).DialContext(g.t.Context(), "tcp", g.r.Addrs()[0].String())
	if err != nil {
		g.t.Fatal(err)
	}
	return conn
}

func TestOddButValidHTTPIsUnderstood(t *testing.T) {
	g := start(t, Config{}, nil)
	length := fmt.Sprintf("Content-Length: %d\r\n", len(trigger))
	const taken = `{"status":"success","message":"Event processed","dedup_key":"given-key"}`
	f := func(name string, wantTaken int, sent ...string) {
		t.Helper()
		before := g.count()
		got := g.wire(sent...)
		if g.count()-before != wantTaken || strings.Count(got, taken) != wantTaken {
			t.Errorf("%s: %d taken of %d, answered %s", name, g.count()-before, wantTaken, got)
		}
	}
	post := "POST /v2/enqueue HTTP/1.1\r\nHost: x\r\n"
	one := post + length + "\r\n" + trigger
	f("HTTP/1.0", 1, "POST /v2/enqueue HTTP/1.0\r\n"+length+"\r\n"+trigger)
	f("absolute form", 1, "POST http://events.pagerduty.com/v2/enqueue HTTP/1.1\r\nHost: events.pagerduty.com\r\n"+length+"\r\n"+trigger)
	f("a query", 1, "POST /v2/enqueue?a=b HTTP/1.1\r\nHost: x\r\n"+length+"\r\n"+trigger)
	f("pipelined", 3, one+one+one)
	f("a byte at the end of a packet", 1, post+length+"\r\n"+trigger[:10], trigger[10:])
	f("chunked with a trailer", 1, post+"Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"+
		fmt.Sprintf("%x\r\n%s\r\n", len(trigger), trigger)+"0\r\nX-Sum: 1\r\n\r\n")
	f("chunk by chunk", 1, post+"Transfer-Encoding: chunked\r\n\r\n", fmt.Sprintf("5\r\n%s\r\n", trigger[:5]),
		fmt.Sprintf("%x;ext=1\r\n%s\r\n0\r\n\r\n", len(trigger)-5, trigger[5:]))
	got := g.wire(post+"Expect: 100-continue\r\n"+length+"\r\n", trigger)
	if !strings.HasPrefix(got, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202") {
		t.Errorf("Expect: 100-continue: %s", got)
	}
	got = g.wire(post + "Expect: 100-continue\r\nContent-Length: 600000\r\n\r\n")
	if !strings.HasPrefix(got, "HTTP/1.1 413") {
		t.Errorf("Expect: 100-continue of too much: %s", got)
	}
}

func TestBrokenHTTPIsRefusedAndTheNextServed(t *testing.T) {
	g := start(t, Config{}, nil)
	post := "POST /v2/enqueue HTTP/1.1\r\nHost: x\r\n"
	f := func(name, want string, sent ...string) {
		t.Helper()
		if got := g.wire(sent...); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
		if got := g.post("/v2/enqueue", trigger); got.status != http.StatusAccepted {
			t.Errorf("after %s: %d", name, got.status)
		}
	}
	f("shorter than its length", "HTTP/1.1 400", post+"Content-Length: 5\r\n\r\n"+trigger)
	f("no length", "HTTP/1.1 400", post+"\r\n")
	f("two lengths", "HTTP/1.1 400", post+"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}")
	f("a negative length", "HTTP/1.1 400", post+"Content-Length: -1\r\n\r\n{}")
	f("a bad chunk", "HTTP/1.1 400", post+"Transfer-Encoding: chunked\r\n\r\nzz\r\n")
	f("an unknown coding", "HTTP/1.1 501", post+"Transfer-Encoding: zip\r\n\r\n")
	f("no request", "HTTP/1.1 400", "\x16\x03\x01 hello\r\n\r\n")
	f("a header of 100 KB", "HTTP/1.1 431", post+"X-Long: "+strings.Repeat("x", 100<<10)+"\r\n\r\n")
	f("an unknown expectation", "HTTP/1.1 417", post+"Expect: miracles\r\nContent-Length: 2\r\n\r\n{}")

	conn := g.dial()
	if _, err := fmt.Fprintf(conn, "%sContent-Length: 500\r\n\r\n%s", post, trigger); err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	_ = conn.Close()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("longer than its length: %s", resp.Status)
	}
}

func TestHostileBodiesAreTakenOrRefusedAsAWhole(t *testing.T) {
	g := start(t, Config{}, nil)
	event := func(details string) string {
		return trigger[:len(trigger)-2] + `,"custom_details":` + details + `}}`
	}
	f := func(body string, want int) {
		t.Helper()
		if got := g.post("/v2/enqueue", body); got.status != want {
			t.Errorf("%.60s…: %d %s, want %d", body, got.status, got.body, want)
			return
		}
		if want != http.StatusAccepted {
			return
		}
		storable(t, g.last().Request.Body)
		if _, err := json.Marshal(g.last().Request.Body); err != nil {
			t.Error(err)
		}
	}
	f(event(`{"n":1e999999,"m":-1e999999,"k":`+strings.Repeat("9", 5000)+`}`), 202)
	f(event(`{"nul":"\u0000","\u0000":"\ud800","pair":"\udc00\ud800"}`), 202)
	f(event("{\"raw\":\"\xff\xfe\xc0\x80\"}"), 202)
	f(event(strings.Repeat("[", 190)+strings.Repeat("]", 190)), 202)
	f(event(strings.Repeat("[", 9000)+strings.Repeat("]", 9000)), 400)
	f(event(`{"a":1,"a":{"b":2},"a":[3]}`), 202)
	f(strings.Replace(trigger, "disk full", strings.Repeat("s", 400<<10), 1), 202)
	f(event("["+strings.Repeat("{},", 100_000)+"{}]"), 202)
	f(event(`{"`+strings.Repeat(`a":0,"`, 50_000)+`z":1}`), 202)
	f(strings.Repeat(" ", 300<<10)+trigger, 202)
	f(trigger+trigger, 400)
	f("\xef\xbb\xbf"+trigger, 202)
	f(`{"routing_key":"`+goodKey+`","routing_key":["x"]}`, 400)
	if got := g.post("/v2/enqueue", trigger, "Content-Type", "\"};,=//"); got.status != http.StatusAccepted {
		t.Error("an odd content type:", got.status)
	}
}

func TestTextInOtherCharsetsIsRead(t *testing.T) {
	g := start(t, Config{}, nil)
	f := func(path, contentType, body string, want any, wantRaw string) {
		t.Helper()
		if got := g.post(path, body, "Content-Type", contentType); got.status/100 != 2 {
			t.Fatalf("%s: %d %s", contentType, got.status, got.body)
		}
		req := g.last().Request
		if object, ok := req.Body.(map[string]any); ok && object["a"] != want || !ok && req.Body != want || string(req.Raw) != wantRaw {
			t.Errorf("%s: body %v raw %q, want %v %q", contentType, req.Body, req.Raw, want, wantRaw)
		}
	}
	f("/hooks/x", "text/plain; charset=iso-8859-1", "caf\xe9", "café", "café")
	f("/hooks/x", "application/json; charset=windows-1252", "{\"a\":\"\x80\"}", "€", `{"a":"€"}`)
	f("/hooks/x", "text/json", "\xff\xfe{\x00\"\x00a\x00\"\x00:\x001\x00}\x00", 1, `{"a":1}`)
	integration := "/integration/" + goodKey + "/enqueue"
	f(integration, "application/json", "\xef\xbb\xbf{\"a\": 1}", 1, "\xef\xbb\xbf{\"a\": 1}") // byte for byte
}

func TestSendersOwnRequestIDIsKept(t *testing.T) {
	g := start(t, Config{}, nil)
	got := g.post("/hooks/x", "1", "X-Request-Id", "mine")
	m := g.last()
	if got.header.Get("X-Request-Id") != m.ID.String() || m.Request.Headers["x-request-id"] != "mine" {
		t.Errorf("answered %q, kept %q", got.header.Get("X-Request-Id"), m.Request.Headers["x-request-id"])
	}
	for path, body := range map[string]string{"/v2/enqueue": "{", "/v9/enqueue": trigger, "/hooks/x": ""} {
		g.loud()
		id := g.post(path, body).header.Get("X-Request-Id")
		if len(id) != 36 || !strings.Contains(g.log.String(), "id="+id) {
			t.Errorf("%s: the id %q is not in the log: %s", path, id, g.log)
		}
	}
	if strings.Contains(g.log.String(), "v9/enqueue") {
		t.Error("an unknown path is logged whole:", g.log)
	}
}

func TestNoKeyStaysInTheBody(t *testing.T) {
	g := start(t, Config{}, nil)
	const form = "service_key=" + goodKey + "&CONTACTPAGER=" + goodKey + "&HOSTNAME=a"
	for path, body := range map[string]string{
		"/v2/enqueue":                           trigger,
		"/generic/2010-04-15/create_event.json": `{"service_key":"` + goodKey + `","event_type":"trigger","description":"d"}`,
		"/nagios/2010-04-15/create_event":       form,
	} {
		g.post(path, body)
		if req := g.last().Request; strings.Contains(fmt.Sprint(req.Body), goodKey) || req.Key.Reveal() != goodKey {
			t.Errorf("%s: %v", path, req.Body)
		}
	}
}

// TestLargeBodiesShareTheirRoom: when it is taken, small ones still pass.
func TestLargeBodiesShareTheirRoom(t *testing.T) {
	g := start(t, Config{}, nil)
	if !g.r.large.TryAcquire(maxLarge) {
		t.Fatal("room is taken before a request came")
	}
	if got := g.post("/v2/enqueue", trigger); got.status != http.StatusAccepted {
		t.Errorf("a small one: %d", got.status)
	}
	large := strings.Repeat(" ", maxSmall) + trigger
	got := make(chan reaction, 1)
	go func() { got <- g.post("/v2/enqueue", large) }()
	select {
	case got := <-got:
		t.Errorf("a large one is answered %d at once", got.status)
	case <-time.After(100 * time.Millisecond):
	}
	g.r.large.Release(maxLarge)
	if got := <-got; got.status != http.StatusAccepted {
		t.Errorf("a large one: %d", got.status)
	}
	if !g.r.large.TryAcquire(maxLarge) {
		t.Error("a large one keeps its room")
	}
	defer g.r.large.Release(maxLarge)
	if got := g.post("/v2/enqueue", large); got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
		t.Errorf("a large one without room: %d %s", got.status, got.body)
	}
	if got := g.counts()[string(ingest.Overloaded)]; got != 1 {
		t.Errorf("counted %d", got)
	}
}

func TestHTTPOnTheTLSPortIsTold(t *testing.T) {
	g := start(t, Config{Listen: []string{"https://127.0.0.1:0"}}, nil)
	if got := g.wire("POST /v2/enqueue HTTP/1.1\r\nHost: x\r\n\r\n"); !strings.Contains(got, "400") || !strings.Contains(got, "HTTPS") {
		t.Error(got)
	}
	_, err := tls.Dial("tcp", g.r.Addrs()[0].String(), &tls.Config{MaxVersion: tls.VersionTLS11, InsecureSkipVerify: true}) //nolint:noctx // it is refused at once
	if err == nil {
		t.Error("TLS 1.1 is taken")
	}
}

// FuzzPost posts bodies to every endpoint: each is answered in PagerDuty's
// shape, and what is handed on can be stored.
func FuzzPost(f *testing.F) {
	for i := range endpoints() {
		for _, seed := range []string{trigger, `{"a":[1]}`, `service_key=` + goodKey + `&a=%00`, "\xff\xfe{\x00}\x00", "", `{"event_action":{},"payload":[]}`} {
			f.Add(byte(i), "application/json; charset=utf-16", []byte(seed))
			f.Add(byte(i), formMedia, []byte(seed))
		}
	}
	f.Fuzz(func(t *testing.T, which byte, contentType string, body []byte) {
		answerTo(t, which, contentType, body)
	})
}

func answerTo(t *testing.T, which byte, contentType string, body []byte) {
	t.Helper()
	var got []ingest.Message
	r := bare(t, func(ms []ingest.Message) {
		got = append(got, ms...)
		for _, m := range ms {
			storable(t, m.Request.Body)
		}
	})
	all := endpoints()
	path := strings.NewReplacer("{routing_key}", goodKey, "{name}", "x").Replace(all[int(which)%len(all)].path)
	q := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, bytes.NewReader(body))
	q.Header["Content-Type"] = []string{contentType}
	w := httptest.NewRecorder()
	r.server.Handler.ServeHTTP(w, q)
	var answered reply
	if err := json.Unmarshal(w.Body.Bytes(), &answered); err != nil {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	switch {
	case w.Code/100 == 2 && answered.Status == "success" && len(got) == 1:
	case w.Code == http.StatusBadRequest && len(answered.Errors) > 0 && len(got) == 0:
	default:
		t.Errorf("%d %s, %d handed on", w.Code, w.Body, len(got))
	}
}

// bare returns a Receiver without listeners.
func bare(t *testing.T, take func([]ingest.Message)) *Receiver {
	t.Helper()
	handler := ingest.HandlerFunc(func(_ context.Context, ms []ingest.Message, done func(ingest.Receipt)) {
		take(ms)
		done(ingest.Receipt{Events: 1})
	})
	r, err := New(t.Context(), Config{}, nil, handler, ingest.NewTally(prometheus.NewRegistry()), nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return r
}
