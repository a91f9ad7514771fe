package embedded

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// prepareDataDir makes dir where it is missing and returns it without
// symbolic links. Others may pass it but not list it: Postgres' user must.
func prepareDataDir(dir string) (string, error) {
	if dir == "" {
		return "", errors.New("data_dir is empty: set it to a folder that survives restarts")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if _, err = os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(dir, 0o755); err == nil {
			err = os.Chmod(dir, 0o711)
		}
	}
	if err != nil {
		return "", fmt.Errorf("data_dir: %w", err)
	}
	return filepath.EvalSymlinks(dir)
}

// lockFile takes the lock that keeps a second daemon away. The kernel drops
// it with the process, however that ends; a moment is left for one that is
// just ending.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data_dir: %w", err)
	}
	for deadline := time.Now().Add(endingPatience); ; time.Sleep(10 * time.Millisecond) {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) || time.Now().After(deadline) {
			break
		}
	}
	if errors.Is(err, unix.EWOULDBLOCK) {
		holder := make([]byte, 20)
		n, _ := f.ReadAt(holder, 0)
		err = fmt.Errorf("data_dir %s is in use by process %s: stop it, or give this one another data_dir",
			filepath.Dir(path), strings.TrimSpace(string(holder[:n])))
	} else if err == nil {
		if err = f.Truncate(0); err == nil {
			_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
		}
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// unlock gives up what lockFile took. Closing f would not do: a child that
// was just forked holds it until it execs.
func unlock(f *os.File) {
	_ = unix.Flock(int(f.Fd()), unix.LOCK_UN)
	_ = f.Close()
}

// clusterMajor returns the major version of the cluster in dir, 0 where there
// is none yet, and an error where there is something else.
func clusterMajor(dir string) (int, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("cluster: %w", err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("folder %s is not empty and holds no Postgres cluster: move it away, or choose another data_dir; it was left untouched", dir)
	}
	if err != nil {
		return 0, fmt.Errorf("cluster: %w", err)
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || major <= 0 {
		return 0, fmt.Errorf("cluster %s: PG_VERSION is damaged (%q): restore the folder from a backup", dir, text)
	}
	return major, nil
}

// createCluster makes the cluster in a folder beside its own and renames it
// when it is whole, so that what an interrupted start leaves is never taken
// for a cluster. That folder never held data and is made afresh.
func (s *Server) createCluster(ctx context.Context) error {
	unfinished := s.dir + ".tmp"
	err := s.initdb(ctx, unfinished, "C.UTF-8")
	if err != nil && ctx.Err() == nil {
		err = s.initdb(ctx, unfinished, "C") // a C library that does not know C.UTF-8
	}
	if err != nil {
		return err
	}
	if err := putSettingsFirst(unfinished, s.user); err != nil {
		return err
	}
	if err := os.Rename(unfinished, s.dir); err != nil {
		if errors.Is(err, syscall.EBUSY) {
			return fmt.Errorf("%s is a mount point: mount the volume on %s instead", s.dir, filepath.Dir(s.dir))
		}
		return fmt.Errorf("cluster: %w", err)
	}
	return syncDir(filepath.Dir(s.dir))
}

// initdb sorts by bytes, whose indexes no upgrade of the C library can break,
// and knows the letters of ctype.
func (s *Server) initdb(ctx context.Context, dir, ctype string) error {
	if err := makeOwned(dir, s.user); err != nil {
		return err
	}
	args := []string{
		"-D", dir, "-U", database, "-E", "UTF8", "--locale=C", "--lc-ctype=" + ctype,
		"--auth-local=trust", "--auth-host=scram-sha-256", "--data-checksums", "--no-instructions",
	}
	if s.cfg.Settings["fsync"] == "off" {
		args = append(args, "--no-sync")
	}
	s.log.Info("creating the postgres cluster", "version", s.bin.version, "data", s.dir, "run_as", s.user.name)
	out, err := runToEnd(s.user.command(ctx, s.bin.initdb(), args...))
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("creating the cluster: %w", context.Cause(ctx))
	}
	if err != nil {
		return fmt.Errorf("%s as user %s: %w: %s", s.bin.initdb(), s.user.name, err, lastLines(string(out), 3))
	}
	return nil
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "; ")
}

// makeOwned makes dir anew: empty, and private to user.
func makeOwned(dir string, user account) error {
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("unfinished cluster: %w", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	f, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	defer func() { _ = f.Close() }()
	return user.own(f)
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	return f.Sync()
}

// socketDir returns a folder that only user (and root) may enter, whose
// socket fits into an address: the cluster itself, or where that has too long
// a path a folder of /run or the temporary directory. pgx splits hosts at
// commas.
func socketDir(cluster string, user account) (string, error) {
	if fits(cluster) {
		return cluster, nil
	}
	name := fmt.Sprintf("pdaltagent-%x", sha256.Sum256([]byte(cluster)))[:32]
	var errs []error
	for _, parent := range []string{"/run", os.TempDir(), "/tmp"} {
		dir := filepath.Join(parent, name)
		err := error(nil)
		if !fits(dir) {
			err = fmt.Errorf("%s: path too long for a socket", dir)
		} else {
			err = makePrivate(dir, user)
		}
		if err == nil {
			return dir, nil
		}
		errs = append(errs, err)
	}
	return "", fmt.Errorf("socket for %s, whose own path is too long: %w", cluster, errors.Join(errs...))
}

func fits(dir string) bool {
	longest := len(syscall.RawSockaddrUnix{}.Path) - 1
	return len(filepath.Join(dir, ".s.PGSQL."+strconv.Itoa(port))) <= longest && !strings.Contains(dir, ",")
}

// makePrivate makes dir, or takes one that is user's alone. Its parent may be
// open to everyone, so whose it is decides.
func makePrivate(dir string, user account) error {
	err := os.Mkdir(dir, 0o700)
	if err == nil && user.switched {
		return os.Lchown(dir, int(user.uid), int(user.gid))
	}
	if err == nil || !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() || info.Sys().(*syscall.Stat_t).Uid != user.uid || info.Mode().Perm() != 0o700 {
		return fmt.Errorf("%s is not a private folder of user %s: remove it", dir, user.name)
	}
	return nil
}
