package httpevent

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/semaphore"

	"github.com/pdaltagent/pdaltagent/ingest"
)

func TestBadInputIsAnsweredWithEveryFault(t *testing.T) {
	g := start(t, Config{}, nil)
	sent := 0
	f := func(path, body string, want ...string) {
		t.Helper()
		sent++
		got := g.post(path, body)
		if got.status != http.StatusBadRequest || got.fields["status"] != "invalid event" || got.fields["message"] != "Event object is invalid" {
			t.Errorf("%s %.80s: %d %s", path, body, got.status, got.body)
			return
		}
		var faults []string
		for _, fault := range got.fields["errors"].([]any) {
			faults = append(faults, fault.(string))
		}
		if diff := cmp.Diff(want, faults); diff != "" {
			t.Errorf("%s %.80s: %s", path, body, diff)
		}
	}
	const (
		v2     = "/v2/enqueue"
		change = "/v2/change/enqueue"
		v1     = "/generic/2010-04-15/create_event.json"
		nagios = "/nagios/2010-04-15/create_event"
		key    = `"routing_key":"` + goodKey + `",`
	)
	f(v2, `{}`, "'routing_key' is missing or blank", "'event_action' is missing or blank")
	f(v2, `{"routing_key":"abc","event_action":"open"}`,
		"Length of 'routing_key' is incorrect (should be 32 characters)",
		"'event_action' is invalid (must be one of the following: 'trigger', 'acknowledge' or 'resolve')")
	f(v2, `{"routing_key":"e+93facc04764012d7bfb002500d5d1a6","event_action":"resolve","dedup_key":"a"}`,
		"Length of 'routing_key' is incorrect (should be 32 characters)",
		"'routing_key' cannot contain non-alphanumeric characters")
	f(v2, `{`+key+`"event_action":"trigger"}`, "'payload' is missing or blank")
	f(v2, `{`+key+`"event_action":"trigger","payload":{}}`,
		"'payload.summary' is missing or blank", "'payload.source' is missing or blank", "'payload.severity' is missing or blank")
	f(v2, `{`+key+`"event_action":"trigger","payload":{"summary":" ","source":null,"severity":"major"}}`,
		"'payload.summary' is missing or blank", "'payload.source' is missing or blank",
		"'payload.severity' is invalid (must be one of the following: 'critical', 'warning', 'error' or 'info')")
	f(v2, `{`+key+`"event_action":"trigger","payload":"text","links":{},"images":"x","client":1,"client_url":[],"dedup_key":7}`,
		"'dedup_key' must be a string", "'payload' must be an object", "'client' must be a string",
		"'client_url' must be a string", "'links' must be an array", "'images' must be an array")
	f(v2, `{`+key+`"event_action":"trigger","payload":{"summary":1,"source":[],"severity":{},"component":1,"group":2,"class":3}}`,
		"'payload.summary' must be a string", "'payload.source' must be a string", "'payload.severity' must be a string",
		"'payload.component' must be a string", "'payload.group' must be a string", "'payload.class' must be a string")
	f(v2, `{`+key+`"event_action":"acknowledge"}`, "'dedup_key' is missing or blank (it is required for 'acknowledge')")
	f(v2, `{`+key+`"event_action":"resolve","dedup_key":""}`, "'dedup_key' is missing or blank (it is required for 'resolve')")
	f(v2, `{`+key+`"event_action":"resolve","dedup_key":"`+strings.Repeat("é", 256)+`"}`,
		"Length of 'dedup_key' is incorrect (should be at most 255 characters)")
	f(v2, `[]`, "the body must be a JSON object")
	f(v2, ``, "the body is empty")
	f(v2, `{"a":1} x`, "JSON parse error: 1 more bytes follow the end of the JSON value")
	f(v2, `{"a":1}{"b":2}`, "JSON parse error: 7 more bytes follow the end of the JSON value")
	f(v2, `{"a":`, "JSON parse error: the body ends within a value, after 5 bytes")
	f(v2, `{'a':1}`, "JSON parse error at byte 2 of 7: invalid character '\\'' looking for beginning of object key string")
	f(v2, strings.Repeat("[", 100_000), "JSON parse error: nested deeper than 200 levels")
	f("/hooks/x", strings.Repeat("[", 201)+strings.Repeat("]", 201), "JSON parse error: nested deeper than 200 levels")
	f("/hooks/x", strings.Repeat(`{"a":`, 201)+"1"+strings.Repeat("}", 201), "JSON parse error: nested deeper than 200 levels")

	f(change, `{}`, "'routing_key' is missing or blank", "'payload' is missing or blank")
	f(change, `{`+key+`"payload":{"source":1},"links":1,"images":2}`, "'payload.summary' is missing or blank",
		"'payload.source' must be a string", "'links' must be an array", "'images' must be an array")

	f(v1, `{}`, "'service_key' is missing or blank", "'event_type' is missing or blank")
	f(v1, `{"service_key":"`+goodKey+`","event_type":"trigger"}`, "'description' is missing or blank")
	f(v1, `{"service_key":"`+goodKey+`","event_type":"resolve"}`, "'incident_key' is missing or blank")
	f(v1, `{"service_key":["x"],"event_type":"close"}`, "'service_key' must be a string",
		"'event_type' is invalid (must be one of the following: 'trigger', 'acknowledge' or 'resolve')")

	f(nagios, `HOSTNAME=a`, "'service_key' is missing or blank")
	f(nagios, `service_key=%zz`, "form parse error: a name or a value is not percent-encoded as a form must be")
	f("/x-ere/short", `{}`, "Length of 'routing_key' is incorrect (should be 32 characters)")
	f("/integration/"+goodKey+"/enqueue", `nonsense`, "JSON parse error at byte 2 of 8: invalid character 'o' in literal null (expecting 'u')")
	f("/hooks/x", ` `, "the body is empty")

	if g.count() != 0 {
		t.Errorf("%d were handed on", g.count())
	}
	if diff := cmp.Diff(map[string]int{"malformed": sent}, g.counts()); diff != "" {
		t.Error(diff)
	}
}

func TestWhatPagerDutyTakesIsTaken(t *testing.T) {
	g := start(t, Config{}, nil)
	f := func(path, body string) {
		t.Helper()
		if got := g.post(path, body); got.status/100 != 2 {
			t.Errorf("%.120s: %d %s", body, got.status, got.body)
		}
	}
	const v2, v1, key = "/v2/enqueue", "/generic/2010-04-15/create_event.json", `"routing_key":"` + goodKey + `",`
	long := strings.Repeat("s", 2000)
	f(v2, `{`+key+`"event_action":"trigger","payload":{"summary":"`+long+`","source":"a","severity":"info","timestamp":"yesterday","custom_details":"text","new":{}},"extra":1}`)
	f(v2, `{`+key+`"event_action":"trigger","dedup_key":null,"client":null,"links":null,"images":[{"url":"x"}],"payload":{"summary":"s","source":"a","severity":"info","component":null}}`)
	f(v2, `{`+key+`"event_action":"trigger","dedup_key":"`+strings.Repeat("é", 255)+`","payload":{"summary":"s","source":"a","severity":"info"}}`)
	f(v2, `{`+key+`"event_action":"resolve","dedup_key":"a","payload":{"summary":"","severity":"none"}}`)
	f(v2, `{"routing_key":"737ea619db564d41bd9824063e1f8au1","event_action":"acknowledge","dedup_key":"a"}`)
	f(v2, " \n"+trigger+"\r\n")
	f(v1, `{"service_key":"`+goodKey+`","event_type":"trigger","description":"d","details":"text","incident_key":"`+long+`"}`)
	f("/integration/"+goodKey+"/enqueue", `[]`)
	f("/integration/"+goodKey+"/enqueue", `null`)
}

func zipped(t *testing.T, body string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(body)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestGzipIsUndoneWithinTheLimit(t *testing.T) {
	g := start(t, Config{MaxBodyBytes: 4096}, nil)
	f := func(body string, want int) {
		t.Helper()
		if got := g.post("/hooks/x", body, "Content-Encoding", "gzip"); got.status != want {
			t.Errorf("%d %s, want %d", got.status, got.body, want)
		}
	}
	f(zipped(t, `{"a":1}`), http.StatusAccepted)
	if raw := string(g.last().Request.Raw); raw != `{"a":1}` {
		t.Errorf("raw %q", raw)
	}
	f(zipped(t, strings.Repeat(" ", 4095)+"1"), http.StatusAccepted)
	f(zipped(t, strings.Repeat(" ", 4096)+"1"), http.StatusRequestEntityTooLarge)
	f(zipped(t, strings.Repeat("x", 8<<20)), http.StatusRequestEntityTooLarge)
	f(`{"a":1}`, http.StatusBadRequest)
	f(zipped(t, `{"a":1}`)[:12], http.StatusBadRequest)
	if got := g.post("/hooks/x", `{}`, "Content-Encoding", "br"); got.status != http.StatusUnsupportedMediaType {
		t.Error(got.status, got.body)
	}
	if diff := cmp.Diff(map[string]int{"malformed": 2, "oversize": 2, "unsupported": 1}, g.counts()); diff != "" {
		t.Error(diff)
	}
}

func TestBodyOverTheLimitIsRefused(t *testing.T) {
	g := start(t, Config{MaxBodyBytes: 1000}, nil)
	f := func(size, want int) {
		t.Helper()
		got := g.post("/hooks/x", strings.Repeat("x", size), "Content-Type", "text/plain")
		if got.status != want {
			t.Errorf("%d bytes: %d %s, want %d", size, got.status, got.body, want)
		}
		if want == http.StatusRequestEntityTooLarge && !strings.Contains(got.body, "1000 bytes") {
			t.Errorf("the limit is not named: %s", got.body)
		}
	}
	f(1000, http.StatusAccepted)
	f(1001, http.StatusRequestEntityTooLarge)
	f(2<<20, http.StatusRequestEntityTooLarge)
	// Without a Content-Length it is found out on the way.
	q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.url+"/hooks/x", struct{ *strings.Reader }{strings.NewReader(strings.Repeat("x", 1001))})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := g.client.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Error("chunked:", resp.Status)
	}
	if got := g.counts()["oversize"]; got != 3 {
		t.Errorf("counted %d", got)
	}
}

func TestMemoryForABodyIsBounded(t *testing.T) {
	const limit, sent = 1000, 8 << 20
	r := &Receiver{maxBody: limit, large: semaphore.NewWeighted(maxLarge)}
	f := func(body, encoding string, length int64) {
		t.Helper()
		q := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/hooks/x", strings.NewReader(body))
		q.Header.Set("Content-Encoding", encoding)
		q.ContentLength = length
		to := r.newBody()
		defer to.free()
		if no := r.readBody(httptest.NewRecorder(), q, to); no == nil || no.outcome != ingest.Oversize {
			t.Errorf("%q of %d: %+v", encoding, length, no)
		}
		if to.Len() > limit+1 || to.Cap() > 10*limit {
			t.Errorf("%q of %d: %d bytes kept in %d", encoding, length, to.Len(), to.Cap())
		}
	}
	f(strings.Repeat("x", sent), "", -1)
	f(strings.Repeat("x", sent), "", sent)
	f(zipped(t, strings.Repeat("x", 100*limit)), "gzip", -1)
	f(zipped(t, strings.Repeat("x", sent)), "gzip", -1)
}

func TestTokenIsRequiredWhereOneIsSet(t *testing.T) {
	g := start(t, Config{Token: "s3cret"}, nil)
	f := func(authorization string, want int) {
		t.Helper()
		got := g.post("/v2/enqueue", trigger, "Authorization", authorization)
		if got.status != want {
			t.Errorf("%q: %d, want %d", authorization, got.status, want)
		}
		if strings.Contains(got.body, "s3cret") {
			t.Errorf("the token is told: %s", got.body)
		}
	}
	f("Bearer s3cret", 202)
	f("bearer  s3cret", 202)
	f("Token token=s3cret", 202)
	f(`Token token="s3cret"`, 202)
	f("", 401)
	f("Bearer", 401)
	f("Bearer s3cre", 401)
	f("Bearer s3crets", 401)
	f("Basic s3cret", 401)
	f("s3cret", 401)
	if diff := cmp.Diff(map[string]int{"refused_token": 6}, g.counts()); diff != "" {
		t.Error(diff)
	}
	if got := g.do(http.MethodGet, g.url+"/healthz", ""); got.status != http.StatusOK {
		t.Error("/healthz is not open:", got.status)
	}
}

func TestSourceOutsideAllowIsRefused(t *testing.T) {
	g := start(t, Config{Allow: ingest.AllowList{netip.MustParsePrefix("10.0.0.0/8")}}, nil)
	if got := g.post("/v2/enqueue", trigger); got.status != http.StatusForbidden {
		t.Error(got.status, got.body)
	}
	if diff := cmp.Diff(map[string]int{"refused_source": 1}, g.counts()); diff != "" {
		t.Error(diff)
	}
	if got := g.do(http.MethodGet, g.url+"/healthz", ""); got.status != http.StatusOK {
		t.Error("/healthz is not open:", got.status)
	}
}

func TestUnknownPathsAndMethodsSayWhatIsTaken(t *testing.T) {
	g := start(t, Config{}, nil)
	f := func(method, path string, want int, wantAllow string) {
		t.Helper()
		got := g.do(method, g.url+path, "")
		if got.status != want || got.header.Get("Allow") != wantAllow || got.fields["message"] == nil {
			t.Errorf("%s %s: %d, allow %q, %s", method, path, got.status, got.header.Get("Allow"), got.body)
		}
	}
	f("POST", "/v3/enqueue", 404, "")
	f("POST", "/hooks/", 404, "")
	f("POST", "/hooks/a/b", 404, "")
	f("GET", "/", 404, "")
	f("GET", "/v2/enqueue", 405, "POST")
	f("PUT", "/x-ere/"+goodKey, 405, "POST")
	f("POST", "/readyz", 405, "GET, HEAD")
	if diff := cmp.Diff(map[string]int{"unsupported": 5}, g.counts()); diff != "" {
		t.Error(diff)
	}
}

// loud has the next refusal logged.
func (g *rig) loud() {
	g.r.refusals.mu.Lock()
	defer g.r.refusals.mu.Unlock()
	g.r.refusals.last = time.Time{}
}

func TestNoKeyGetsIntoAnswersOrLogs(t *testing.T) {
	const secret = "SECRETSECRETSECRETSECRET"
	g := start(t, Config{Token: "tokentoken"}, nil)
	sent := 0
	f := func(method, path, body string, header ...string) {
		t.Helper()
		g.loud()
		sent++
		if header == nil {
			header = []string{"Authorization", "Bearer tokentoken"}
		}
		got := g.do(method, g.url+path, body, header...)
		if got.status/100 != 4 || strings.Contains(got.body, secret) {
			t.Errorf("%d %s", got.status, got.body)
		}
		logged := g.log.String()
		if n := strings.Count(logged, "event refused"); n != sent {
			t.Errorf("%s %s: %d refusals are logged of %d", method, path, n, sent)
		}
		if strings.Contains(logged, secret) || strings.Contains(logged, "tokentoken") {
			t.Fatal("a secret was logged:", logged)
		}
	}
	f("POST", "/x-ere/"+secret, `{}`)
	f("POST", "/x-ere/"+secret+"/more", `{}`)
	f("POST", "/"+secret, `{}`)
	f("PUT", "/x-ere/"+secret, "")
	f("POST", "/integration/"+secret+"/enqueue", `{`)
	f("POST", "/v2/enqueue", `{"routing_key":"`+secret+`"}`)
	f("POST", "/v2/enqueue", `{"routing_key":"`+secret)
	f("POST", "/nagios/2010-04-15/create_event", `service_key=`+secret+`%`)
	f("POST", "/v2/enqueue", trigger, "Authorization", "Bearer "+secret)
}
