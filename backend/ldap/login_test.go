package ldap

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/backend"
	"gatehouse/backend/ldap/ldaptest"
)

// Whoever counts guesses knows from the first half of a login whose account the
// second half would be a guess at.
func TestLoginInTwoHalves(t *testing.T) {
	s := start(t, ldaptest.Config{})
	asUser := func(c *Config) { c.BindDN, c.BindPassword, c.BindTemplate = "", nil, "uid={user},ou=people,"+base }
	tests := map[string]struct {
		change           func(*Config)
		searches, verify int // that Resolve and Verify ask
	}{
		"account":              {func(*Config) {}, 1, 0},
		"account and template": {func(c *Config) { c.BindTemplate = "uid={user},ou=people," + base }, 1, 0},
		"template":             {func(c *Config) { asUser(c); c.GroupMode = groupsNone }, 0, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := configFor(t, s)
			tt.change(&c)
			b := open(t, c)
			s.Forget()
			id, err := b.Resolve(t.Context(), "Alice")
			alice := backend.Identity{User: "alice", Handle: uidDN("alice"), Anchor: anchorIn(t, s, "alice")}
			if tt.searches == 0 { // what the template makes of the name is all that is known
				alice.Anchor = ""
			}
			if id != alice || err != nil {
				t.Errorf("Resolve: got %+v, %v, want %+v", id, err, alice)
			}
			if n, m := s.Count(ldaptest.Search), userBinds(s); n != tt.searches || m != 0 {
				t.Errorf("Resolve took %d searches and %d binds, want %d and 0", n, m, tt.searches)
			}
			s.Forget()
			if id, err := b.Verify(t.Context(), id, wrongGuess); id != (backend.Identity{}) || verdict(err) != "wrong" {
				t.Errorf("Verify of a wrong password: got %+v, %v", id, err)
			}
			id.Source = "corp"
			id, err = b.Verify(t.Context(), id, alicePass)
			if want := (backend.Identity{User: "alice", Handle: uidDN("alice"), Source: "corp", Anchor: anchorIn(t, s, "alice")}); id != want || err != nil {
				t.Errorf("Verify: got %+v, %v, want %+v", id, err, want)
			}
			if n, m := s.Count(ldaptest.Search), userBinds(s); n != tt.verify || m != 2 {
				t.Errorf("a refusal and a success took %d searches and %d binds, want %d and 2", n, m, tt.verify)
			}
		})
	}
}

// Where nobody can be looked up, guesses at one account must not count as those
// at several because it is spelled in several ways.
func TestSpellingsOfATemplateAreOneIdentity(t *testing.T) {
	s := start(t, ldaptest.Config{})
	for template, want := range map[string]string{
		"uid={user},ou=people," + base: uidDN("jörg"), "{user}@corp.example": "jörg@corp.example", `CORP\{user}`: `CORP\jörg`,
	} {
		c := configFor(t, s)
		c.BindDN, c.BindPassword, c.BindTemplate, c.Domains = "", nil, template, []string{"corp.example", "CORP"}
		b := open(t, c)
		for _, typed := range []string{"jörg", "JÖRG", "jo\u0308rg", "Jörg@corp.example", `corp\JÖRG`} {
			id, err := b.Resolve(t.Context(), typed)
			if err != nil || id.User != "jörg" || canonicalDN(id.Handle) != canonicalDN(want) && id.Handle != want {
				t.Errorf("%s with %q: got %+v, %v, want handle %s", template, typed, id, err, want)
			}
		}
	}
	if n := s.Count(ldaptest.Connect); n != 0 {
		t.Errorf("there were %d connections, want none", n)
	}
}

// The empty name is nobody, as whom some servers take any password.
func TestVerifyRefusesWhatMustReachNoServer(t *testing.T) {
	s := start(t, ldaptest.Config{})
	b := open(t, configFor(t, s))
	for _, tt := range []struct {
		handle, password, want string
	}{{"", alicePass, "unknown"}, {" ", alicePass, "unknown"}, {uidDN("alice"), "", "wrong"}, {uidDN("alice"), "x\x00", "wrong"}} {
		id, err := b.Verify(t.Context(), backend.Identity{User: "alice", Handle: tt.handle}, tt.password)
		if id != (backend.Identity{}) || verdict(err) != tt.want {
			t.Errorf("%q with %q: got %+v, %v, want %s", tt.handle, tt.password, id, err, tt.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Verify(ctx, backend.Identity{Handle: uidDN("alice")}, alicePass); verdict(err) != "unavailable" {
		t.Errorf("with nobody waiting: got %v", err)
	}
	if n := s.Count(ldaptest.Connect); n != 0 {
		t.Errorf("there were %d connections, want none", n)
	}
}

// Whoever cannot get a connection waits as long as a login may take, and no
// longer; the two halves together, too.
func TestWaitForAConnectionEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, err := New(Config{Preset: "openldap", URLs: []string{"ldaps://127.0.0.1:1"}, UserBases: []string{base}, LoginTimeout: 10 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		for _, p := range []*pool{b.directory.servers[0].search, b.directory.servers[0].users} {
			for range cap(p.slots) {
				p.slots <- struct{}{}
			}
		}
		alice := backend.Identity{User: "alice", Handle: uidDN("alice")}
		for name, tt := range map[string]struct {
			ask  func() error
			want time.Duration
		}{
			"Authenticate": {func() error { _, err := b.Authenticate(t.Context(), "alice", alicePass); return err }, 10 * time.Second},
			"Resolve":      {func() error { _, err := b.Resolve(t.Context(), "alice"); return err }, 6 * time.Second},
			"Verify":       {func() error { _, err := b.Verify(t.Context(), alice, alicePass); return err }, 4 * time.Second},
		} {
			start := time.Now()
			if err := tt.ask(); verdict(err) != "unavailable" || time.Since(start) != tt.want {
				t.Errorf("%s: got %v after %v, want unavailable after %v", name, err, time.Since(start), tt.want)
			}
		}
		if down := b.directory.servers[0].breaker.state(); down != nil {
			t.Errorf("the server was given up because it is busy: %v", down)
		}
	})
}

// A client waits for a login and its groups together.
func TestGroupsHaveTheTimeThatALoginHasLeft(t *testing.T) {
	s := start(t, ldaptest.Config{})
	c := configFor(t, s)
	c.LoginTimeout, c.OperationTimeout = time.Minute, time.Minute
	b := open(t, c)
	const delay = 30 * time.Millisecond
	s.OnRequest(func(ldaptest.Request) ldaptest.Fault { return ldaptest.Fault{Delay: delay} })
	for name, tt := range map[string]struct {
		login func() (backend.Identity, error)
		takes time.Duration // at least
	}{
		"Authenticate": {func() (backend.Identity, error) { return b.Authenticate(t.Context(), "alice", alicePass) }, 2 * delay},
		"Resolve and Verify": {func() (backend.Identity, error) {
			id, err := b.Resolve(t.Context(), "alice")
			if err != nil {
				return id, err
			}
			return b.Verify(t.Context(), id, alicePass)
		}, 2 * delay},
		"Revalidate": {func() (backend.Identity, error) {
			return b.Revalidate(t.Context(), backend.Identity{User: "alice", Handle: uidDN("alice")})
		}, delay},
	} {
		began := time.Now()
		id, err := tt.login()
		took := time.Since(began)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if rest := b.rest(id.Handle); rest > time.Minute-tt.takes || rest < time.Minute-took {
			t.Errorf("%s took %v: got %v left", name, took, rest)
		}
		if rest := b.rest(id.Handle); rest != time.Minute {
			t.Errorf("%s: groups that are asked for again: got %v left, want a minute", name, rest)
		}
	}

	alice := backend.Identity{User: "alice", Handle: uidDN("alice")}
	b.using(alice.Handle, time.Now().Add(50*time.Millisecond-time.Minute))
	s.OnRequest(onSearch(ldaptest.Fault{Hang: true}))
	start := time.Now()
	if groups, err := b.Groups(t.Context(), alice); verdict(err) != "unavailable" || groups != nil {
		t.Errorf("got %q, %v, want unavailable", groups, err)
	}
	if took := time.Since(start); took > slack {
		t.Errorf("groups took %v, want 50 ms", took)
	}
	s.OnRequest(nil)
	groups, err := b.Groups(t.Context(), alice)
	wantGroups(t, groups, err, "all", "dev")
}
