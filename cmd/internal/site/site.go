// Package site is what pdagentd and the programs beside it agree on: which file
// is the configuration, where the data is kept, how a secret is read from a
// file, and how the database of an appliance that runs is reached. It starts
// and stops nothing.
package site

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// StandardFiles are looked for, in this order, when no configuration file is
// named.
func StandardFiles() []string {
	return []string{"/etc/pdaltagent/pdagentd.yaml", "pdagentd.yaml"}
}

// ReadConfig returns the text of the configuration: that of file or, where it
// is empty, of the first of the standard files that exists. used is the file
// that was read; empty: there is none.
func ReadConfig(file string) (data []byte, used string, err error) {
	if file != "" {
		data, err := os.ReadFile(file) //nolint:gosec // the operator names it
		if errors.Is(err, fs.ErrNotExist) {
			return nil, file, fmt.Errorf("configuration: there is no file %s%s: create it (deploy/pdagentd.example.yaml is a beginning), or leave --config out for the first of %s and the built-in defaults",
				file, Relative(file), strings.Join(StandardFiles(), ", "))
		}
		if err != nil {
			return nil, file, fmt.Errorf("configuration: %w", Unreadable(file, err))
		}
		return data, file, nil
	}
	for _, name := range StandardFiles() {
		data, err := os.ReadFile(name) //nolint:gosec // a fixed list
		if err == nil {
			return data, name, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, name, fmt.Errorf("configuration: %w", Unreadable(name, err))
		}
	}
	return nil, "", nil
}

// DataDir is where data is kept unless the configuration says otherwise.
func DataDir() string {
	if os.Geteuid() == 0 {
		return "/var/lib/pdaltagent"
	}
	if home, err := os.UserHomeDir(); err == nil {
		return filepath.Join(home, ".local/share/pdaltagent")
	}
	return "pdaltagent-data"
}

// maxSecret bounds what is read of a file that should hold a secret.
const maxSecret = 64 << 10

// ReadSecret returns the secret that a file holds.
func ReadSecret(file string) (string, error) {
	f, err := os.Open(file) //nolint:gosec // the operator names it
	if err != nil {
		return "", Unreadable(file, err)
	}
	defer f.Close() //nolint:errcheck // read only
	data, err := io.ReadAll(io.LimitReader(f, maxSecret))
	if err != nil {
		return "", Unreadable(file, err)
	}
	text := strings.TrimSpace(string(data))
	if text == "" {
		return "", fmt.Errorf("%s is empty: write the secret into it", file)
	}
	return text, nil
}

// Unreadable names the mend of a file that cannot be read.
func Unreadable(file string, err error) error {
	reason := err
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		reason = path.Err
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no file %s%s: create it, or name the one that you mean", file, Relative(file))
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s may not be read by the user with the id %d: give it to that user with chown, or let its group read it", file, os.Geteuid())
	case errors.Is(err, syscall.EISDIR):
		return fmt.Errorf("%s is a folder: name the file in it", file)
	}
	return fmt.Errorf("%s cannot be read: %w", file, reason)
}

// Relative says where a relative path begins, for whoever does not find what
// it names.
func Relative(path string) string {
	if path == "" || strings.HasPrefix(path, "/") {
		return ""
	}
	folder, err := os.Getwd()
	if err != nil {
		return ""
	}
	return " in " + folder
}
