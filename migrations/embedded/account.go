package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// account is the user that Postgres runs as.
type account struct {
	name     string
	uid, gid uint32
	groups   []uint32
	switched bool // it is not the user that we run as: we are root
}

// chooseAccount returns the owner of an existing cluster; for a new one our
// own user, or as root postgres, else nobody.
func chooseAccount(dir string, exists bool) (account, error) {
	own := uint32(os.Geteuid())
	if !exists {
		if own != 0 {
			return lookupAccount(own)
		}
		return systemAccount()
	}
	info, err := os.Stat(dir)
	if err != nil {
		return account{}, err
	}
	owner := info.Sys().(*syscall.Stat_t).Uid
	switch {
	case owner == 0:
		return account{}, fmt.Errorf("cluster %s belongs to root, and postgres refuses to run as root: give it to its user with chown -R postgres %s", dir, dir)
	case own != 0 && own != owner:
		return account{}, fmt.Errorf("cluster %s belongs to user id %d, and this runs as user id %d: start it as root or as the cluster's owner", dir, owner, own)
	}
	return lookupAccount(owner)
}

func systemAccount() (account, error) {
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil && u.Uid != "0" {
			return newAccount(u)
		}
	}
	return account{}, errors.New("postgres refuses to run as root, and there is no user postgres or nobody: add one with useradd --system postgres")
}

func lookupAccount(uid uint32) (account, error) {
	u, err := user.LookupId(strconv.Itoa(int(uid)))
	if err != nil { // a container's user may have no entry
		return account{
			name: strconv.Itoa(int(uid)), uid: uid, gid: uint32(os.Getegid()),
			switched: os.Geteuid() != int(uid),
		}, nil
	}
	return newAccount(u)
}

func newAccount(u *user.User) (account, error) {
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return account{}, fmt.Errorf("user %s: id %s: %w", u.Username, u.Uid, err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return account{}, fmt.Errorf("user %s: group %s: %w", u.Username, u.Gid, err)
	}
	a := account{name: u.Username, uid: uint32(uid), gid: uint32(gid), switched: os.Geteuid() != int(uid)}
	ids, _ := u.GroupIds() // its supplementary groups are a courtesy
	for _, id := range ids {
		if n, err := strconv.ParseUint(id, 10, 32); err == nil {
			a.groups = append(a.groups, uint32(n))
		}
	}
	return a, nil
}

// command is one of Postgres' programs, run as a. Of our environment, which
// may hold secrets and other servers' settings, it sees what it needs only.
func (a account) command(ctx context.Context, path string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = "/"
	cmd.Env = []string{"LC_ALL=C"}
	for _, name := range []string{"PATH", "LD_LIBRARY_PATH", "TZ"} {
		if value, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	cmd.SysProcAttr = attributes()
	if a.switched {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid, Groups: a.groups}
	}
	return cmd
}

// own gives a file or folder that we made to a.
func (a account) own(f *os.File) error {
	if !a.switched {
		return nil
	}
	return f.Chown(int(a.uid), int(a.gid))
}

// checkReach is an error unless a can enter dataDir and run postgres. It asks
// the kernel, and then looks for the folder that is in the way.
func (a account) checkReach(ctx context.Context, dataDir, postgres string) error {
	cmd := a.command(ctx, postgres, "--version")
	cmd.Dir = dataDir
	_, err := runToEnd(cmd)
	if err == nil {
		return nil
	}
	if !errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("run %s as user %s: %w", postgres, a.name, err)
	}
	for _, path := range []string{dataDir, filepath.Dir(postgres)} {
		if closed := a.closedFolder(path); closed != "" {
			return fmt.Errorf("postgres runs as user %s, who cannot pass %s on the way to %s: chmod o+x %s, or choose another data_dir", a.name, closed, path, closed)
		}
	}
	return fmt.Errorf("run %s as user %s in %s: %w", postgres, a.name, dataDir, err)
}

// closedFolder returns the first folder on the way to path, and including it,
// whose mode does not let a pass.
func (a account) closedFolder(path string) string {
	if parent := filepath.Dir(path); parent != path {
		if closed := a.closedFolder(parent); closed != "" {
			return closed
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	pass := fs.FileMode(0o001)
	stat := info.Sys().(*syscall.Stat_t)
	if stat.Uid == a.uid {
		pass = 0o100
	} else if stat.Gid == a.gid || slices.Contains(a.groups, stat.Gid) {
		pass = 0o010
	}
	if info.Mode()&pass == 0 {
		return path
	}
	return ""
}
