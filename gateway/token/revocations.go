package token

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Revocations say which tokens no longer count although they have not expired: those that
// were issued to a user, or to anybody, up to a moment. Any number of goroutines may use
// them at once.
type Revocations struct {
	path    string     // of the file that keeps them; empty for none
	writing sync.Mutex // held while the file is replaced, which no request waits for
	adding  sync.Mutex // held while state becomes another one
	state   atomic.Pointer[revoked]
}

// revoked is what the file has, and does not change. Times are in seconds since 1970.
type revoked struct {
	All   int64            `json:"all,omitempty"`
	Users map[string]int64 `json:"users,omitempty"` // by folded name
}

// folded returns what all spellings of a name have in common that differ in case alone: it
// is better to revoke the tokens of a namesake as well than to miss a spelling. Some letters
// have two small ones, so that turning a name into small letters alone is not enough.
func folded(name string) string { return strings.ToLower(strings.ToUpper(name)) }

// with returns what s and more say together, which is the later time of each.
func (s revoked) with(more revoked) revoked {
	all := revoked{All: max(s.All, more.All), Users: map[string]int64{}}
	for _, users := range []map[string]int64{s.Users, more.Users} {
		for name, at := range users {
			all.Users[name] = max(at, all.Users[name])
		}
	}
	// A clock that was set back makes an older time the later one to be told.
	maps.DeleteFunc(all.Users, func(_ string, at int64) bool { return at <= all.All })
	return all
}

// ErrNotKept says that a revocation counts and ends with the process.
var ErrNotKept = errors.New("the tokens are revoked, but this is kept nowhere and ends with the process")

// OpenRevocations returns what the file at path keeps; that need not exist yet. With an
// empty path nothing is kept.
func OpenRevocations(path string) (*Revocations, error) {
	r := &Revocations{path: path}
	state := revoked{}
	if path != "" {
		var err error
		if state, err = readRevoked(path); err != nil {
			return nil, err
		}
	}
	r.state.Store(&state)
	return r, nil
}

// RevokeUser ends all tokens that were issued so far to users of any of the names. If that
// cannot be kept the error wraps [ErrNotKept], and it counts until the process ends.
func (r *Revocations) RevokeUser(names []string, now time.Time) error {
	more := revoked{Users: map[string]int64{}}
	for _, name := range names {
		if name != "" { // which nobody has
			more.Users[folded(name)] = now.Unix()
		}
	}
	return r.revoke(more)
}

// RevokeAll does so for the tokens of everybody.
func (r *Revocations) RevokeAll(now time.Time) error { return r.revoke(revoked{All: now.Unix()}) }

func (r *Revocations) revoke(more revoked) error {
	r.add(more) // counts before anything is written, which may take its time
	if r.path == "" {
		return fmt.Errorf("%w: set state_file under [tokens]", ErrNotKept)
	}
	if err := r.keep(); err != nil {
		return fmt.Errorf("%w: %w", ErrNotKept, err)
	}
	return nil
}

// add has more count, beside what counts already, and returns both.
func (r *Revocations) add(more revoked) revoked {
	r.adding.Lock()
	defer r.adding.Unlock()
	all := r.state.Load().with(more)
	r.state.Store(&all)
	return all
}

// keep writes what counts into the file, beside what another process has written there.
func (r *Revocations) keep() error {
	r.writing.Lock()
	defer r.writing.Unlock()
	path := targetOf(r.path)
	dir, err := lockFolderOf(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	kept, err := readRevoked(path)
	if err != nil {
		return err
	}
	if err := r.add(kept).write(path); err != nil {
		return err
	}
	return dir.Sync()
}

// Covers reports whether t is revoked. A token of the very second of a revocation is: the
// user gets another one by logging in again.
func (r *Revocations) Covers(t Token) bool {
	if r == nil {
		return false
	}
	state := r.state.Load()
	at := state.All
	if len(state.Users) > 0 { // which spares folding a name for each request
		at = max(at, state.Users[folded(t.Identity.User)])
	}
	return t.Issued <= at
}
