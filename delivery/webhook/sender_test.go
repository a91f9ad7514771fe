package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"go.uber.org/goleak"

	"github.com/pdaltagent/pdaltagent/delivery"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newSender(t *testing.T, config SenderConfig, d Destination) *Sender {
	t.Helper()
	config.Version = "test"
	s, err := NewSender(config, []Destination{d}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

var _ delivery.Sender = (*Sender)(nil)

// TestAWebhookIsSignedWithEachSecret, over the bytes that are sent.
func TestAWebhookIsSignedWithEachSecret(t *testing.T) {
	var body []byte
	var header http.Header
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		header = r.Header
		body, _ = io.ReadAll(r.Body)
		w.WriteHeader(http.StatusNoContent)
	})
	s := newSender(t, SenderConfig{}, Destination{Name: "d", URL: url + "/in?a=b", Secret: "new", FormerSecret: "old"})
	d := &delivery.Delivery{ID: uuid.New(), Route: "webhook/d", Body: []byte(`{"event":{}}`)}
	answer, err := s.Send(t.Context(), d)
	if err != nil || answer.Status != http.StatusNoContent {
		t.Fatal(answer, err)
	}
	var want []string
	for _, secret := range []string{"new", "old"} {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(body)
		want = append(want, "v1="+hex.EncodeToString(mac.Sum(nil)))
	}
	got := []string{header.Get("X-PagerDuty-Signature"), header.Get("X-Webhook-Id"), header.Get("X-Webhook-Subscription"), header.Get("User-Agent"), header.Get("Content-Type"), string(body)}
	if diff := cmp.Diff([]string{strings.Join(want, ","), d.ID.String(), "d", "PDaltagent/test", "application/json", `{"event":{}}`}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := Sign([]byte("x")); got != "" {
		t.Errorf("signed with nothing: %s", got)
	}
	// RFC 4231 test case 2.
	if got := Sign([]byte("what do ya want for nothing?"), "Jefe"); got != "v1=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" {
		t.Errorf("signature %s", got)
	}
}

// TestAnswersBecomeVerdicts is the table of what each answer means.
func TestAnswersBecomeVerdicts(t *testing.T) {
	f := func(status int, retryAfter string, want error) {
		t.Helper()
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if retryAfter != "" {
				w.Header().Set("Retry-After", retryAfter)
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "why "+r.URL.RequestURI()+" s3cret\x00"+strings.Repeat("x", 1<<20)) // the client may be gone
		})
		s := newSender(t, SenderConfig{}, Destination{Name: "d", URL: url + "/T0K?k=en", Secret: "s3cret"})
		_, err := s.Send(t.Context(), &delivery.Delivery{Route: "webhook/d", Body: []byte("{}")})
		const answer = "why [secret] [secret]\uFFFD"
		cut := func(s *string) {
			if !strings.HasPrefix(*s, answer) || len(*s) > answerBytes+64 {
				t.Errorf("%d: kept %d bytes, %.60q", status, len(*s), *s)
			}
			*s = ""
		}
		switch e := err.(type) { //nolint:errorlint // a verdict is not wrapped
		case *delivery.Busy:
			cut(&e.Answer)
		case *delivery.Rejected:
			cut(&e.Answer)
		case *delivery.Failed:
			if status/100 != 3 {
				cut(&e.Answer)
			}
		}
		if diff := cmp.Diff(want, err); diff != "" {
			t.Errorf("%d (-want +got):\n%s", status, diff)
		}
	}
	f(200, "", nil)
	f(202, "", nil)
	f(400, "", &delivery.Rejected{Status: 400})
	f(401, "", &delivery.Rejected{Status: 401})
	f(410, "", &delivery.Rejected{Status: 410})
	f(408, "", &delivery.Failed{Status: 408})
	f(425, "", &delivery.Failed{Status: 425})
	f(429, "", &delivery.Busy{Status: 429})
	f(429, "7", &delivery.Busy{Status: 429, After: 7 * time.Second})
	f(429, "99999", &delivery.Busy{Status: 429, After: time.Hour})
	f(429, "-1", &delivery.Busy{Status: 429})
	f(500, "", &delivery.Failed{Status: 500})
	f(503, "", &delivery.Failed{Status: 503})
	f(503, "9", &delivery.Busy{Status: 503, After: 9 * time.Second})
	f(304, "", &delivery.Failed{Status: 304, Answer: "redirects to somewhere else, which is not followed; set the destination's url to where it should go"})
}

// TestRedirectsStayWithTheHost: a POST that stays one is followed there, and
// nowhere else.
func TestRedirectsStayWithTheHost(t *testing.T) {
	elsewhere := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the payload went elsewhere") })
	f := func(status int, to string, want bool) {
		t.Helper()
		got := ""
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/new" {
				b, _ := io.ReadAll(r.Body)
				got = r.Method + " " + string(b)
				return
			}
			http.Redirect(w, r, to, status)
		})
		s := newSender(t, SenderConfig{}, Destination{Name: "d", URL: url + "/old"})
		_, err := s.Send(t.Context(), &delivery.Delivery{Route: "webhook/d", Body: []byte("{}")})
		var failed *delivery.Failed
		if want != (err == nil) || want && got != "POST {}" || !want && (!errors.As(err, &failed) || failed.Status != status || !strings.Contains(failed.Answer, "url")) {
			t.Errorf("%d to %s: %q, %v", status, to, got, err)
		}
	}
	f(307, "/new", true)
	f(308, "/new", true)
	f(301, "/new", false)
	f(302, "/new", false)
	f(307, elsewhere, false)
	f(308, "/again", false)
}

// TestNoErrorHoldsTheURL: its path may be a secret.
func TestNoErrorHoldsTheURL(t *testing.T) {
	url := serve(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	s := newSender(t, SenderConfig{}, Destination{Name: "d", URL: url + "/T0K3N"})
	_, err := s.Send(t.Context(), &delivery.Delivery{Route: "webhook/d"})
	if err == nil || strings.Contains(err.Error(), "T0K3N") || !strings.Contains(err.Error(), strings.TrimPrefix(url, "http://")) {
		t.Errorf("got %v", err)
	}
	_, err = s.Send(t.Context(), &delivery.Delivery{Route: "webhook/gone"})
	var rejected *delivery.Rejected
	if !errors.As(err, &rejected) || !strings.Contains(err.Error(), `"gone"`) {
		t.Errorf("got %v", err)
	}
}

// TestWhoIsNotThereWasSentNothing, of which the history tells no doubt.
func TestWhoIsNotThereWasSentNothing(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	s := newSender(t, SenderConfig{}, Destination{Name: "d", URL: server.URL + "/T0K3N"})
	_, err := s.Send(t.Context(), &delivery.Delivery{Route: "webhook/d"})
	var unsent *delivery.Unsent
	if !errors.As(err, &unsent) || strings.Contains(err.Error(), "T0K3N") {
		t.Errorf("got %v", err)
	}
}

// TestAHungDestinationEndsInTime.
func TestAHungDestinationEndsInTime(t *testing.T) {
	release := make(chan struct{})
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-release
	})
	defer close(release)
	s := newSender(t, SenderConfig{Timeout: 50 * time.Millisecond}, Destination{Name: "d", URL: url})
	if _, err := s.Send(t.Context(), &delivery.Delivery{Route: "webhook/d"}); err == nil {
		t.Error("an answer that never ended was taken for acceptance")
	}
}

// TestAnAuthorityOfOnesOwnIsTrusted, and only where it is configured.
func TestAnAuthorityOfOnesOwnIsTrusted(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // a refused certificate is what the test wants
	server.StartTLS()
	defer server.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newSender(t, SenderConfig{}, Destination{Name: "d", URL: server.URL, CAFile: file})
	if _, err := s.Send(t.Context(), &delivery.Delivery{Route: "webhook/d"}); err != nil {
		t.Error(err)
	}
	s = newSender(t, SenderConfig{CAFile: file}, Destination{Name: "d", URL: server.URL})
	if _, err := s.Send(t.Context(), &delivery.Delivery{Route: "webhook/d"}); err != nil {
		t.Error("that of all destinations:", err)
	}
	s = newSender(t, SenderConfig{}, Destination{Name: "d", URL: server.URL + "/T0K3N"})
	_, err := s.Send(t.Context(), &delivery.Delivery{Route: "webhook/d"})
	var untrusted *delivery.Untrusted
	if !errors.As(err, &untrusted) || !strings.Contains(err.Error(), "set ca_file of the webhooks' destination d, or delivery.ca_file") || strings.Contains(err.Error(), "T0K3N") {
		t.Errorf("without it: %v", err)
	}
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := NewSender(SenderConfig{}, []Destination{{Name: "d", URL: server.URL, CAFile: empty}}, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "ca_file") {
		t.Errorf("an empty file: %v", err)
	}
}

// TestAProxyIsUsed for every destination.
func TestAProxyIsUsed(t *testing.T) {
	asked := ""
	proxy := serve(t, func(_ http.ResponseWriter, r *http.Request) { asked = r.URL.String() })
	s := newSender(t, SenderConfig{Proxy: proxy}, Destination{Name: "d", URL: "http://hooks.example.net/in"})
	if _, err := s.Send(t.Context(), &delivery.Delivery{Route: "webhook/d"}); err != nil || asked != "http://hooks.example.net/in" {
		t.Errorf("the proxy was asked for %q, %v", asked, err)
	}
}
