package chain_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/backend"
	"gatehouse/backend/chain"
)

// errFault is none of the kinds of answers.
var errFault = errors.New("a fault that nobody foresaw")

// stub is a Backend that always says the same, and counts how often.
type stub struct {
	err    error // of a login
	groups []string
	down   error // of Groups
	asked  int
	about  []backend.Identity // whose groups were asked for
	onAsk  func(ctx context.Context) error
}

func (s *stub) Authenticate(ctx context.Context, user, _ string) (backend.Identity, error) {
	s.asked++
	if s.onAsk != nil {
		if err := s.onAsk(ctx); err != nil {
			return backend.Identity{}, err
		}
	}
	if s.err != nil {
		return backend.Identity{}, s.err
	}
	return backend.Identity{User: user, Handle: "handle"}, nil
}

func (s *stub) Groups(_ context.Context, id backend.Identity) ([]string, error) {
	s.about = append(s.about, id)
	return slices.Clone(s.groups), s.down
}

// directory is a stub that ignores case, finds users without a password and tells
// of its state and of changes.
type directory struct {
	stub
	users   map[string]string // handles
	version map[string]uint64
	status  backend.Status
	gone    error // of Resolve and Revalidate
}

func (d *directory) Resolve(_ context.Context, user string) (backend.Identity, error) {
	handle, ok := d.users[d.CanonicalUser(user)]
	switch {
	case d.gone != nil:
		return backend.Identity{}, d.gone
	case !ok:
		return backend.Identity{}, backend.ErrUnknownUser
	}
	return backend.Identity{User: d.CanonicalUser(user), Handle: handle}, nil
}

func (d *directory) Revalidate(_ context.Context, id backend.Identity) (backend.Identity, error) {
	d.about = append(d.about, id)
	return id, d.gone
}

func (d *directory) Follows(id backend.Identity) bool { return id.Handle != "" }

func (d *directory) CanonicalUser(name string) string  { return strings.ToLower(name) }
func (d *directory) CanonicalGroup(name string) string { return strings.ToLower(name) }
func (d *directory) Version(user string) uint64        { return d.version[user] }
func (d *directory) Status() backend.Status            { return d.status }

type (
	member = chain.Member
	lender = chain.Lender
)

func mustChain(t *testing.T, c chain.Config) *chain.Backend {
	t.Helper()
	b, err := chain.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestNewRefuses(t *testing.T) {
	s := &stub{}
	one := []member{{Name: "a", Backend: s}}
	for name, c := range map[string]chain.Config{
		"no members":              {},
		"only extra groups":       {ExtraGroups: []lender{{"a", s}}},
		"a member twice":          {Members: []member{{Name: "a", Backend: s}, {Name: "a", Backend: s}}},
		"a member without a name": {Members: []member{{Backend: s}}},
		"a member of nothing":     {Members: []member{{Name: "a"}}},
		"extra groups twice":      {Members: one, ExtraGroups: []lender{{"b", s}, {"b", s}}},
		"extra groups of nothing": {Members: one, ExtraGroups: []lender{{Name: "b"}}},
	} {
		if b, err := chain.New(c); err == nil || b != nil {
			t.Errorf("%s: got %v, %v, want an error", name, b, err)
		}
	}
}

func TestUserIsOfTheMemberThatVouches(t *testing.T) {
	first, second := &stub{err: backend.ErrUnknownUser}, &stub{groups: []string{"dev"}}
	b := mustChain(t, chain.Config{Members: []member{{Name: "first", Backend: first}, {Name: "second", Backend: backend.Named("wrong", second)}}})
	id, err := b.Authenticate(t.Context(), "alice", "password")
	want := backend.Identity{User: "alice", Handle: "handle", Source: "second"}
	if err != nil || id != want {
		t.Fatalf("got %+v, %v, want %+v", id, err, want)
	}
	groups, err := b.Groups(t.Context(), id)
	if err != nil || !slices.Equal(groups, []string{"dev"}) {
		t.Errorf("groups: got %q, %v", groups, err)
	}
	if diff := cmp.Diff([]backend.Identity{want}, second.about); diff != "" || len(first.about) > 0 {
		t.Errorf("groups were asked for about (-want +got):\n%s and of the first %v", diff, first.about)
	}
}

func TestOtherMembersAreNotAskedForGroups(t *testing.T) {
	first, second := &stub{down: backend.ErrUnavailable}, &stub{groups: []string{"pusher"}}
	b := mustChain(t, chain.Config{Members: []member{{Name: "first", Backend: first, NextOnUnavailable: true}, {Name: "second", Backend: second}}})
	got, err := b.Groups(t.Context(), backend.Identity{User: "alice", Source: "first"})
	if !errors.Is(err, backend.ErrUnavailable) || got != nil || len(second.about) > 0 {
		t.Errorf("got %q, %v, and the second was asked %d times", got, err, len(second.about))
	}
}

func TestStrangersOfTheChainHaveNoGroups(t *testing.T) {
	s := &directory{}
	s.groups = []string{"pusher"}
	b := mustChain(t, chain.Config{Members: []member{{Name: "local", Backend: s}}})
	for _, source := range []string{"", "corp", "Local"} {
		id := backend.Identity{User: "alice", Source: source}
		if got, err := b.Groups(t.Context(), id); err == nil || backend.Refused(err) || got != nil {
			t.Errorf("source %q: got groups %q, %v, want a fault", source, got, err)
		}
		if _, err := b.Revalidate(t.Context(), id); err == nil || backend.Refused(err) {
			t.Errorf("source %q: revalidated with %v, want a fault", source, err)
		}
	}
}

// A directory that hangs must not use up the time of those after it, or local
// users could not log in for as long as it does.
func TestMemberThatHangsLeavesTimeForTheNext(t *testing.T) {
	for _, tt := range []struct {
		next, first time.Duration
	}{{next: 5 * time.Second, first: 5 * time.Second}, {next: 0, first: 10 * time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			hung := &stub{onAsk: func(ctx context.Context) error {
				<-ctx.Done()
				return fmt.Errorf("%w: %w", backend.ErrUnavailable, ctx.Err())
			}}
			var left time.Duration
			local := &stub{onAsk: func(ctx context.Context) error {
				deadline, _ := ctx.Deadline()
				left = time.Until(deadline)
				return nil
			}}
			b := mustChain(t, chain.Config{Members: []member{
				{Name: "corp", Backend: hung, NextOnUnavailable: tt.next > 0},
				{Name: "local", Backend: local},
			}})
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			start := time.Now()
			_, err := b.Authenticate(ctx, "robot", "password")
			if took := time.Since(start); took != tt.first || left != tt.next || (err == nil) != (tt.next > 0) {
				t.Errorf("the first had %v and the second %v, with error %v; want %v and %v", took, left, err, tt.first, tt.next)
			}
		})
	}
}

func TestLastMemberHasAllTheTimeThatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var left time.Duration
		s := &stub{onAsk: func(ctx context.Context) error {
			deadline, _ := ctx.Deadline()
			left = time.Until(deadline)
			return nil
		}}
		b := mustChain(t, chain.Config{Members: []member{{Name: "a", Backend: s, NextOnUnavailable: true}}})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if _, err := b.Authenticate(ctx, "alice", "password"); err != nil || left != 10*time.Second {
			t.Errorf("it had %v, %v", left, err)
		}
	})
}

func TestMemberMayUseAllTheTimeWhereThereIsNoLimit(t *testing.T) {
	s := &stub{onAsk: func(ctx context.Context) error {
		if _, bounded := ctx.Deadline(); bounded {
			return errors.New("somebody set a deadline")
		}
		return nil
	}}
	b := mustChain(t, chain.Config{Members: []member{{Name: "a", Backend: s, NextOnUnavailable: true}, {Name: "b", Backend: s}}})
	if _, err := b.Authenticate(t.Context(), "alice", "password"); err != nil {
		t.Error(err)
	}
}
