package main

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

const adminToken = "a token that nobody guesses"

// visit sends one request to a handler behind a door.
func visit(t *testing.T, d *door, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/signin", d.signIn)
	mux.HandleFunc("/signout", d.signOut)
	mux.Handle("/", d.guardPages(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "inside") })))
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	r.Host = "127.0.0.1:8081"
	for i := 0; i < len(headers); i += 2 {
		switch r.Header.Set(headers[i], headers[i+1]); headers[i] {
		case "Host":
			r.Host = headers[i+1]
		case "Remote":
			r.RemoteAddr = headers[i+1]
		}
	}
	w := httptest.NewRecorder()
	d.sameSite(mux).ServeHTTP(w, r)
	return w
}

const formType = "application/x-www-form-urlencoded"

// signedIn returns the cookie of somebody who has signed in.
func signedIn(t *testing.T, d *door, next string) (*http.Cookie, string) {
	t.Helper()
	resp := visit(t, d, http.MethodPost, "/signin", url.Values{"token": {adminToken}, "next": {next}}.Encode(), "Content-Type", formType)
	cookie, err := http.ParseSetCookie(resp.Header().Get("Set-Cookie"))
	if resp.Code != http.StatusSeeOther || err != nil {
		t.Fatalf("signed in: %d, %v", resp.Code, err)
	}
	return cookie, resp.Header().Get("Location")
}

// TestTheDoorOpensForTheTokenAlone: in the header, or in a cookie that we have
// signed, that is not too old, and that scripts and other sites do not get.
func TestTheDoorOpensForTheTokenAlone(t *testing.T) {
	d := newDoor(adminToken, true, slog.New(slog.DiscardHandler))
	f := func(want int, headers ...string) {
		t.Helper()
		if resp := visit(t, d, http.MethodGet, "/queue/", "", headers...); resp.Code != want {
			t.Errorf("%q: %d, want %d", headers, resp.Code, want)
		}
	}
	cookie, _ := signedIn(t, d, "")
	if !cookie.HttpOnly || !cookie.Secure || cookie.SameSite != http.SameSiteStrictMode || strings.Contains(cookie.Value, adminToken) {
		t.Errorf("the cookie is %s", cookie)
	}
	until, signature, _ := strings.Cut(cookie.Value, ".")
	other := newDoor(adminToken, true, slog.New(slog.DiscardHandler))
	name := cookie.Name + "="

	f(200, "Authorization", "Bearer "+adminToken)
	f(200, "Cookie", name+cookie.Value)
	f(401)
	f(401, "Authorization", "Bearer ")
	f(401, "Authorization", adminToken)
	f(401, "Authorization", "Bearer "+adminToken+" ")
	f(401, "Authorization", "Bearer "+adminToken[1:])
	f(401, "Cookie", name)
	f(401, "Cookie", name+adminToken)
	f(401, "Cookie", name+"9"+until+"."+signature)
	f(401, "Cookie", name+until+".")
	f(401, "Cookie", name+until)
	f(401, "Cookie", name+other.sign(time.Now().Add(time.Hour)))
	f(401, "Cookie", "pdaltagent="+cookie.Value)
	d.now = func() time.Time { return time.Now().Add(signedInFor + time.Second) }
	f(401, "Cookie", name+cookie.Value)
}

// TestSigningInLeadsBackToThePage, and never to another site.
func TestSigningInLeadsBackToThePage(t *testing.T) {
	d := newDoor(adminToken, false, slog.New(slog.DiscardHandler))
	f := func(next, want string) {
		t.Helper()
		if _, got := signedIn(t, d, next); got != want {
			t.Errorf("%q leads to %q, want %q", next, got, want)
		}
	}
	f("/queue/jobs?state=running", "/queue/jobs?state=running")
	f("", "/queue/")
	f("https://evil.example", "/queue/")
	f("//evil.example", "/queue/")
	f(`/\evil.example`, "/queue/")
	f("/\t/evil.example", "/queue/")
	f("javascript:alert(1)", "/queue/")
}

// TestAWrongTokenIsRefusedAndLogged without the token, and what was asked for
// is text in the form.
func TestAWrongTokenIsRefusedAndLogged(t *testing.T) {
	var log strings.Builder
	d := newDoor(adminToken, false, slog.New(slog.NewTextHandler(&log, nil)))
	resp := visit(t, d, http.MethodPost, "/signin", "token=guess&next=/queue/jobs", "Content-Type", formType)
	body, cookie := resp.Body.String(), resp.Header().Get("Set-Cookie")
	if resp.Code != http.StatusUnauthorized || cookie != "" || !strings.Contains(body, "not the token") || !strings.Contains(body, `value="/queue/jobs"`) {
		t.Errorf("%d %s %s", resp.Code, cookie, body)
	}
	if !strings.Contains(log.String(), "wrong token") || strings.Contains(log.String(), "guess") {
		t.Errorf("logged: %s", log.String())
	}
	resp = visit(t, d, http.MethodGet, `/queue/jobs?"><script>alert(1)</script>`, "", "Accept", "text/html")
	if body := resp.Body.String(); resp.Code != http.StatusUnauthorized || strings.Contains(body, "<script>") || !strings.Contains(body, "<form") {
		t.Errorf("%d %s", resp.Code, body)
	}
}

// TestWithoutATokenPagesAreForThisHostAlone: a name that somebody else has lead
// to 127.0.0.1 opens nothing.
func TestWithoutATokenPagesAreForThisHostAlone(t *testing.T) {
	d := newDoor("", false, slog.New(slog.DiscardHandler))
	f := func(host string, want int) {
		t.Helper()
		if resp := visit(t, d, http.MethodGet, "/queue/", "", "Host", host); resp.Code != want {
			t.Errorf("%s: %d, want %d", host, resp.Code, want)
		}
	}
	f("127.0.0.1:8081", 200)
	f("localhost:8081", 200)
	f("localhost", 200)
	f("[::1]:8081", 200)
	f("evil.example:8081", 403)
	f("127.0.0.1.evil.example", 403)
	f("192.0.2.1:8081", 403)
}

// TestTheQueuesPagesShowJobsAndChangeNothing: the appliance's own, with our
// schema and this node's queue.
func TestTheQueuesPagesShowJobsAndChangeNothing(t *testing.T) {
	file := settings(t, "")
	rewrite(t, file, `admin: { listen: "http://127.0.0.1:0" }`, `admin: { listen: "http://127.0.0.1:0", token: "`+adminToken+`" }`)
	a := begin(t, file)
	base := "http://" + a.admin.Addr().String()
	post(t, "http://"+a.http.Addrs()[0].String()+"/v2/enqueue", `{"routing_key":"`+testKey+`","event_action":"trigger","dedup_key":"disk","payload":{"summary":"s","source":"h","severity":"info"}}`)
	a.eventually(t, "delivered", `SELECT state FROM deliveries`)
	a.eventually(t, "completed", `SELECT state FROM river.river_job WHERE kind = 'deliver_v1'`)
	if got := get(t, base+"/queue/api/jobs?state=completed"); !strings.Contains(got, "unauthorized") {
		t.Errorf("without the token: %s", got)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	ask := func(method, path, body string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", formType)
		resp, err := browser.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close() //nolint:errcheck // read only
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(text)
	}
	f := func(method, path, body string, status int, want string) {
		t.Helper()
		if got, text := ask(method, path, body); got != status || !strings.Contains(text, want) {
			t.Errorf("%s %s: %d %s\nwant %d %s", method, path, got, text, status, want)
		}
	}
	id := a.sql(t, `SELECT id FROM river.river_job WHERE kind = 'deliver_v1'`)
	f(http.MethodPost, "/signin", url.Values{"token": {adminToken}, "next": {"/queue/"}}.Encode(), 200, `<div id="root"`)
	f(http.MethodGet, "/queue", "", 200, `<div id="root"`)
	f(http.MethodGet, "/queue/api/jobs?state=completed", "", 200, `"kind":"deliver_v1"`)
	f(http.MethodGet, "/queue/api/queues", "", 200, `"name":"deliveries-test"`)
	f(http.MethodGet, "/queue/api/features", "", 200, `"job_list_hide_args_by_default":true`)
	f(http.MethodGet, "/queue/api/states", "", 200, `"completed":{`)
	f(http.MethodGet, "/metrics", "", 200, "pdaltagent_")
	f(http.MethodPost, "/queue/api/jobs/delete", `{"ids":["`+id+`"]}`, 403, "only show")
	f(http.MethodPost, "/queue/api/jobs/retry", `{"ids":["`+id+`"]}`, 403, "only show")
	f(http.MethodPut, "/queue/api/queues/deliveries-test/pause", "", 403, "only show")
	f(http.MethodGet, "/signin", "", 200, "Sign out")
	f(http.MethodPost, "/signout", "", 200, "Sign in")
	f(http.MethodGet, "/queue/api/states", "", 401, "unauthorized")
	browser.CloseIdleConnections()
}

// TestAPersonSeesTheJobsInABrowser: signs in with the form, and sees the jobs
// without their arguments.
func TestAPersonSeesTheJobsInABrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser")
	}
	b := newBrowser(t)
	file := settings(t, "")
	rewrite(t, file, `admin: { listen: "http://127.0.0.1:0" }`, `admin: { listen: "http://127.0.0.1:0", token: "`+adminToken+`" }`)
	a := begin(t, file)
	post(t, "http://"+a.http.Addrs()[0].String()+"/v2/enqueue", `{"routing_key":"`+testKey+`","event_action":"trigger","dedup_key":"disk","payload":{"summary":"s","source":"h","severity":"info"}}`)
	a.eventually(t, "completed", `SELECT state FROM river.river_job WHERE kind = 'deliver_v1'`)
	b.open("http://" + a.admin.Addr().String() + "/queue/jobs?state=completed")
	b.until(`document.querySelector('#token') !== null`)
	b.eval(`document.querySelector('#token').value = '` + adminToken + `'; document.querySelector('button').click()`)
	b.until(`document.body.innerText.includes('deliver_v1')`)
	delivery := a.sql(t, `SELECT id::text FROM deliveries`)
	for _, argument := range []string{delivery, "delivery_id", testKey} {
		if text := b.eval(`document.documentElement.outerHTML`); strings.Contains(text, argument) {
			t.Errorf("the page shows %s", argument)
		}
	}
	b.eval(`location = '/queue/queues'`)
	b.until(`document.body.innerText.includes('deliveries-test')`)
	if got := b.eval(`document.cookie`); got != "" {
		t.Errorf("scripts see the cookie %s", got)
	}
}
