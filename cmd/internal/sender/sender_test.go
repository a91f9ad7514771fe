package sender

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOnlyThisHostsCertificateIsTrustedUnasked(t *testing.T) {
	f := func(wish, host string, want bool) {
		t.Helper()
		if got := skipVerify(wish, host); got != want {
			t.Errorf("%q %s: %v", wish, host, got)
		}
	}
	f("", "localhost", true)
	f("", "127.0.0.1", true)
	f("", "127.9.9.9", true)
	f("", "::1", true)
	f("", "edge-1", false)
	f("", "10.0.0.1", false)
	f("", "localhost.example.net", false)
	f("false", "localhost", false)
	f("False", "127.0.0.1", false)
	f("true", "edge-1", true)
	f("1", "10.0.0.1", true)
}

func TestAnUnknownNameIsSaid(t *testing.T) {
	c, err := New("test", func(string) string { return "https://nowhere" }, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.unreachable(&net.DNSError{Name: "nowhere"}); !strings.Contains(err.Error(), "check the host name") {
		t.Error(err)
	}
}

// TestARestartIsWaitedFor: what is sent while nobody listens arrives when
// somebody does, and the wait has an end.
func TestARestartIsWaitedFor(t *testing.T) {
	var listen net.ListenConfig
	reserved, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := reserved.Addr().String()
	if err := reserved.Close(); err != nil {
		t.Fatal(err)
	}
	post := func(patience time.Duration) (string, error) {
		c, err := New("test", func(name string) string {
			return map[string]string{"PDSEND_EVENTS_BASE_URL": "http://" + address}[name]
		}, patience)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.Post(context.Background(), EventsV1, []byte("{}"))
	}
	began := time.Now()
	if _, err := post(600 * time.Millisecond); err == nil || time.Since(began) < again || time.Since(began) > 10*time.Second {
		t.Errorf("gave up after %s: %v", time.Since(began), err)
	}

	got := make(chan string, 1)
	go func() {
		key, err := post(20 * time.Second)
		if err != nil {
			key = err.Error()
		}
		got <- key
	}()
	time.Sleep(2 * again)
	listener, err := listen.Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Skipf("somebody took the port: %v", err)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"status":"success","incident_key":"k1"}`))
	})}}
	server.Start()
	defer server.Close()
	if key := <-got; key != "k1" {
		t.Error(key)
	}
}
