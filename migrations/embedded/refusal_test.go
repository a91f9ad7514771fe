package embedded

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// digest is of all files in dir: their names, modes, times and contents.
func digest(t *testing.T, dir string) string {
	t.Helper()
	h := sha256.New()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		h.Write([]byte(path + info.Mode().String() + info.ModTime().String()))
		if d.Type().IsRegular() {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			h.Write(text)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func TestFolderThatIsNoClusterIsLeftAlone(t *testing.T) {
	t.Parallel()
	dir := newDataDir(t)
	foreign := filepath.Join(dir, "postgres")
	if err := os.Mkdir(foreign, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(foreign, "thesis.tex"), []byte("ten years of work"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := digest(t, foreign)
	wantContains(t, refused(t, Config{DataDir: dir}), foreign, "holds no Postgres cluster", "move it away")
	if digest(t, foreign) != before {
		t.Error("the folder was changed")
	}
}

func TestClusterOfAnotherVersionIsLeftAlone(t *testing.T) {
	t.Parallel()
	dir := newCluster(t)
	s := startQuiet(t, dir)
	remember(t, s.URL())
	mustStop(t, s)
	version := filepath.Join(s.dir, "PG_VERSION")
	own, err := os.ReadFile(version)
	if err != nil {
		t.Fatal(err)
	}
	f := func(text string, want ...string) {
		t.Helper()
		if err := os.WriteFile(version, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		before := digest(t, s.dir)
		wantContains(t, refused(t, Config{DataDir: dir}), want...)
		if digest(t, s.dir) != before {
			t.Errorf("PG_VERSION %q: the cluster was changed", text)
		}
	}
	f("99\n", "is of PostgreSQL 99", "install postgresql-99", "pg_upgrade", "pg_dump", s.bin.dir)
	f("", "PG_VERSION is damaged")
	if err := os.WriteFile(version, own, 0o600); err != nil {
		t.Fatal(err)
	}
	wantRemembered(t, startQuiet(t, dir).URL())
}

func TestMissingBinariesNameTheMend(t *testing.T) {
	t.Parallel()
	dir, empty := newDataDir(t), t.TempDir()
	wantContains(t, refused(t, Config{DataDir: dir, BinDir: empty}), empty, "set database.url")
	_, err := findBinaries(t.Context(), empty, dir, 0)
	if err == nil {
		t.Fatal("found binaries in an empty folder")
	}
	if _, err := os.Stat(filepath.Join(dir, "postgres")); err == nil {
		t.Error("a cluster was made without binaries")
	}
}

// fakeBinaries writes programs that only know their version.
func fakeBinaries(t *testing.T, dir, version string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"postgres", "initdb"} {
		script := "#!/bin/sh\necho '" + name + " (PostgreSQL) " + version + "'\n"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestBinariesAreChosenByTheCluster(t *testing.T) {
	dir := t.TempDir()
	old := fakeBinaries(t, filepath.Join(dir, "13"), "13.20")
	current := fakeBinaries(t, filepath.Join(dir, "16"), "16.9 (Debian 16.9-1)")
	t.Setenv("PATH", current+":"+os.Getenv("PATH"))
	f := func(binDir string, major int, want string) {
		t.Helper()
		b, err := findBinaries(t.Context(), binDir, "/data/postgres", major)
		switch {
		case err != nil:
			if want == "" || !strings.Contains(err.Error(), want) {
				t.Errorf("findBinaries(%q, %d): %v, want %q", binDir, major, err, want)
			}
		case b.version != want:
			t.Errorf("findBinaries(%q, %d) = %+v, want %s", binDir, major, b, want)
		}
	}
	f("", 0, "16.9")
	f("", 16, "16.9")
	f(current, 0, "16.9")
	f(old, 0, "PostgreSQL 14 or newer is needed, and installed is 13.20")
	f(current, 15, "cluster /data/postgres is of PostgreSQL 15, and installed is 16.9")
	f("", 12, "install postgresql-12")
	t.Setenv("PATH", dir)
	f("", 16, "install postgresql-16")
}

func TestFolderThatPostgresCannotEnterIsNamed(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to run as another user")
	}
	closed := filepath.Join(newDataDir(t), "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	got := refused(t, Config{DataDir: filepath.Join(closed, "data")})
	wantContains(t, got, "cannot pass "+closed+" ", "chmod o+x "+closed)
}

func TestClusterOfRootIsRefused(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to give a file away")
	}
	dir := newCluster(t)
	s := startQuiet(t, dir)
	mustStop(t, s)
	if err := os.Chown(s.dir, 0, 0); err != nil {
		t.Fatal(err)
	}
	wantContains(t, refused(t, Config{DataDir: dir}), "belongs to root", "chown -R postgres "+s.dir)
}

func TestLongPathsGetAShortPrivateSocketFolder(t *testing.T) {
	t.Parallel()
	dir := newDataDir(t)
	f := func(name string) {
		t.Helper()
		copyCluster(t, filepath.Join(dir, name))
		s := startQuiet(t, filepath.Join(dir, name))
		defer func() { _ = os.RemoveAll(s.sockets) }()
		if s.sockets == s.dir {
			t.Errorf("socket in %s", s.dir)
		}
		if query[int](t, s.URL(), `SELECT 1`) != 1 {
			t.Error("no answer")
		}
		info, err := os.Stat(s.sockets)
		if err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("socket folder: %v, %v", info, err)
		}
		mustStop(t, s)
		again := startQuiet(t, filepath.Join(dir, name)) // takes the same folder again
		if again.sockets != s.sockets {
			t.Errorf("socket folder moved from %s to %s", s.sockets, again.sockets)
		}
		mustStop(t, again)
	}
	f(strings.Repeat("long/", 25))
	f("a,b")
}

func TestSocketFolderOfAnotherIsNotTaken(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "sockets")
	me, err := lookupAccount(uint32(os.Geteuid()))
	if err != nil {
		t.Fatal(err)
	}
	if err := makePrivate(dir, me); err != nil {
		t.Fatal(err)
	}
	if err := makePrivate(dir, me); err != nil {
		t.Errorf("our own folder: %v", err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := makePrivate(dir, me); err == nil {
		t.Error("took a folder that others may enter")
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := makePrivate(dir, account{uid: me.uid + 1, name: "another"}); err == nil {
		t.Error("took another's folder")
	}
	link := dir + ".link"
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if err := makePrivate(link, me); err == nil {
		t.Error("took a link")
	}
}

func TestOperatorsSettingsWin(t *testing.T) {
	t.Parallel()
	dir := newCluster(t)
	s := startQuiet(t, dir)
	query[string](t, s.URL(), `SELECT current_setting('shared_buffers')`)
	mustStop(t, s)
	conf := filepath.Join(s.dir, "postgresql.conf")
	text, err := os.ReadFile(conf)
	if err != nil {
		t.Fatal(err)
	}
	text = []byte(strings.Replace(string(text), "#shared_buffers = 128MB", "shared_buffers = 64MB", 1) + "\nport = 1\n")
	if err := os.WriteFile(conf, text, 0o600); err != nil {
		t.Fatal(err)
	}
	s = startQuiet(t, dir)
	f := func(setting, want string) {
		t.Helper()
		if got := query[string](t, s.URL(), "SELECT current_setting('"+setting+"')"); got != want {
			t.Errorf("%s = %q, want %q", setting, got, want)
		}
	}
	f("shared_buffers", "64MB")
	f("max_connections", "100")
	f("random_page_cost", "1.1")
	f("port", "5432")
}

func TestBrokenSettingsAreSaidInTheError(t *testing.T) {
	t.Parallel()
	dir := newCluster(t)
	s := startQuiet(t, dir)
	mustStop(t, s)
	f, err := os.OpenFile(filepath.Join(s.dir, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := f.WriteString("shared_bufers = 1GB\n"); err != nil {
		t.Fatal(err)
	}
	wantContains(t, refused(t, Config{DataDir: dir}), `unrecognized configuration parameter "shared_bufers"`, "postgresql.conf", "line")
}

func TestLockIsGivenUpThoughAForkedChildHoldsIt(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	lock, err := lockFile(path)
	if err != nil {
		t.Fatal(err)
	}
	inherited, err := syscall.Dup(int(lock.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Close(inherited) }()
	unlock(lock)
	again, err := lockFile(path)
	if err != nil {
		t.Fatal(err)
	}
	unlock(again)
}
