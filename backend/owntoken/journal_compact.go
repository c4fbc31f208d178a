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
	if err := errors.Join(os.Rename(f.Name(), j.path), syncFolder(filepath.Dir(j.path)), j.file.Close()); err != nil {
		return fault.File(err)
	}
	j.size = size
	j.file, err = os.OpenFile(j.path, os.O_RDWR|os.O_APPEND|syscall.O_NOFOLLOW, 0)
	return err
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
