package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// outqueue is the queue folder of a PagerDuty Agent. A file is an event, the
// JSON that goes to Events API v1; its folder is its state: tmp, which is being
// written; pdq, which waits; suc, which was delivered; err, which is dead. Its
// name is the time of queueing in microseconds since 1970, and the integration
// key.
type outqueue struct {
	root *os.Root
	lock *os.File // held: PagerDuty Agent sends nothing
}

// dequeueLock is what PagerDuty Agent locks while it sends.
const dequeueLock = "dequeue.lock"

// maxQueued is the most octets that PagerDuty Agent sends of a file.
const maxQueued = 4 << 20

// openOutqueue opens the queue in dir, or in dir/outqueue.
func openOutqueue(dir string) (*outqueue, error) {
	for _, dir := range []string{dir, filepath.Join(dir, "outqueue")} {
		if info, err := os.Stat(filepath.Join(dir, "pdq")); err == nil && info.IsDir() {
			root, err := os.OpenRoot(dir)
			return &outqueue{root: root}, err
		} else if errors.Is(err, fs.ErrPermission) {
			return nil, fmt.Errorf("%w: run it as root or as PagerDuty Agent's user, pdagent", err)
		}
	}
	return nil, fmt.Errorf("%s is no queue of a PagerDuty Agent, as it has no folder pdq: that of an installed one is /var/lib/pdagent/outqueue", dir)
}

// seize has PagerDuty Agent send nothing until close, and makes sure that files
// can be moved.
func (q *outqueue) seize() (err error) {
	for _, folder := range []string{"pdq", "suc"} {
		if err := q.root.Mkdir(folder, 0o750); err != nil && !errors.Is(err, fs.ErrExist) {
			return unmovable(err)
		}
		if err := unix.Access(filepath.Join(q.root.Name(), folder), unix.W_OK|unix.X_OK); err != nil {
			return unmovable(fmt.Errorf("%s: %w", filepath.Join(q.root.Name(), folder), err))
		}
	}
	if q.lock, err = q.root.OpenFile(dequeueLock, os.O_CREATE|os.O_WRONLY, 0o644); err != nil {
		return unmovable(err)
	}
	if info, err := q.root.Stat("pdq"); err == nil { // else PagerDuty Agent could not open what root has made
		owner := info.Sys().(*syscall.Stat_t)
		_ = q.lock.Chown(int(owner.Uid), int(owner.Gid))
	}
	if !q.locked() {
		_ = q.lock.Close()
		q.lock = nil
		return fmt.Errorf("%s is locked: PagerDuty Agent is sending, or another import runs; stop it: systemctl stop pdagent", filepath.Join(q.root.Name(), dequeueLock))
	}
	return nil
}

// locked takes the lock, and says whether it is the one that others see: who
// had it removes it.
func (q *outqueue) locked() bool {
	if unix.FcntlFlock(q.lock.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK}) != nil {
		return false
	}
	mine, err := q.lock.Stat()
	if err != nil {
		return false
	}
	seen, err := q.root.Stat(dequeueLock)
	return err == nil && os.SameFile(mine, seen)
}

func unmovable(err error) error {
	return fmt.Errorf("%w: what was handed over must be moved, so run it as root or as PagerDuty Agent's user, pdagent", err)
}

func (q *outqueue) close() {
	if q.lock != nil {
		_ = q.root.Remove(dequeueLock)
		_ = q.lock.Close()
	}
	_ = q.root.Close()
}

// queuedFile is a file of a queue.
type queuedFile struct {
	folder, name string
	at           time.Time // when it was queued
}

func (f queuedFile) path() string { return path.Join(f.folder, f.name) }

// files returns the events in folders, in the order in which they were queued,
// and what else is there.
func (q *outqueue) files(folders []string) (files []queuedFile, strange []string, err error) {
	for _, folder := range folders {
		entries, err := fs.ReadDir(q.root.FS(), folder)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", q.root.Name(), err)
		}
		for _, entry := range entries {
			name := entry.Name()
			stamp, _, named := strings.Cut(strings.TrimSuffix(name, ".txt"), "_")
			micros, err := strconv.ParseInt(stamp, 10, 64)
			if !named || err != nil || !strings.HasSuffix(name, ".txt") || !entry.Type().IsRegular() {
				strange = append(strange, path.Join(folder, name))
				continue
			}
			files = append(files, queuedFile{folder, name, time.UnixMicro(micros)})
		}
	}
	slices.SortFunc(files, func(a, b queuedFile) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.name, b.name)) })
	return files, strange, nil
}

// unfinished returns how many events were never queued whole: the program that
// wrote them has been killed.
func (q *outqueue) unfinished() int {
	entries, _ := fs.ReadDir(q.root.FS(), "tmp") // there need not be one
	return len(entries)
}

// queuedEvent is what is looked at of an event.
type queuedEvent struct {
	Type        string `json:"event_type"`
	IncidentKey string `json:"incident_key"`
	Description string `json:"description"`

	body []byte // what to post
}

// read returns the event of a file.
func (q *outqueue) read(f queuedFile) (queuedEvent, error) {
	info, err := q.root.Lstat(f.path())
	if err != nil {
		return queuedEvent{}, err
	}
	if info.Size() > maxQueued {
		return queuedEvent{}, fmt.Errorf("it has %d octets, and PagerDuty takes at most 524288", info.Size())
	}
	data, err := q.root.ReadFile(f.path())
	if err != nil {
		return queuedEvent{}, err
	}
	return parseQueued(f.name, data)
}

// parseQueued returns the event that data is. A trigger that has no incident
// key gets one that the file of this name and content has whenever it is read.
func parseQueued(name string, data []byte) (queuedEvent, error) {
	e := queuedEvent{body: data}
	var members map[string]json.RawMessage
	err := json.Unmarshal(data, &members)
	switch {
	case err != nil:
	case members == nil:
		err = errors.New("it is null")
	default:
		err = json.Unmarshal(data, &e)
	}
	if err != nil {
		return e, fmt.Errorf("it is no JSON of an event: %w", err)
	}
	if e.IncidentKey == "" && e.Type == "trigger" {
		sum := sha256.Sum256(append([]byte(name+"\n"), data...))
		e.IncidentKey = "pdagent-" + hex.EncodeToString(sum[:16])
		members["incident_key"] = json.RawMessage(strconv.Quote(e.IncidentKey))
		e.body, err = json.Marshal(members)
	}
	return e, err
}

// settle moves a file to those that were delivered, where no import looks, and
// returns when a power failure does not undo it.
func (q *outqueue) settle(f queuedFile) error {
	err := q.root.Rename(f.path(), path.Join("suc", f.name))
	for _, folder := range []string{"suc", f.folder} {
		if err == nil {
			err = q.sync(folder)
		}
	}
	if err != nil {
		return fmt.Errorf("%s was handed over and is still there: move it to suc before the next import, which would send it again: %s", masked(f.path()), masked(err.Error()))
	}
	return nil
}

func (q *outqueue) sync(folder string) error {
	dir, err := q.root.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// masked returns a text with no more of each integration key, of which names
// of files are made, than tells it from others.
func masked(text string) string {
	return regexp.MustCompile(`[0-9A-Za-z]{28}([0-9A-Za-z]{4})`).ReplaceAllString(text, "…$1")
}
