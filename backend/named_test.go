package backend_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"gatehouse/backend"
)

func TestNamedSaysWhoVouched(t *testing.T) {
	f := newFake(people())
	got, err := backend.Named("corp", f).Authenticate(t.Context(), "Alice", "alice-5ecret")
	if want := (backend.Identity{User: "alice", Handle: "uid=alice", Source: "corp"}); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

func TestNamedLeavesTheSourceOfAMember(t *testing.T) {
	b := backend.Named("everyone", backend.Named("corp", newFake(people())))
	got, err := b.Authenticate(t.Context(), "alice", "alice-5ecret")
	if err != nil || got.Source != "corp" {
		t.Errorf("got %+v, %v, want source corp", got, err)
	}
}

func TestNamedLabelsErrors(t *testing.T) {
	f := newFake(people())
	b := backend.Named("corp", f)
	const prefix = `backend "corp": `

	_, refused := b.Authenticate(t.Context(), "alice", "wrong")
	f.during = func(context.Context) error { return backend.ErrUnavailable }
	_, unavailable := b.Authenticate(t.Context(), "alice", "wrong")
	_, unknown := b.Groups(t.Context(), backend.Identity{User: "alice", Handle: "uid=alice"})
	for _, tt := range []struct{ got, want error }{
		{refused, backend.ErrWrongPassword}, {unavailable, backend.ErrUnavailable}, {unknown, backend.ErrUnavailable},
	} {
		if !errors.Is(tt.got, tt.want) || !strings.HasPrefix(tt.got.Error(), prefix) {
			t.Errorf("got error %q, want one of kind %q that begins with %q", tt.got, tt.want, prefix)
		}
	}
}

func TestNamedPassesIdentitiesOnUnchanged(t *testing.T) {
	b := backend.Named("corp", byIdentity{newFake(nil)})
	wantGroups(t, b, backend.Identity{User: "alice", Handle: "dn", Source: "other"}, "alice", "dn", "other")
}

func TestNamedPassesOnWhatTheBackendCanDo(t *testing.T) {
	f := newFake(people())
	f.version.Store(7)
	tests := []struct {
		b       backend.Backend
		version uint64
		names   string
	}{
		{f, 7, "alice dev"},
		{backend.Named("corp", f), 7, "alice dev"},
		{bare{f}, 0, "ALICE DEV"},
		{backend.Named("corp", bare{f}), 0, "ALICE DEV"},
	}
	for _, tt := range tests {
		names := backend.Extend(tt.b).CanonicalUser("ALICE") + " " + backend.Extend(tt.b).CanonicalGroup("DEV")
		if version := backend.Extend(tt.b).Version("alice"); version != tt.version || names != tt.names {
			t.Errorf("%T: got version %d and names %q, want %d and %q", tt.b, version, names, tt.version, tt.names)
		}
	}
}

// able is a Backend that can do everything that one can do besides.
type able struct{ *fake }

func (a able) Resolve(_ context.Context, user string) (backend.Identity, error) {
	name := a.CanonicalUser(user)
	if _, ok := a.account(name); !ok {
		return backend.Identity{}, backend.ErrUnknownUser
	}
	return backend.Identity{User: name, Handle: "uid=" + name}, nil
}

func (a able) Revalidate(_ context.Context, id backend.Identity) (backend.Identity, error) {
	if _, ok := a.account(id.User); !ok {
		return backend.Identity{}, backend.ErrUnknownUser
	}
	return id, nil
}

func (able) Follows(id backend.Identity) bool { return id.Handle != "" }

func (able) Status() backend.Status { return backend.Status{Degraded: true} }

func (able) Spelling(source string) backend.Canonicalizer { return able{newFake(nil)} }

func TestNamedSignsWhatIsSaidWithoutAPassword(t *testing.T) {
	b := backend.Named("corp", able{newFake(people())})
	id, err := backend.Extend(b).Resolve(t.Context(), "ALICE")
	if want := (backend.Identity{User: "alice", Handle: "uid=alice", Source: "corp"}); err != nil || id != want {
		t.Errorf("got %+v, %v, want %+v", id, err, want)
	}
	if _, err := backend.Extend(b).Revalidate(t.Context(), id); err != nil {
		t.Errorf("revalidate: %v", err)
	}
	if !backend.Extend(b).Follows(id) || backend.Extend(b).Follows(backend.Identity{}) || backend.Extend(newFake(nil)).Follows(id) {
		t.Error("who is followed is not what the backend says")
	}
	if !backend.Extend(b).Status().Degraded {
		t.Error("it hides that the backend is degraded")
	}
	_, unknown := backend.Extend(b).Resolve(t.Context(), "mallory")
	_, gone := backend.Extend(b).Revalidate(t.Context(), backend.Identity{User: "mallory"})
	for _, err := range []error{unknown, gone} {
		if !errors.Is(err, backend.ErrUnknownUser) || !strings.HasPrefix(err.Error(), `backend "corp": `) {
			t.Errorf("got %v, want unknown user at the backend", err)
		}
	}
}

func TestWithoutAnAbilityThereIsTheNextBest(t *testing.T) {
	b := backend.Named("corp", bare{newFake(people())})
	if _, err := backend.Extend(b).Resolve(t.Context(), "alice"); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("resolve: got %v", err)
	}
	if _, err := backend.Extend(b).Revalidate(t.Context(), backend.Identity{User: "alice"}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("revalidate: got %v", err)
	}
	if s := backend.Extend(b).Status(); s.Degraded || len(s.Servers) > 0 {
		t.Errorf("status: got %+v", s)
	}
	s := backend.Extend(backend.Named("corp", newFake(nil))).Spelling("corp")
	if got := s.CanonicalUser("ALICE") + s.CanonicalGroup("DEV"); got != "alicedev" {
		t.Errorf("spelling: got %q", got)
	}
}

func TestWhatCouldNotBeAskedIsNoRefusal(t *testing.T) {
	for _, kind := range []error{backend.ErrUnknownUser, backend.ErrWrongPassword, backend.ErrLocked} {
		if !backend.Refused(kind) || backend.Refused(errors.Join(kind, backend.ErrUnavailable)) {
			t.Errorf("%v: got %t, and %t with an outage, want true and false", kind, backend.Refused(kind), backend.Refused(errors.Join(kind, backend.ErrUnavailable)))
		}
	}
}
