package main

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// door lets those pass who show the admin token: programs in the header
// Authorization, people by signing in, which a cookie remembers. Where there is
// no token everybody passes, as the listener is on loopback then.
type door struct {
	token  ingest.Secret
	secure bool   // browsers reach it by https
	key    []byte // signs cookies; made anew at each start, so that a restart signs everybody out
	now    func() time.Time
	logger *slog.Logger
	form   *template.Template

	guesses guesses
	refused *prometheus.CounterVec // by reason
}

// signedInFor is how long a sign-in lasts.
const signedInFor = 12 * time.Hour

func newDoor(token ingest.Secret, secure bool, logger *slog.Logger) *door {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // it never fails
	d := &door{token: token, secure: secure, key: key, now: time.Now, logger: logger, form: template.Must(template.New("").Parse(signInForm))}
	d.guesses.now = func() time.Time { return d.now() }
	d.refused = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "pdaltagent_admin_refused_total",
		Help: "Requests to the admin listener that were refused: no_token, wrong_token, too_many (wrong tokens before it), foreign (sent by another site's page).",
	}, []string{"reason"})
	for _, reason := range []string{"no_token", "wrong_token", "too_many", "foreign"} {
		d.refused.WithLabelValues(reason)
	}
	return d
}

// guard lets only those pass who are known.
func (d *door) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if d.token == "" || d.remembers(r) {
			next.ServeHTTP(w, r)
			return
		}
		if !ok {
			d.refused.WithLabelValues("no_token").Inc()
			d.ask(w, r)
			return
		}
		switch right, wait := d.judge(w, r, shown); {
		case wait > 0:
			answer(w, http.StatusTooManyRequests, "too many wrong tokens", "try again in "+wait.String(), "")
		case right:
			next.ServeHTTP(w, r)
		default:
			d.ask(w, r)
		}
	})
}

// ask shows browsers the form, and tells programs what to send.
func (d *door) ask(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html") {
		d.show(w, http.StatusUnauthorized, signInPage{Next: r.URL.RequestURI()})
		return
	}
	w.Header().Set("WWW-Authenticate", `Bearer realm="pdaltagent"`)
	answer(w, http.StatusUnauthorized, "unauthorized", "send Authorization: Bearer and the token of admin.token_file", "")
}

// guardPages is guard for what browsers show. Where there is no token, pages of
// others could have their own name lead here: that is refused.
func (d *door) guardPages(next http.Handler) http.Handler {
	guarded := d.guard(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d.token == "" && !isLoopback(hostOf(r.Host)) {
			answer(w, http.StatusForbidden, "forbidden", "without admin.token_file these pages are only for localhost and 127.0.0.1, not for "+strconv.Quote(r.Host), "")
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		guarded.ServeHTTP(w, r)
	})
}

func hostOf(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return strings.Trim(hostport, "[]")
}

// remembers tells whether a browser has signed in.
func (d *door) remembers(r *http.Request) bool {
	cookie, err := r.Cookie(d.cookieName())
	return err == nil && d.valid(cookie.Value)
}

// judge tells whether a token is the right one, or how long none is looked at
// from where it came; w is then told so, too. A wrong one is counted and logged,
// of one address so few as it may show.
func (d *door) judge(w http.ResponseWriter, r *http.Request, shown string) (right bool, wait time.Duration) {
	right = d.opens(shown)
	if wait = d.guesses.judge(r.RemoteAddr, right); wait > 0 {
		seconds := (wait + time.Second - 1) / time.Second
		w.Header().Set("Retry-After", strconv.Itoa(int(seconds)))
		d.refused.WithLabelValues("too_many").Inc()
		return false, seconds * time.Second
	}
	if !right {
		d.refused.WithLabelValues("wrong_token").Inc()
		d.logger.Warn("somebody showed the admin listener a wrong token", "remote", r.RemoteAddr)
	}
	return right, 0
}

// sameSite refuses what pages of other sites have browsers send, but for GET,
// HEAD and OPTIONS, which change nothing here.
func (d *door) sameSite(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		d.refused.WithLabelValues("foreign").Inc()
		answer(w, http.StatusForbidden, "forbidden", "a page of another site sent this: open the admin listener's own page", "")
	}))
	return protection.Handler(next)
}

// opens compares in a time that tells nothing of the token, not even its
// length.
func (d *door) opens(shown string) bool {
	got, want := sha256.Sum256([]byte(shown)), sha256.Sum256([]byte(d.token.Reveal()))
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

// cookieName has a prefix by which browsers refuse a cookie of that name from
// whoever is not this very host.
func (d *door) cookieName() string {
	if d.secure {
		return "__Host-pdaltagent"
	}
	return "pdaltagent"
}

// sign returns a cookie's value: until when it holds, and a signature.
func (d *door) sign(until time.Time) string {
	text := strconv.FormatInt(until.Unix(), 10)
	mac := hmac.New(sha256.New, d.key)
	mac.Write([]byte(text))
	return text + "." + hex.EncodeToString(mac.Sum(nil))
}

func (d *door) valid(value string) bool {
	text, _, _ := strings.Cut(value, ".")
	until, err := strconv.ParseInt(text, 10, 64)
	return err == nil && hmac.Equal([]byte(value), []byte(d.sign(time.Unix(until, 0)))) && d.now().Unix() < until
}

// signIn shows the form, and takes what it sends.
func (d *door) signIn(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		d.show(w, http.StatusOK, signInPage{Next: "/queue/", Known: d.token == "" || d.remembers(r)})
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
	next := r.PostFormValue("next")
	if !isLocal(next) {
		next = "/queue/"
	}
	if d.token != "" && !d.admits(w, r, next) {
		return
	}
	until := d.now().Add(signedInFor)
	d.setCookie(w, d.sign(until), int(signedInFor/time.Second))
	http.Redirect(w, r, next, http.StatusSeeOther)
}

// admits looks at the token of a form, and shows the form again where it does
// not open.
func (d *door) admits(w http.ResponseWriter, r *http.Request, next string) bool {
	shown := strings.TrimSpace(r.PostFormValue("token"))
	if shown == "" { // or the rest of the form never came: no guess
		d.refused.WithLabelValues("no_token").Inc()
		d.show(w, http.StatusBadRequest, signInPage{Next: next})
		return false
	}
	right, wait := d.judge(w, r, shown)
	switch {
	case wait > 0:
		d.show(w, http.StatusTooManyRequests, signInPage{Next: next, Wait: wait})
	case !right:
		d.show(w, http.StatusUnauthorized, signInPage{Next: next, Wrong: true})
	}
	return right
}

// isLocal tells whether a browser that is sent there stays with us.
func isLocal(path string) bool {
	return strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "//") && !strings.ContainsAny(path, "\\\r\n\t")
}

// signOut forgets the browser.
func (d *door) signOut(w http.ResponseWriter, r *http.Request) {
	d.setCookie(w, "", -1)
	http.Redirect(w, r, "/signin", http.StatusSeeOther)
}

func (d *door) setCookie(w http.ResponseWriter, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: d.cookieName(), Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: d.secure, SameSite: http.SameSiteStrictMode,
	})
}

// signInPage is what the page of the form depends on.
type signInPage struct {
	Next  string        // where to go from there
	Wrong bool          // the last token was
	Known bool          // the browser is signed in
	Wait  time.Duration // until a token is looked at again
}

func (d *door) show(w http.ResponseWriter, status int, p signInPage) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = d.form.Execute(w, p) // the client may be gone
}

const signInForm = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Sign in – PDaltagent</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 24rem; margin: 15vh auto; padding: 0 1rem }
  input, button { font: inherit; width: 100%; box-sizing: border-box; padding: .5rem; margin: .25rem 0 }
  [role=alert] { color: #b00020 }
  @media (prefers-color-scheme: dark) { body { background: #111; color: #eee } [role=alert] { color: #ff8a80 } }
</style>
<h1>PDaltagent</h1>
{{if .Known}}
<p>You are signed in: <a href="{{.Next}}">to the queue</a>.</p>
<form method="post" action="/signout"><button>Sign out</button></form>
{{else}}
<form method="post" action="/signin">
  {{if .Wrong}}<p role="alert">That is not the token of admin.token_file.</p>{{end}}
  {{if .Wait}}<p role="alert">Too many wrong tokens came from your address: try again in {{.Wait}}.</p>{{end}}
  <label for="token">Token of <code>admin.token_file</code></label>
  <input id="token" name="token" type="password" required autofocus autocomplete="current-password">
  <input name="next" type="hidden" value="{{.Next}}">
  <button>Sign in</button>
</form>
{{end}}
</html>
`
