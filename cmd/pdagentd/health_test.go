package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// TestHealthIsThatOfTheRunningAppliance: behind a token and https, too, since
// /readyz is open; once it has stopped nobody is healthy.
func TestHealthIsThatOfTheRunningAppliance(t *testing.T) {
	ask := func(file string) (int, string) {
		var stdout, stderr strings.Builder
		status := execute(t.Context(), []string{"health", "--config", file}, &stdout, &stderr)
		return status, stdout.String() + stderr.String()
	}
	file := settings(t, "")
	listen := "https://:" + freePort(t)
	rewrite(t, file, `admin: { listen: "http://127.0.0.1:0" }`, `admin: { listen: "`+listen+`", token: "`+adminToken+`" }`)
	_, stop := beginStoppable(t, file)
	if status, said := ask(file); status != 0 || !strings.Contains(said, `"status":"ready"`) || !strings.Contains(said, "committing") {
		t.Errorf("while it runs: %d %s", status, said)
	}
	stop()
	if status, said := ask(file); status != 1 || !strings.Contains(said, "is pdagentd running here") {
		t.Errorf("after it has stopped: %d %s", status, said)
	}
}

// TestHealthSaysWhyNot.
func TestHealthSaysWhyNot(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			t.Errorf("asked for %s", r.URL)
		}
		answer(w, http.StatusServiceUnavailable, "not ready", "the spool is full", "")
	}))
	defer s.Close()
	err := health(t.Context(), s.URL, nil)
	if err == nil || !strings.Contains(err.Error(), "503") || !strings.Contains(err.Error(), "the spool is full") {
		t.Errorf("%v", err)
	}
}

// TestEveryAddressIsAskedOnLoopback.
func TestEveryAddressIsAskedOnLoopback(t *testing.T) {
	f := func(listen, want string) {
		t.Helper()
		u, err := url.Parse(listen)
		if err != nil {
			t.Fatal(err)
		}
		if got := fromHere(u); got != want {
			t.Errorf("%s: %s, want %s", listen, got, want)
		}
	}
	f("http://127.0.0.1:8081", "127.0.0.1:8081")
	f("http://:8081", "127.0.0.1:8081")
	f("http://0.0.0.0:8081", "127.0.0.1:8081")
	f("https://[::]:8081", "127.0.0.1:8081")
	f("https://192.0.2.1:8081", "192.0.2.1:8081")
	f("https://[2001:db8::1]:8081", "[2001:db8::1]:8081")
}
