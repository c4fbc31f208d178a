package ldap

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend"
	"gatehouse/backend/ldap/ldaptest"
)

func elsewhere(user string) string { return "uid=" + user + ",ou=other," + base }

// modes are ways to find groups, each with what it reads of a user's entry.
var modes = map[string]func(*Config){
	"search":          func(*Config) {},
	"search in a few": func(c *Config) { c.GroupBases = []string{"ou=groups," + base} },
	"memberof":        func(c *Config) { c.GroupMode = groupsMemberOf },
	"filters alone": func(c *Config) {
		c.GroupMode = groupsNone
		c.FilterGroups = []struct{ Name, Filter string }{{"dev", "(title=Developer)"}}
	},
}

// A group that names a user by the place where the entry was is not found by the new
// one, and no question about groups may take that for "no group".
func TestLDAP2MovedUserKeepsLoginAndGroups(t *testing.T) {
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			s := start(t, ldaptest.Config{})
			c := configFor(t, s)
			mode(&c)
			b := open(t, c)
			id := loggedIn(t, b)
			e := person("alice", alicePass, "title", "Developer", "memberOf", cnDN("dev"))
			s.Set(e)
			if err := s.Move(uidDN("alice"), elsewhere("alice")); err != nil {
				t.Fatal(err)
			}
			s.Set(groupEntry("dev", "groups", elsewhere("alice"), cnDN("backend")))
			if groups, err := b.Groups(t.Context(), id); err != nil || !strings.Contains(strings.Join(groups, " "), "dev") {
				t.Errorf("groups of the login before the move: got %q, %v, want dev among them", groups, err)
			}
			now, err := b.Revalidate(t.Context(), id)
			if !b.Follows(id) {
				t.Error("it is said to be followed by nobody")
			}
			want := id
			want.Handle = elsewhere("alice")
			if err != nil || now != want {
				t.Errorf("got %+v, %v, want %+v", now, err, want)
			}
			if n := userBinds(s); n != 1 {
				t.Errorf("there were %d binds as the user, want that of the login alone", n)
			}
		})
	}
}

func TestLDAP3RecreatedUserIsSomebodyElse(t *testing.T) {
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			s := start(t, ldaptest.Config{})
			c := configFor(t, s)
			mode(&c)
			b := open(t, c)
			id := loggedIn(t, b)
			s.Remove(uidDN("alice"))
			s.Set(person("alice", "another", "title", "Developer", "memberOf", cnDN("dev")))
			if now, err := b.Revalidate(t.Context(), id); verdict(err) != "unknown" {
				t.Errorf("got %+v, %v, want unknown", now, err)
			}
			if groups, err := b.Groups(t.Context(), id); verdict(err) != "unknown" || groups != nil {
				t.Errorf("groups: got %q, %v, want unknown", groups, err)
			}
			later, err := b.Authenticate(t.Context(), "alice", "another")
			if later.Source = id.Source; err != nil || later.SameAs(id) != backend.Different {
				t.Errorf("got %+v, %v, want another account than %+v", later, err, id)
			}
		})
	}
}

// An attribute that the account may not read any more has not changed.
func TestAnchorThatIsHiddenIsNoAnswer(t *testing.T) {
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			s := start(t, ldaptest.Config{})
			c := configFor(t, s)
			mode(&c)
			b := open(t, c)
			id := loggedIn(t, b)
			s.Hide("entryUUID")
			if now, err := b.Revalidate(t.Context(), id); verdict(err) != "unavailable" || backend.Refused(err) {
				t.Errorf("got %+v, %v, want no answer", now, err)
			}
			if groups, err := b.Groups(t.Context(), id); verdict(err) != "unavailable" {
				t.Errorf("groups: got %q, %v, want no answer", groups, err)
			}
			s.Hide()
			if _, err := b.Revalidate(t.Context(), id); err != nil {
				t.Errorf("when it can be read again: %v", err)
			}
		})
	}
}

// Without an identifier the place is all that there is.
func TestPlaceIsTheAnchorWhereThereIsNoOther(t *testing.T) {
	s := start(t, ldaptest.Config{})
	s.Hide("entryUUID")
	b := open(t, configFor(t, s))
	id := loggedIn(t, b)
	if want := "dn:" + uidDN("alice"); id.Anchor != want {
		t.Fatalf("got anchor %q, want %q", id.Anchor, want)
	}
	if b.Follows(id) {
		t.Error("whoever is known by name alone is not told from a successor")
	}
	groups, err := b.Groups(t.Context(), id)
	wantGroups(t, groups, err, "all", "dev")
	s.Hide()
	if now, err := b.Revalidate(t.Context(), id); err != nil || now != id {
		t.Errorf("where it can be read later: got %+v, %v, want %+v", now, err, id)
	}
	if err := s.Move(uidDN("alice"), elsewhere("alice")); err != nil {
		t.Fatal(err)
	}
	if now, err := b.Revalidate(t.Context(), id); verdict(err) != "unknown" {
		t.Errorf("moved: got %+v, %v, want unknown", now, err)
	}
	if groups, err := b.Groups(t.Context(), id); err == nil {
		t.Errorf("moved: got groups %q, want none to be told", groups)
	}
}

func TestLDAP9PasswordThatWasChangedIsOutdated(t *testing.T) {
	tests := map[string]struct {
		before, after []string // attribute and value
		want          string
	}{
		"AD":                {[]string{"pwdLastSet", "133000000000000000"}, []string{"pwdLastSet", "133000000010000000"}, "wrong"},
		"AD, to be changed": {[]string{"pwdLastSet", "133000000000000000"}, []string{"pwdLastSet", "0"}, "in"},
		"OpenLDAP":          {[]string{"pwdChangedTime", "20260101000000Z"}, []string{"pwdChangedTime", "20260101000000.5Z"}, "wrong"},
		"FreeIPA":           {[]string{"krbLastPwdChange", "20260101000000Z"}, []string{"krbLastPwdChange", "20260102000000Z"}, "wrong"},
		"389":               {[]string{"pwdUpdateTime", "20260101000000Z"}, []string{"pwdUpdateTime", "20260102000000Z"}, "wrong"},
		"389 that expires":  {[]string{"passwordExpirationTime", "20260101000000Z"}, []string{"passwordExpirationTime", "20260102000000Z"}, "wrong"},
		"shadow":            {[]string{"shadowLastChange", "20000"}, []string{"shadowLastChange", "20001"}, "wrong"},
		"unchanged":         {[]string{"pwdChangedTime", "20260101000000Z"}, []string{"pwdChangedTime", "20260101000000Z"}, "in"},
		"server lags":       {[]string{"pwdChangedTime", "20260102000000Z"}, []string{"pwdChangedTime", "20260101000000Z"}, "in"},
		"hidden later":      {[]string{"pwdChangedTime", "20260101000000Z"}, nil, "in"},
		"shown later":       {nil, []string{"pwdChangedTime", "20260101000000Z"}, "wrong"},
		"another kind":      {[]string{"shadowLastChange", "20000"}, []string{"pwdChangedTime", "20260101000000Z"}, "in"},
		"nonsense":          {[]string{"pwdChangedTime", "20260101000000Z"}, []string{"pwdChangedTime", "tomorrow"}, "in"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := start(t, ldaptest.Config{})
			s.Set(person("alice", alicePass, tt.before...))
			b := open(t, configFor(t, s))
			id := loggedIn(t, b)
			s.Set(person("alice", alicePass, tt.after...))
			now, err := b.Revalidate(t.Context(), id)
			if got := verdict(err); got != tt.want || (got == "wrong") != errors.Is(err, backend.ErrOutdated) {
				t.Errorf("got %+v, %v, want %s", now, err, tt.want)
			}
			if err == nil && id.Changed != "" && now.Changed != id.Changed {
				t.Errorf("got change %q, want that of the login, %q", now.Changed, id.Changed)
			}
		})
	}
}

// What a user may write must not name the account of somebody else.
func TestAnchorIsOfTheServersMaking(t *testing.T) {
	e := ldap.NewEntry(uidDN("alice"), map[string][]string{
		"entryUUID": {"AAAA-1"}, "objectGUID": {"0123456789abcdef"}, "nsUniqueId": {"bbbb-2"}, "ipaUniqueID": {"cccc-3"},
	})
	for preset, want := range map[string]string{
		"openldap": "entryUUID:aaaa-1", "activedirectory": "objectGUID:30313233343536373839616263646566",
		"389ds": "nsUniqueId:bbbb-2", "freeipa": "ipaUniqueID:cccc-3", "": "entryUUID:aaaa-1",
	} {
		b := &Backend{config: Config{Preset: preset}}
		if got := b.anchorOf(e, ""); got != want {
			t.Errorf("%q: got %q, want %q", preset, got, want)
		}
	}
	b := &Backend{config: Config{Preset: "389ds"}}
	if got := b.anchorOf(e, anchorOpenLDAP); got != "entryUUID:aaaa-1" {
		t.Errorf("of the kind that is known: got %q", got)
	}
	if got := b.anchorOf(e, anchorAD); got != "nsUniqueId:bbbb-2" {
		t.Errorf("of a kind that is not believed: got %q", got)
	}
	for name, values := range map[string][]string{"none": nil, "two": {"a", "b"}, "empty": {""}, "control": {"a\x00b"}} {
		odd := ldap.NewEntry(uidDN("alice"), map[string][]string{"entryUUID": values})
		b := &Backend{config: Config{Preset: "openldap"}}
		if got := b.anchorOf(odd, ""); got != "dn:"+uidDN("alice") {
			t.Errorf("%s: got %q, want the DN", name, got)
		}
	}
}

// The time that a login leaves for its groups is that of the entry, wherever it is.
func TestMovedUserHasTheTimeOfALogin(t *testing.T) {
	s := start(t, ldaptest.Config{})
	c := configFor(t, s)
	c.LoginTimeout = time.Minute
	b := open(t, c)
	id := loggedIn(t, b)
	s.Move(uidDN("alice"), elsewhere("alice"))
	now, err := b.Revalidate(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if rest := b.rest(now.Handle); rest >= time.Minute {
		t.Errorf("got %v left, want less than a minute", rest)
	}
}
