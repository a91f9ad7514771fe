package embedded

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// oldestMajor is the oldest major version of Postgres that we run on.
const oldestMajor = 14

// binaries are Postgres' programs of one version.
type binaries struct {
	dir     string
	version string // "15.18"
	major   int
}

func (b binaries) postgres() string { return filepath.Join(b.dir, "postgres") }
func (b binaries) initdb() string   { return filepath.Join(b.dir, "initdb") }

// findBinaries returns the programs for the cluster in dataDir, whose major
// version is given (0: there is none yet). Without a binDir they are searched
// for: PATH first, then where packages put them, the newest first.
func findBinaries(ctx context.Context, binDir, dataDir string, major int) (binaries, error) {
	found := searchBinaries(ctx, binDir)
	for _, b := range found {
		if b.major >= oldestMajor && (major == 0 || b.major == major) {
			return b, nil
		}
	}
	switch {
	case major != 0:
		return binaries{}, fmt.Errorf("cluster %s is of PostgreSQL %d, and %s: install postgresql-%d, or move its data to another version with pg_upgrade or pg_dump; it was left untouched",
			dataDir, major, have(found, binDir), major)
	case len(found) == 0 && binDir == "":
		return binaries{}, errors.New("no PostgreSQL server programs (postgres, initdb) found in PATH or where packages put them: make run installs them (so does apt-get install postgresql); or set database.url to a server of yours")
	}
	return binaries{}, fmt.Errorf("PostgreSQL %d or newer is needed, and %s: install postgresql, or set database.url to a server of yours", oldestMajor, have(found, binDir))
}

func have(found []binaries, binDir string) string {
	if len(found) == 0 && binDir != "" {
		return "no postgres and initdb are in " + binDir
	}
	if len(found) == 0 {
		return "no server programs are installed"
	}
	var names []string
	for _, b := range found {
		names = append(names, b.version+" ("+b.dir+")")
	}
	return "installed is " + strings.Join(names, ", ")
}

// searchBinaries lists all programs that there are, in the order in which
// they are wanted.
func searchBinaries(ctx context.Context, binDir string) []binaries {
	if binDir != "" {
		return inspect(ctx, binDir)
	}
	var found []binaries
	if path, err := exec.LookPath("postgres"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			found = inspect(ctx, filepath.Dir(path))
		}
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin", // Debian, Ubuntu
		"/usr/pgsql-*/bin",          // PGDG on RHEL
		"/opt/homebrew/opt/postgresql@*/bin",
		"/usr/local/opt/postgresql@*/bin",
		"/usr/local/pgsql/bin", // built from source
	} {
		dirs, _ := filepath.Glob(pattern) // the pattern is well-formed
		there := inspect(ctx, dirs...)
		slices.SortFunc(there, func(a, b binaries) int { return cmp.Compare(b.major, a.major) })
		found = append(found, there...)
	}
	return slices.CompactFunc(found, func(a, b binaries) bool { return a.dir == b.dir })
}

// inspect returns the programs in dirs that can be run.
func inspect(ctx context.Context, dirs ...string) []binaries {
	var found []binaries
	for _, dir := range dirs {
		b := binaries{dir: dir}
		if _, err := os.Stat(b.initdb()); err != nil {
			continue
		}
		out, err := exec.CommandContext(ctx, b.postgres(), "--version").Output()
		if err != nil {
			continue
		}
		if b.version, b.major = parseVersion(string(out)); b.major != 0 {
			found = append(found, b)
		}
	}
	return found
}

// parseVersion reads "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)",
// and "postgres (PostgreSQL) 19beta1".
func parseVersion(line string) (version string, major int) {
	m := regexp.MustCompile(`\(PostgreSQL\) ((\d+)\S*)`).FindStringSubmatch(line)
	if m == nil {
		return "", 0
	}
	major, _ = strconv.Atoi(m[2])
	return m[1], major
}
