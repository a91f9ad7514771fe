package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Find returns the URL of the database of a server that runs under dataDir, for
// a program beside the daemon. Its error says why there is none.
func Find(dataDir string) (url string, err error) {
	dir, err := filepath.Abs(filepath.Join(dataDir, "postgres"))
	if err != nil {
		return "", err
	}
	if _, err := os.ReadDir(dir); err != nil {
		return "", unfound(dir, err)
	}
	if pid, ready := readPostmasterPID(dir); pid == 0 || !ready {
		return "", NotRunning(dir)
	}
	text, err := os.ReadFile(filepath.Join(dir, "postmaster.pid"))
	lines := strings.Split(string(text), "\n")
	if err != nil || len(lines) <= socketLine || lines[socketLine] == "" {
		return "", NotRunning(dir) // it has just ended
	}
	s := Server{sockets: lines[socketLine]}
	return s.URL(), nil
}

// socketLine is where postmaster.pid has the folder of the socket; see
// readPostmasterPID.
const socketLine = 4

// NotRunning says that nothing accepts connections for the cluster in dir.
func NotRunning(dir string) error {
	return fmt.Errorf("the database under %s does not run; it does while pdagentd does: start that", dir)
}

// unfound says what is wrong with a folder that should hold a cluster.
func unfound(dir string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no database under %s: start pdagentd, which makes it, or name the right data_dir or database.url with --config (or DATABASE_URL)", dir)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("the database under %s is only for root and for the user that it runs as: use sudo", dir)
	}
	return fmt.Errorf("the database under %s: %s", dir, strings.TrimPrefix(err.Error(), "open "+dir+": "))
}
