package token

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// maxState bounds the file of Revocations.
const maxState = 16 << 20

// Revocations say which tokens no longer count although they have not expired: those that
// were issued to a user, or to anybody, up to a moment. Any number of goroutines may use
// them at once.
type Revocations struct {
	path string // of the file that keeps them; empty for none

	mu    sync.RWMutex
	state revoked
}

// revoked is what the file has. Times are in seconds since 1970. Names are in lower case:
// it is better to revoke the tokens of a namesake as well than to miss a spelling.
type revoked struct {
	All   int64            `json:"all,omitempty"`
	Users map[string]int64 `json:"users,omitempty"`
}

// ErrNotKept says that a revocation counts and ends with the process.
var ErrNotKept = errors.New("the tokens are revoked, but this is kept nowhere and ends with the process")

// OpenRevocations returns what the file at path keeps; that need not exist yet. With an
// empty path nothing is kept.
func OpenRevocations(path string) (*Revocations, error) {
	r := &Revocations{path: path, state: revoked{Users: map[string]int64{}}}
	if path == "" {
		return r, nil
	}
	f, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return r, nil
	case err != nil:
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular() || info.Size() > maxState:
		return nil, errors.New("it is no file, or larger than 16 MiB")
	}
	decoder := json.NewDecoder(f)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&r.state); err != nil || decoder.More() || !r.state.isValid() {
		return nil, errors.New("it is not what the gateway writes there; with another file all revocations are forgotten, so put the file back, or remove it and revoke again with: gatehouse revoke --all")
	}
	if r.state.Users == nil {
		r.state.Users = map[string]int64{}
	}
	return r, nil
}

func (s revoked) isValid() bool {
	valid := s.All >= 0
	for name, at := range s.Users {
		valid = valid && name != "" && name == strings.ToLower(name) && at > 0
	}
	return valid
}

// Revoke ends all tokens issued so far, or those of one user if user is not empty. If that
// cannot be kept the error is or wraps [ErrNotKept], and it counts until the process ends.
func (r *Revocations) Revoke(user string, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := now.Unix()
	if user == "" {
		r.state = revoked{All: max(at, r.state.All), Users: map[string]int64{}}
	} else {
		name := strings.ToLower(user)
		r.state.Users[name] = max(at, r.state.Users[name])
	}
	if r.path == "" {
		return fmt.Errorf("%w: set state_file under [tokens]", ErrNotKept)
	}
	if err := r.write(); err != nil {
		return fmt.Errorf("%w: %w", ErrNotKept, err)
	}
	return nil
}

// write replaces the file. A crash leaves the old one or the new one.
func (r *Revocations) write() error {
	text, err := json.Marshal(r.state)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(r.path), "."+filepath.Base(r.path)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // in vain once it has the other name
	_, err = f.Write(append(text, '\n'))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), r.path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(r.path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// Covers reports whether t is revoked. A token of the very second of a revocation is: the
// user gets another one by logging in again.
func (r *Revocations) Covers(t Token) bool {
	if r == nil {
		return false
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	at := r.state.All
	if len(r.state.Users) > 0 { // which spares a name in lower case for each request
		at = max(at, r.state.Users[strings.ToLower(t.Identity.User)])
	}
	return t.Issued <= at
}
