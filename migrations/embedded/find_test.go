package embedded

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFindReachesWhatRuns, also where the socket has a folder of its own, and
// says why when nothing does.
func TestFindReachesWhatRuns(t *testing.T) {
	t.Parallel()
	missing := func(dir, want string) {
		t.Helper()
		if url, err := Find(dir); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %s, %v, want %s", dir, url, err, want)
		}
	}
	short := newDataDir(t)
	missing(short, "start pdagentd, which makes it")
	long := filepath.Join(newDataDir(t), strings.Repeat("a-long-name-", 9))
	for _, dir := range []string{short, long} {
		copyCluster(t, dir)
		missing(dir, "does not run; it does while pdagentd does")
		s := mustStart(t, Config{DataDir: dir}, slog.New(slog.DiscardHandler))
		url, err := Find(dir)
		if err != nil || url != s.URL() {
			t.Errorf("%s: %s, %v, want %s", dir, url, err, s.URL())
		}
		mustStop(t, s)
		missing(dir, "does not run; it does while pdagentd does")
	}
	file := newDataDir(t)
	if err := os.WriteFile(filepath.Join(file, "postgres"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	missing(file, "not a directory")
}
