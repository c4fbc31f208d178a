package rules

import (
	"context"
	"testing"

	"gatehouse/backend"
)

// mixed is made of a backend "corp", which ignores case and blanks, and a backend
// "local", which does not.
type mixed struct{}

func (mixed) Authenticate(context.Context, string, string) (backend.Identity, error) {
	return backend.Identity{}, backend.ErrUnknownUser
}
func (mixed) Groups(context.Context, backend.Identity) ([]string, error) { return nil, nil }
func (mixed) CanonicalUser(name string) string                           { return name }
func (mixed) CanonicalGroup(name string) string                          { return name }
func (m mixed) Spelling(source string) backend.Canonicalizer {
	if source == "corp" {
		return folding{}
	}
	return m
}

func TestNamesOnAChainAreSpelledAsTheirBackendDoes(t *testing.T) {
	known := func(source, user string, groups ...string) Subject {
		return Subject{LoggedIn: true, Identity: backend.Identity{User: user, Source: source}, GroupsKnown: true, Groups: groups}
	}
	const dn = "cn=pusher,ou=groups"
	tests := []struct {
		item    any
		allowed []Subject
		denied  []Subject
	}{
		{"user corp:ALICE",
			[]Subject{known("corp", "alice")},
			[]Subject{known("local", "ALICE"), known("local", "alice"), known("corp", "bob")}},
		{"user local:Alice",
			[]Subject{known("local", "Alice")},
			[]Subject{known("local", "alice"), known("corp", "alice"), known("corp", "Alice")}},
		{"user Alice",
			[]Subject{known("corp", "alice"), known("local", "Alice")},
			[]Subject{known("local", "alice"), known("local", "ALICE"), known("corp", "Alice"), known("other", "alice")}},
		{all("valid-user", "not user Alice"),
			[]Subject{known("local", "alice"), known("corp", "bob")},
			[]Subject{known("corp", "alice"), known("local", "Alice")}},
		{"group Pusher",
			[]Subject{known("corp", "u", "x", "pusher"), known("local", "u", "Pusher")},
			[]Subject{known("local", "u", "pusher"), known("corp", "u", "Pusher"), known("corp", "pusher")}},
		{`group "corp:CN=Pusher, OU=Groups"`,
			[]Subject{known("corp", "u", dn)},
			[]Subject{known("local", "u", dn), known("corp", "u", "pusher")}},
		{`group "CN=Pusher, OU=Groups"`,
			[]Subject{known("corp", "u", dn)},
			[]Subject{known("local", "u", dn)}},
		{all("valid-user", "not group Pusher"),
			[]Subject{known("local", "u", "pusher"), known("corp", "u")},
			[]Subject{known("corp", "u", "pusher"), known("local", "u", "Pusher")}},
	}
	for _, tt := range tests {
		p := mustPolicy(t, Route{Path: "/", Backend: mixed{}, Backends: []string{"corp", "local"}, Rules: []Rule{
			{Name: "r", Require: mustRequire(t, tt.item)},
		}})
		for _, who := range tt.allowed {
			if got := decideFrom(p, "GET", "/x", who); got != Allowed {
				t.Errorf("%v: %v for %+v, want %v", tt.item, got, who, Allowed)
			}
		}
		for _, who := range tt.denied {
			if got := decideFrom(p, "GET", "/x", who); got != Denied {
				t.Errorf("%v: %v for %+v, want %v", tt.item, got, who, Denied)
			}
		}
	}
}

func TestGroupsThatOneBackendOfAChainSpellsOtherwiseAreAskedFor(t *testing.T) {
	p := mustPolicy(t, Route{Path: "/", Backend: mixed{}, Backends: []string{"corp", "local"}, Rules: []Rule{
		{Name: "r", Require: mustRequire(t, "group Pusher", "group corp:ops")},
	}})
	for _, source := range []string{"corp", "local"} {
		who := Subject{LoggedIn: true, Identity: backend.Identity{User: "u", Source: source}}
		if got := decideFrom(p, "GET", "/x", who); got != NeedsGroups {
			t.Errorf("%s: %v, want %v", source, got, NeedsGroups)
		}
	}
}

func TestRefusalTextShowsANameAsWrittenWhereSpellingsDiffer(t *testing.T) {
	p := mustPolicy(t, Route{Path: "/", Backend: mixed{}, Backends: []string{"corp", "local"}, Rules: []Rule{
		{Name: "r", Require: mustRequire(t, "user Alice", "user corp:BOB", `group "CN=Domain Users,OU=Groups"`)},
	}})
	got := p.Decide(Request{Method: "GET", Path: "/x"}, puller, nil).Requires
	if want := `user Alice or user corp:bob or group "Domain Users"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
