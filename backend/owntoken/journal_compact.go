package owntoken

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"gatehouse/backend/fault"
)

// forget drops from memory what has ended long ago.
func (j *Journal) forget() {
	long := j.now().Add(-keptFor)
	for _, e := range j.tokens.byID {
		if e.Expires.Before(long) || !e.Revoked.IsZero() && e.Revoked.Before(long) {
			j.tokens.remove(e)
		}
	}
}

// Tidy drops what has ended long ago, and replaces the file if much of it no longer counts.
// After an error the file is what it was, or nothing more is written.
func (j *Journal) Tidy() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.broken != nil {
		return j.broken
	}
	return j.tidy()
}

func (j *Journal) tidy() error {
	j.forget()
	if j.lines > 1000 && j.lines > 2*len(j.tokens.byID) {
		return j.compact()
	}
	return nil
}

// compact replaces the file by one that has each token once. A crash leaves the old file or
// the new one.
func (j *Journal) compact() error {
	f, err := os.CreateTemp(filepath.Dir(j.path), "."+filepath.Base(j.path)+"-*")
	if err != nil {
		return fault.File(err)
	}
	defer os.Remove(f.Name()) // in vain once it has the other name
	size, err := j.writeAll(f)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fault.File(fmt.Errorf("write %s anew: %w", j.path, err))
	}
	fresh, err := os.OpenFile(f.Name(), os.O_RDWR|os.O_APPEND|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return fault.File(err)
	}
	if err := os.Rename(f.Name(), j.path); err != nil {
		return errors.Join(fault.File(err), fresh.Close())
	}
	old := j.file
	j.file, j.size, j.lines = fresh, size, len(j.tokens.byID)
	if err := syncFolder(filepath.Dir(j.path)); err != nil {
		j.broken = fmt.Errorf("an earlier change of the file may be lost: %w; restart gatehouse when the disk is in order", err)
		return errors.Join(j.broken, old.Close())
	}
	return old.Close()
}

// writeAll writes a line for each token.
func (j *Journal) writeAll(f *os.File) (size int64, err error) {
	w := bufio.NewWriterSize(f, 1<<20)
	for _, t := range j.tokens.all() {
		line, err := json.Marshal(Change{At: t.Created, By: t.By, Add: []Added{{j.tokens.byID[t.ID].hash, t}}})
		if err != nil {
			return 0, err
		}
		n, err := w.Write(append(line, '\n'))
		if err != nil {
			return 0, err
		}
		size += int64(n)
	}
	return size, w.Flush()
}

func syncFolder(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
