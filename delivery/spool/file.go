package spool

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// file is what the spool asks of an open file.
type file interface {
	io.ReaderAt
	io.WriterAt
	Size() (int64, error)
	Truncate(size int64) error
	Sync() error // the content and the size are on disk when it returns nil
	Close() error
}

// filesystem is what the spool asks of the system. Tests put one in between
// that fails.
type filesystem interface {
	Open(path string, flag int) (file, error)
	SyncDir(dir string) error
	Remove(path string) error
	Rename(from, to string) error
}

type disk struct{}

// Open opens path, which nobody but the daemon's user may read.
func (disk) Open(path string, flag int) (file, error) {
	f, err := os.OpenFile(path, flag, 0o600)
	if err != nil {
		return nil, err
	}
	return diskFile{f}, nil
}

// SyncDir makes the names in dir durable.
func (disk) SyncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = f.Sync()
	return errors.Join(err, f.Close())
}

func (disk) Remove(path string) error { return os.Remove(path) }

func (disk) Rename(from, to string) error { return os.Rename(from, to) }

type diskFile struct{ *os.File }

func (f diskFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (f diskFile) Sync() error { return syncData(f.File) }

// lock keeps a second process away. The kernel drops it with the process,
// however that ends.
func lock(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		return f, nil
	}
	_ = f.Close()
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, errors.New("another process uses it: stop that one, or give this one another data_dir")
	}
	return nil, fmt.Errorf("lock: %w", err)
}

// unlock gives up what lock took. Closing f would not do: a child that was
// just forked holds it until it execs.
func unlock(f *os.File) {
	_ = unix.Flock(int(f.Fd()), unix.LOCK_UN)
	_ = f.Close()
}
