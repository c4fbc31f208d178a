package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"gatehouse/backend/htpasswd"
	"gatehouse/backend/watch"
)

// setUser gives user a new hash, in the line that counts or in a new one at the
// end of text, and reports whether there was such a line. Further lines for the
// user count for nothing and are dropped.
func setUser(text, user, hash string) (changed string, known bool) {
	var b strings.Builder
	for l := range htpasswd.Lines(text) {
		if l.Name == user {
			if known {
				continue
			}
			known = true
			l.Hash = hash
		}
		b.WriteString(l.String())
	}
	if known {
		return b.String(), true
	}
	newline := "\n"
	if strings.Contains(text, "\r\n") {
		newline = "\r\n"
	}
	if text != "" && !strings.HasSuffix(text, "\n") {
		b.WriteString(newline)
	}
	return b.String() + user + ":" + hash + newline, false
}

// removeUser deletes all lines of user: behind the first there may be another,
// which would come to count.
func removeUser(text, user string) (changed string, known bool) {
	var b strings.Builder
	for l := range htpasswd.Lines(text) {
		if l.Name != user {
			b.WriteString(l.String())
			continue
		}
		known = true
		if strings.HasPrefix(l.Before, "\ufeff") {
			b.WriteString("\ufeff")
		}
	}
	return b.String(), known
}

// checkPasswdFile reports why the file at path could not be edited.
func checkPasswdFile(path string, create bool) error {
	dir, err := lockPasswdFile(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	_, _, err = readPasswdFile(path, create) // which fails while another edit replaces the file
	return err
}

// lockPasswdFile waits until nobody edits the file, and returns what holds the lock
// until it is closed: the directory, because the file is another one after each edit.
func lockPasswdFile(path string) (*os.File, error) {
	dir, err := os.Open(filepath.Dir(targetOf(path)))
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX); err != nil {
		dir.Close()
		return nil, fmt.Errorf("lock directory %s: %w", dir.Name(), err)
	}
	return dir, nil
}

// targetOf returns the file behind a link: that is the one to be replaced.
func targetOf(path string) string {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		return target
	}
	return path
}

// readPasswdFile returns the content of the file, and nil for its facts where
// it is to be made.
func readPasswdFile(path string, create bool) (text string, info fs.FileInfo, err error) {
	info, err = os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && create:
		return "", nil, nil
	case errors.Is(err, fs.ErrNotExist):
		return "", nil, fmt.Errorf("%w; pass -c to make the file", err)
	case err != nil:
		return "", nil, err
	case create && info.Size() > 0:
		return "", nil, fmt.Errorf("%s exists already; leave -c out to change it", path)
	}
	text, _, err = watch.Read(path, watch.Limits{MaxSize: htpasswd.FileMax})
	return text, info, err
}

// editPasswdFile puts what edit makes of the content in the place of the file,
// in one step, so that whoever reads it sees the old or the new one. Edits of
// several at once happen one after the other.
func editPasswdFile(path string, create bool, edit func(text string) (string, error)) error {
	path = targetOf(path)
	dir, err := lockPasswdFile(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	text, info, err := readPasswdFile(path, create)
	if err != nil {
		return err
	}
	if text, err = edit(text); err != nil {
		return err
	}
	if err := replaceFile(path, text, info); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return dir.Sync()
}

// replaceFile writes text to a new file with the owner and the mode that old
// tells, and gives it the name of the old one. A file that did not exist can be
// read by its owner and group.
func replaceFile(path, text string, old fs.FileInfo) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // in vain once it has the other name
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		return err
	}
	mode := fs.FileMode(0o640)
	if old != nil {
		mode = old.Mode().Perm()
		st := old.Sys().(*syscall.Stat_t)
		if err := f.Chown(int(st.Uid), int(st.Gid)); err != nil {
			return fmt.Errorf("keep the owner: %w", err)
		}
	}
	if err := f.Chmod(mode); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
