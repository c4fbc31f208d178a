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
		names := backend.CanonicalUserOf(tt.b, "ALICE") + " " + backend.CanonicalGroupOf(tt.b, "DEV")
		if version := backend.VersionOf(tt.b, "alice"); version != tt.version || names != tt.names {
			t.Errorf("%T: got version %d and names %q, want %d and %q", tt.b, version, names, tt.version, tt.names)
		}
	}
}
