package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pdaltagent/pdaltagent/delivery/sandbox"
	"github.com/pdaltagent/pdaltagent/ingest"
)

// keep is a buffer that may be written to and read at once.
type keep struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (k *keep) Write(p []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.b.Write(p)
}

func (k *keep) String() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.b.String()
}

// secrets are what nobody may read anywhere, by what they are.
type secrets struct {
	configured map[string]string
	senders    map[string]string // integration keys that senders bring along
}

func newSecrets() secrets {
	key := func(n int) string { return fmt.Sprintf("5ec2e7%026d", n) }
	return secrets{
		map[string]string{
			"route's key": key(1), "x-ere route's key": "R" + key(2)[1:], "v1 route's key": key(3),
			"admin token": "adm1n-t0ken-of-ours", "ingest token": "1ngest-t0ken-of-ours",
			"community": "c0mmunity-of-ours", "v3 auth passphrase": "auth-p4ssphrase", "v3 priv passphrase": "priv-p4ssphrase",
			"proxy's password": "pr0xy-password",
			"API token":        "4pi-t0ken-of-ours", "webhooks' secret": "h00k-secret-of-ours", "webhooks' former secret": "f0rmer-secret-of-ours", "webhooks' path": "h00k-path-of-ours",
		},
		map[string]string{
			"v2": key(11), "change": key(12), "x-ere": "R" + key(13)[1:], "integration": key(14), "v1": key(15), "nagios": key(16),
			"pd-send": key(17), "header": key(18), "misplaced": key(19), "malformed": key(20), "unreachable": "R" + key(21)[1:], "distrusted": key(22),
		},
	}
}

// in returns which secrets a text holds, as they are or in one of the forms
// that tables and pages give to bytes.
func (s secrets) in(text string, senders bool) (found []string) {
	low := strings.ToLower(text)
	holds := func(secret string) bool {
		return strings.Contains(low, strings.ToLower(secret)) || strings.Contains(low, hex.EncodeToString([]byte(secret))) ||
			strings.Contains(text, strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(secret)), "="))
	}
	for name, secret := range s.configured {
		if holds(secret) {
			found = append(found, name)
		}
	}
	for name, secret := range s.senders {
		if senders && holds(secret) {
			found = append(found, "sender's key ("+name+")")
		}
	}
	return found
}

// echo is a PagerDuty that repeats what it was told, and does what a text in it
// says.
func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body) // what is cut off is echoed as it is
	said := r.URL.Path + " " + string(body)
	switch {
	case strings.Contains(said, "mode-refuse"):
		w.WriteHeader(http.StatusBadRequest)
	case strings.Contains(said, "mode-fail"):
		w.WriteHeader([]int{500, 202, 202}[time.Now().UnixNano()/1000%3]) // it gets through in the end
	case strings.Contains(said, "mode-busy"):
		w.WriteHeader([]int{429, 202, 202}[time.Now().UnixNano()/1000%3])
	case strings.Contains(said, "mode-reset"):
		panic(http.ErrAbortHandler)
	case strings.Contains(said, "mode-redirect"):
		w.Header().Set("Location", "https://elsewhere.example"+r.URL.Path)
		w.WriteHeader(http.StatusTemporaryRedirect)
	default:
		w.WriteHeader(http.StatusAccepted)
	}
	fmt.Fprintf(w, `{"message":"you said: %s"} %s`, said, strings.ToUpper(said))
}

// logEntries is an echo that has a log, in which something of each kind happens
// once; every third time that it is asked it refuses the token, or fails, and
// repeats it.
func logEntries(t *testing.T, s secrets) http.Handler {
	t.Helper()
	stand, asked := sandbox.New(sandbox.Config{Token: ingest.Secret(s.configured["API token"])}), 0
	var mu sync.Mutex
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/log_entries" {
			if strings.HasPrefix(r.URL.Path, "/"+s.configured["webhooks' path"]) {
				r.Body = io.NopCloser(io.MultiReader(r.Body, strings.NewReader(" "+r.URL.RawQuery+strings.Join(s.hooks(), " "))))
			}
			echo(w, r)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		switch asked++; {
		case asked%3 == 0:
			w.WriteHeader([]int{http.StatusUnauthorized, http.StatusInternalServerError}[asked/3%2])
			token := r.Header.Get("Authorization")
			fmt.Fprint(w, token, strings.ToUpper(token))
			return
		case asked == 2:
			for _, mode := range []string{"mode-accept", "mode-refuse", "mode-fail", "mode-busy", "mode-reset", "mode-redirect"} {
				play(t, stand, sandbox.LogEntry{Type: "trigger", Incident: mode})
			}
		case asked == 20: // by then the proxy may be gone
			play(t, stand, sandbox.LogEntry{Type: "trigger", Incident: "mode-fail later"})
		}
		stand.ServeHTTP(w, r)
	})
}

// hooks are what a receiver of webhooks knows.
func (s secrets) hooks() (known []string) {
	for name, secret := range s.configured {
		if strings.HasPrefix(name, "webhooks' s") || strings.HasPrefix(name, "webhooks' f") {
			known = append(known, secret)
		}
	}
	return known
}

// passage is an HTTP proxy that asks for a password.
func passage(t *testing.T, password string) *httptest.Server {
	t.Helper()
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte("us:"+password))
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		to, err := net.Dial("tcp", r.Host) //nolint:noctx // on loopback
		if err != nil || r.Method != http.MethodConnect || r.Header.Get("Proxy-Authorization") != want {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		defer to.Close() //nolint:errcheck // it may be closed
		w.WriteHeader(http.StatusOK)
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		go func() {
			_, _ = io.Copy(to, c)
			_ = to.Close()
		}()
		_, _ = io.Copy(c, to)
		_ = c.Close()
	}))
}
