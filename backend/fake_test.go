package backend_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"gatehouse/backend"
)

type account struct {
	password string
	groups   []string
	locked   bool
}

// A fake is a directory of users that ignores the case of names, as most do,
// counts what it is asked, and does in each question whatever during says.
type fake struct {
	logins, lists atomic.Int64
	version       atomic.Uint64
	during        func(ctx context.Context) error

	mu    sync.Mutex
	users map[string]account
}

func newFake(users map[string]account) *fake { return &fake{users: users} }

// people are the users of every test that does not bring its own.
func people() map[string]account {
	return map[string]account{
		"alice": {password: "alice-5ecret", groups: []string{"dev", "pusher"}},
		"bob":   {password: "bob-5ecret"},
		"carol": {password: "carol-5ecret", groups: []string{"dev"}, locked: true},
	}
}

func (f *fake) Authenticate(ctx context.Context, user, password string) (backend.Identity, error) {
	f.logins.Add(1)
	if err := f.question(ctx); err != nil {
		return backend.Identity{}, err
	}
	name := f.CanonicalUser(user)
	a, ok := f.account(name)
	switch {
	case !ok:
		return backend.Identity{}, backend.ErrUnknownUser
	case a.locked:
		return backend.Identity{}, fmt.Errorf("user %q: %w", name, backend.ErrLocked)
	case a.password != password:
		return backend.Identity{}, fmt.Errorf("user %q: %w", name, backend.ErrWrongPassword)
	}
	return backend.Identity{User: name, Handle: "uid=" + name}, nil
}

func (f *fake) Groups(ctx context.Context, id backend.Identity) ([]string, error) {
	f.lists.Add(1)
	if err := f.question(ctx); err != nil {
		return nil, err
	}
	a, ok := f.account(id.User)
	if !ok || id.Handle != "uid="+id.User {
		return nil, fmt.Errorf("no entry at handle %q", id.Handle)
	}
	return slices.Clone(a.groups), nil
}

func (f *fake) question(ctx context.Context) error {
	if f.during != nil {
		if err := f.during(ctx); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", backend.ErrUnavailable, err)
	}
	return nil
}

func (f *fake) account(name string) (account, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a, ok := f.users[name]
	return a, ok
}

func (f *fake) set(name string, a account) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.users[name] = a
}

func (f *fake) Version(string) uint64             { return f.version.Load() }
func (f *fake) CanonicalUser(name string) string  { return strings.ToLower(name) }
func (f *fake) CanonicalGroup(name string) string { return strings.ToLower(name) }

// bare hides all that a Backend can do besides.
type bare struct{ backend.Backend }
