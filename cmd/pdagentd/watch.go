package main

import (
	"context"
	"crypto/sha256"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// The patience of a watch: editors write in bursts, and network file systems
// tell nothing, so that their files have to be looked at.
const (
	quietFor  = 300 * time.Millisecond
	noLonger  = 3 * time.Second // than this a burst may keep us waiting
	lookEvery = 15 * time.Second
)

// watch tells when files may have changed. Folders are watched with those in
// them. What is named by a link, as Kubernetes does it with ConfigMaps, is
// watched, too.
type watch struct {
	paths  func() []string // files and folders
	poll   time.Duration
	logger *slog.Logger
}

// Run calls changed after each burst of changes and every so often, and
// asked when a signal comes, until ctx ends.
func (w *watch) Run(ctx context.Context, signals <-chan os.Signal, changed, asked func()) {
	events, errs := make(<-chan fsnotify.Event), make(<-chan error)
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		w.warn(err)
	} else {
		defer notify.Close() //nolint:errcheck // nothing is lost with it
		events, errs = notify.Events, notify.Errors
		w.add(notify)
	}
	poll := time.NewTicker(w.poll)
	defer poll.Stop()
	quiet := time.NewTimer(time.Hour)
	quiet.Stop()
	defer quiet.Stop()
	var since time.Time // the beginning of a burst
	look := func() {
		since = time.Time{}
		if notify != nil {
			w.add(notify) // folders may be new
		}
		changed()
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-signals:
			asked()
		case e := <-events:
			if !w.concerns(e.Name) {
				continue
			}
			if since.IsZero() {
				since = time.Now()
			}
			quiet.Reset(min(quietFor, max(time.Until(since.Add(noLonger)), 0)))
		case err := <-errs: // such as an overflow: something has changed
			w.logger.Debug("changes of files may have been missed, so they are looked for", "error", err)
			quiet.Reset(quietFor)
		case <-quiet.C:
			look()
		case <-poll.C:
			look()
		}
	}
}

// add watches all folders that there are. Watching one twice changes nothing.
func (w *watch) add(notify *fsnotify.Watcher) {
	for _, path := range w.paths() {
		folders := append(foldersIn(path), filepath.Dir(path))
		for _, folder := range folders {
			if err := notify.Add(folder); err != nil && !os.IsNotExist(err) {
				w.warn(err)
				return
			}
		}
	}
}

// warn says that changes are seen late only.
func (w *watch) warn(err error) {
	w.logger.Debug("changes of rules and modules are not told by the kernel, but looked for: raise fs.inotify.max_user_watches or max_user_instances where that is why",
		"every", w.poll, "error", err)
}

// foldersIn returns path and the folders in it, where it is a folder.
func foldersIn(path string) (folders []string) {
	_ = filepath.WalkDir(path+"/.", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil //nolint:nilerr // what cannot be read is not watched
		}
		if hidden(name) {
			return fs.SkipDir
		}
		folders = append(folders, filepath.Clean(name))
		return nil
	})
	return folders
}

func hidden(name string) bool {
	base := filepath.Base(name)
	return strings.HasPrefix(base, ".") && base != "."
}

// concerns says whether a change of name may be one of ours: it is one of the
// paths or in one, or the link that a ConfigMap is swapped by.
func (w *watch) concerns(name string) bool {
	return filepath.Base(name) == "..data" || within(w.paths(), name)
}

// within says whether name is one of the paths or in one.
func within(paths []string, name string) bool {
	name = filepath.Clean(name)
	return slices.ContainsFunc(paths, func(path string) bool {
		path = filepath.Clean(path)
		return name == path || strings.HasPrefix(name, path+"/")
	})
}

// contents knows what is in files. Those that look the same from outside are
// not read again.
type contents struct {
	paths func() []string
	known map[string]content
}

type content struct {
	size     int64
	modified time.Time
	sum      [sha256.Size]byte
}

// sum returns a sum over the names and contents of all files.
func (c *contents) sum() [sha256.Size]byte {
	all := sha256.New()
	now := map[string]content{}
	for _, path := range c.paths() {
		_ = filepath.WalkDir(root(path), func(name string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				all.Write([]byte(err.Error()))
			case name != root(path) && hidden(name):
				if d.IsDir() {
					return fs.SkipDir
				}
			case !d.IsDir():
				now[name] = c.look(name)
				sum := now[name].sum
				all.Write(append([]byte(name), sum[:]...))
			}
			return nil
		})
	}
	c.known = now
	return [sha256.Size]byte(all.Sum(nil))
}

// root is where a walk through path begins: behind a link to a folder.
func root(path string) string {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return path + "/."
	}
	return path
}

func (c *contents) look(name string) content {
	info, err := os.Stat(name)
	if err != nil || !info.Mode().IsRegular() {
		return content{}
	}
	found := content{size: info.Size(), modified: info.ModTime()}
	if old, ok := c.known[name]; ok && old.size == found.size && old.modified.Equal(found.modified) {
		return old
	}
	if data, err := os.ReadFile(name); err == nil { //nolint:gosec // the operator names its folder
		found.sum = sha256.Sum256(data)
	} else {
		found.modified = time.Time{} // to be tried again
	}
	return found
}
