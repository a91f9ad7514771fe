package embedded

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// settingsName is the file in the cluster that holds our settings.
const settingsName = "pdaltagent.conf"

// settings is written into the cluster at each start.
//
//go:embed pdaltagent.conf
var settings []byte

// forcedSettings win over every file: what we read and connect to depends on
// them.
func (s *Server) forcedSettings() []string {
	forced := map[string]string{
		"cluster_name":            database,
		"unix_socket_directories": `"` + strings.ReplaceAll(s.sockets, `"`, `""`) + `"`,
		"unix_socket_permissions": "0700",
		"port":                    strconv.Itoa(port),
		"logging_collector":       "off",
		"log_destination":         "stderr",
		"log_line_prefix":         logPrefix,
		"lc_messages":             "C",
	}
	for name, value := range s.cfg.Settings {
		forced[name] = value
	}
	list := make([]string, 0, len(forced))
	for name, value := range forced {
		list = append(list, name+"="+value)
	}
	slices.Sort(list)
	return list
}

// writeSettings writes our settings into the cluster in dir.
func writeSettings(dir string, user account) error {
	return writeOwned(filepath.Join(dir, settingsName), settings, user)
}

// putSettingsFirst makes a new cluster's postgresql.conf include our settings
// before its own, and takes from its own what initdb set and we set better:
// whatever an operator writes there later wins.
func putSettingsFirst(dir string, user account) error {
	path := filepath.Join(dir, "postgresql.conf")
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	ours := regexp.MustCompile(`(?m)^(\w+) *=`).FindAllSubmatch(settings, -1)
	for _, name := range ours {
		line := regexp.MustCompile(`(?m)^` + string(name[1]) + `\s*=`)
		text = line.ReplaceAll(text, append([]byte("#"), name[0]...))
	}
	first := "# " + settingsName + " holds pdaltagent's settings. What is set below, or with\n" +
		"# ALTER SYSTEM, wins over them.\ninclude_if_exists = '" + settingsName + "'\n\n"
	if err := writeSettings(dir, user); err != nil {
		return err
	}
	return writeOwned(path, append([]byte(first), text...), user)
}

// writeOwned replaces the file at path, which becomes user's, in one step.
// The folder is user's, too, so no link in it is followed.
func writeOwned(path string, text []byte, user account) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	_, err = f.Write(text)
	if err == nil {
		err = user.own(f)
	}
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("settings: %w", err)
	}
	return nil
}
