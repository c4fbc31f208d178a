package chain_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/backend"
	"gatehouse/backend/chain"
)

// corpAndLocal is a chain of a directory, which ignores case, and a backend that
// does not and can do nothing else either.
func corpAndLocal(t *testing.T) (b *chain.Backend, corp *directory, local *stub) {
	t.Helper()
	corp, local = &directory{users: map[string]string{"alice": "uid=alice"}}, &stub{}
	b = mustChain(t, chain.Config{Members: []member{{Name: "corp", Backend: corp}, {Name: "local", Backend: local}}})
	return b, corp, local
}

func TestNamesAreSpelledAsTheirMemberDoes(t *testing.T) {
	b, _, _ := corpAndLocal(t)
	type names struct{ user, group string }
	spell := func(c backend.Canonicalizer, name string) names {
		return names{c.CanonicalUser(name), c.CanonicalGroup(name)}
	}
	for _, tt := range []struct {
		of   backend.Canonicalizer
		name string
		want string
	}{
		{b.Spelling("corp"), "ALICE", "alice"},
		{b.Spelling("local"), "ALICE", "ALICE"},
		{b, "alice", "alice"},
		{b, "ALICE", "ALICE"}, // on which they do not agree
		{b.Spelling("other"), "ALICE", "ALICE"},
		{backend.Extend(backend.Named("everyone", b)).Spelling("corp"), "ALICE", "alice"},
	} {
		if got := spell(tt.of, tt.name); got != (names{tt.want, tt.want}) {
			t.Errorf("%s: got %v, want %q", tt.name, got, tt.want)
		}
	}
}

func TestGroupsAreSpelledAsTheLenderDoesToo(t *testing.T) {
	b := mustChain(t, chain.Config{
		Members:     []member{{Name: "local", Backend: &stub{}}},
		ExtraGroups: []lender{{"corp", &directory{}}},
	})
	s := b.Spelling("local")
	if user, group := s.CanonicalUser("Alice"), s.CanonicalGroup("Dev"); user != "Alice" || group != "dev" {
		t.Errorf("got user %q and group %q", user, group)
	}
}

// One member's change is a change for those users alone whom it is about: all
// else that is remembered of a chain stays.
func TestVersionChangesWithAnyPartForTheUserConcerned(t *testing.T) {
	versions := func() *directory { return &directory{version: map[string]uint64{"alice": 1, "bob": 1}} }
	corp, local, files := versions(), versions(), versions()
	b := mustChain(t, chain.Config{
		Members:     []member{{Name: "corp", Backend: corp}, {Name: "plain", Backend: &stub{}}, {Name: "local", Backend: local}},
		ExtraGroups: []lender{{"files", files}, {"local", local}},
	})
	seen := map[uint64]bool{b.Version("alice"): true}
	bob := b.Version("bob")
	for _, part := range []*directory{corp, local, files} {
		for range 3 {
			part.version["alice"]++
			if v := b.Version("alice"); seen[v] || v != b.Version("alice") {
				t.Errorf("version %d came before, or is gone already", v)
			} else {
				seen[v] = true
			}
		}
	}
	if got := b.Version("bob"); got != bob {
		t.Errorf("bob's version went from %d to %d with changes about alice", bob, got)
	}
}

func TestVersionsOfTwoMembersDoNotCancelOut(t *testing.T) {
	a, z := &directory{version: map[string]uint64{}}, &directory{version: map[string]uint64{}}
	b := mustChain(t, chain.Config{Members: []member{{Name: "a", Backend: a}, {Name: "z", Backend: z}}})
	seen := map[uint64]bool{}
	for i := range uint64(16) {
		for j := range uint64(16) {
			a.version["alice"], z.version["alice"] = i, j
			v := b.Version("alice")
			if seen[v] {
				t.Errorf("versions %d and %d make one that was there before", i, j)
			}
			seen[v] = true
		}
	}
}

func TestRevalidationAsksWhoeverVouched(t *testing.T) {
	b, corp, _ := corpAndLocal(t)
	id := backend.Identity{User: "alice", Handle: "uid=alice", Source: "corp"}
	for _, want := range []error{nil, backend.ErrLocked, backend.ErrUnknownUser, backend.ErrUnavailable} {
		corp.about, corp.gone = nil, want
		if _, err := b.Revalidate(t.Context(), id); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
		if diff := cmp.Diff([]backend.Identity{id}, corp.about); diff != "" {
			t.Errorf("asked about (-want +got):\n%s", diff)
		}
	}
	for other, want := range map[backend.Identity]bool{
		id: true, {User: "alice", Source: "corp"}: false, {User: "alice", Handle: "uid=alice", Source: "local"}: false, {User: "alice", Handle: "uid=alice"}: false,
	} {
		if got := b.Follows(other); got != want {
			t.Errorf("%+v is followed: %v", other, got)
		}
	}
	corp.about = nil
	_, err := b.Revalidate(t.Context(), backend.Identity{User: "alice", Source: "local"})
	if !errors.Is(err, errors.ErrUnsupported) || len(corp.about) > 0 {
		t.Errorf("user of a member that cannot: got %v, and corp was asked about %v", err, corp.about)
	}
}

func TestResolveGoesByTheRulesOfALogin(t *testing.T) {
	corp := &directory{users: map[string]string{"alice": "uid=alice"}}
	more := &directory{users: map[string]string{"alice": "uid=other", "bob": "uid=bob"}}
	b := mustChain(t, chain.Config{Members: []member{{Name: "corp", Backend: corp}, {Name: "more", Backend: more}}})
	for user, want := range map[string]backend.Identity{
		"ALICE": {User: "alice", Handle: "uid=alice", Source: "corp"},
		"bob":   {User: "bob", Handle: "uid=bob", Source: "more"},
	} {
		if got, err := b.Resolve(t.Context(), user); err != nil || got != want {
			t.Errorf("%s: got %+v, %v, want %+v", user, got, err, want)
		}
	}
	if _, err := b.Resolve(t.Context(), "carol"); !errors.Is(err, backend.ErrUnknownUser) {
		t.Errorf("carol: got %v", err)
	}
	corp.gone = backend.ErrLocked
	if _, err := b.Resolve(t.Context(), "bob"); !errors.Is(err, backend.ErrLocked) {
		t.Errorf("locked: got %v, and no later member may say otherwise", err)
	}
	plain, _, _ := corpAndLocal(t)
	if _, err := plain.Resolve(t.Context(), "robot"); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("robot: got %v: a member that might know the user cannot tell", err)
	}
}

func TestStatusIsThatOfAllParts(t *testing.T) {
	corp := &directory{status: backend.Status{Servers: []backend.ServerStatus{{Address: "dc1"}, {Address: "dc2", Down: true}}}}
	more := &directory{status: backend.Status{Degraded: true, Servers: []backend.ServerStatus{{Address: "dc3", Down: true}}}}
	b := mustChain(t, chain.Config{
		Members:     []member{{Name: "corp", Backend: corp}, {Name: "local", Backend: &stub{}}},
		ExtraGroups: []lender{{"corp", corp}, {"more", more}},
	})
	want := backend.Status{Degraded: true, Servers: append(corp.status.Servers[:2:2], more.status.Servers...)}
	if diff := cmp.Diff(want, b.Status()); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
}
