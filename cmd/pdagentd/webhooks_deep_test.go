package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestNoDepthHidesFromMasks: of a webhook that is nested deeper than rules look,
// the depths are left out, and the rest is masked and sent.
func TestNoDepthHidesFromMasks(t *testing.T) {
	at := time.Now().UTC().Add(-time.Minute).Format(time.RFC3339)
	entry := func(id string, deep int) string {
		return fmt.Sprintf(`{"id":"%s","type":"annotate_log_entry","created_at":"%s","incident":{"id":"PINC"},"note":"ask jane@example.net","x":%s["joe@example.net"]%s}`,
			id, at, strings.Repeat("[", deep), strings.Repeat("]", deep))
	}
	rest := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page := entry("R1", 500) + "," + entry("R2", 50)
		if r.URL.Query().Get("limit") == "1" {
			page = "" // it asks for the time
		}
		fmt.Fprintf(w, `{"log_entries":[%s],"more":false}`, page)
	}))
	t.Cleanup(rest.Close)
	to := newHooked(t)
	file := settings(t, fmt.Sprintf(`pagerduty: { events_url: sandbox, api_url: "%s", api_token: x }
webhooks: { url: "%s", every: 1s, since: %s }`, rest.URL, to.URL, at))
	masks := filepath.Join(t.TempDir(), "masks.yaml")
	if err := os.WriteFile(masks, []byte("mask: [email]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	rewrite(t, file, "../../deploy/rules.d", masks)
	var logs keep
	_, stop := beginWith(t, file, slog.New(slog.NewTextHandler(&logs, nil)))
	t.Cleanup(stop)
	for _, h := range to.until(t, 2, 20*time.Second) {
		if strings.Contains(h.Body, "example.net") {
			t.Errorf("%s is told %.600s", h.Entry, h.Body)
		}
	}
	if n := strings.Count(logs.String(), "nested too deeply"); n != 1 {
		t.Errorf("it is said %d times", n)
	}
}
