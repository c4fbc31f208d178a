package token

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"gatehouse/backend/watch"
)

// maxState bounds the file of Revocations.
const maxState = 16 << 20

var errNotOurs = errors.New("it is not what the gateway writes there; with another file all revocations are forgotten, so put the file back, or remove it and revoke again with: gatehouse revoke --all")

// readRevoked returns what the file at path says, nothing if there is none. It takes only
// what encode writes, to the letter: a file with anything else in it may be damaged or cut,
// and readers of JSON make nothing of a null, of a name in capital letters, or of the first
// of two values.
func readRevoked(path string) (s revoked, err error) {
	text, _, err := watch.Read(path, watch.Limits{MaxSize: maxState})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return s, nil
	case err != nil:
		return s, err
	}
	if err := json.Unmarshal([]byte(text), &s); err != nil || !s.isValid() {
		return revoked{}, errNotOurs
	}
	if again, err := s.encode(); err != nil || string(again) != text {
		return revoked{}, errNotOurs
	}
	return s, nil
}

// isValid reports whether somebody was revoked, and everybody at some time.
func (s revoked) isValid() bool {
	valid := s.All > 0 || s.All == 0 && len(s.Users) > 0
	for name, at := range s.Users {
		valid = valid && name != "" && name == folded(name) && at > s.All
	}
	return valid
}

// encode returns s as the file has it.
func (s revoked) encode() ([]byte, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	if text = append(text, '\n'); len(text) > maxState {
		return nil, fmt.Errorf("the file would be larger than %d MiB: end all tokens with: gatehouse revoke --all", maxState>>20)
	}
	return text, nil
}

// write replaces the file at path. A crash leaves the old one or the new one.
func (s revoked) write(path string) error {
	text, err := s.encode()
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // in vain once it has the other name
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// maxLinks bounds how many links lead to a file.
const maxLinks = 40

// targetOf returns the file behind links, which need not exist yet: that is the one to be
// replaced.
func targetOf(path string) string {
	for range maxLinks {
		target, err := os.Readlink(path)
		if err != nil {
			break
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		path = target
	}
	return path
}

// lockFolderOf waits until no other process replaces the file at path. It returns what holds
// the lock until it is closed: the folder, because the file is another one after each time.
func lockFolderOf(path string) (*os.File, error) {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX); err != nil {
		dir.Close()
		return nil, fmt.Errorf("lock the folder %s: %w", dir.Name(), err)
	}
	return dir, nil
}
