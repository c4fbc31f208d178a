package ldap

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend"
	"gatehouse/backend/ldap/ldaptest"
)

func TestStateOfAnAccount(t *testing.T) {
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	inAD := func(at time.Time) string { return fmt.Sprint(at.Unix()*10_000_000 + 116_444_736_000_000_000) }
	tests := []struct {
		attribute, value string
		locked           bool
	}{
		{"userAccountControl", "512", false}, {"USERACCOUNTCONTROL", "514", true}, {"userAccountControl", "66050", true}, {"userAccountControl", "what", true},
		{"msDS-User-Account-Control-Computed", "0", false}, {"msDS-User-Account-Control-Computed", "16", true}, {"msDS-User-Account-Control-Computed", "8388608", true},
		{"accountExpires", "0", false}, {"accountExpires", "9223372036854775807", false}, {"accountExpires", "soon", true},
		{"accountExpires", inAD(now.Add(time.Second)), false}, {"accountExpires", inAD(now), true}, {"accountExpires", inAD(now.Add(-time.Hour)), true},
		{"pwdReset", "TRUE", true}, {"pwdReset", "FALSE", false}, {"pwdEndTime", "20260701115959Z", true}, {"pwdEndTime", "20260701120001Z", false}, {"pwdEndTime", "?", true},
		{"nsAccountLock", "TRUE", true}, {"nsaccountlock", "true", true}, {"nsAccountLock", "FALSE", false},
		{"accountUnlockTime", "19700101000000Z", true}, {"accountUnlockTime", "20260701120001Z", true}, {"accountUnlockTime", "20260701115959.5Z", false}, {"accountUnlockTime", "?", true},
		{"shadowExpire", "1", false}, {"description", "nsAccountLock: TRUE", false},
	}
	for _, tt := range tests {
		got := stateOf(ldap.NewEntry("uid=alice", map[string][]string{tt.attribute: {tt.value}}), now).text
		if (got != "") != tt.locked {
			t.Errorf("%s: %s: got %q, want locked %v", tt.attribute, tt.value, got, tt.locked)
		}
	}
}

// loggedIn is what a Backend says of alice.
func loggedIn(t *testing.T, b *Backend) backend.Identity {
	t.Helper()
	id, got := authenticate(t, b, "alice", alicePass)
	if got != "in" {
		t.Fatalf("got %s", got)
	}
	id.Source = "corp"
	return id
}

func TestRevalidate(t *testing.T) {
	with := func(attribute, value string) func(*ldaptest.Server) {
		return func(s *ldaptest.Server) { s.Set(person("alice", alicePass, "title", "Developer", attribute, value)) }
	}
	tests := []struct {
		name   string
		change func(*ldaptest.Server)
		want   string
	}{
		{"as before", func(*ldaptest.Server) {}, "in"},
		{"another password", func(s *ldaptest.Server) { s.Set(person("alice", "other", "title", "Developer")) }, "in"},
		{"gone", func(s *ldaptest.Server) { s.Remove(uidDN("alice")) }, "unknown"},
		{"no longer matches the filter", func(s *ldaptest.Server) { s.Set(person("alice", alicePass)) }, "unknown"},
		{"other name", func(s *ldaptest.Server) {
			e := person("alice", alicePass, "title", "Developer")
			e.Attributes["uid"] = []string{"alicia"}
			s.Set(e)
		}, "unknown"},
		{"disabled", with("nsAccountLock", "TRUE"), "locked"},
		{"locked for good", with("pwdAccountLockedTime", lockedForGood), "locked"},
		{"locked under an unknown policy", with("pwdAccountLockedTime", "20260101000000Z"), "locked"},
		{"locked at a time that is none", with("pwdAccountLockedTime", "yesterday"), "locked"},
		{"account that may not read a base", func(s *ldaptest.Server) {
			s.OnRequest(onSearch(ldaptest.Fault{Answer: &ldaptest.Answer{Code: 32}}))
		}, "fault"},
		{"account that may not search", func(s *ldaptest.Server) {
			s.OnRequest(onSearch(ldaptest.Fault{Answer: &ldaptest.Answer{Code: 50}}))
		}, "fault"},
		{"server that fails", func(s *ldaptest.Server) { s.Stop() }, "unavailable"},
		{"answer that is incomplete", func(s *ldaptest.Server) {
			s.OnRequest(onSearch(ldaptest.Fault{Answer: &ldaptest.Answer{Code: 4}}))
		}, "unavailable"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t, ldaptest.Config{})
			c := configFor(t, s)
			c.UserFilter = "(&(objectClass=person)(|(uid={user})(mail={user}))(!(uid={account}-x))(title=Developer))"
			b := open(t, c)
			id := loggedIn(t, b)
			s.Forget()
			tt.change(s)
			_, err := b.Revalidate(t.Context(), id)
			if got := verdict(err); got != tt.want {
				t.Errorf("got %s, %v, want %s", got, err, tt.want)
			}
			if n := userBinds(s); n != 0 {
				t.Errorf("there were %d binds, want none", n)
			}
		})
	}
}

// OpenLDAP leaves the time of a lock in the entry when the lock is over.
func TestRevalidateKnowsWhenALockIsOver(t *testing.T) {
	const policy = "cn=policy,ou=system," + base
	for _, tt := range []struct {
		duration, want string
		since          time.Duration
	}{{"300", "in", time.Hour}, {"7200", "locked", time.Hour}, {"0", "locked", time.Hour}, {"", "locked", time.Hour}, {"300", "locked", time.Minute}} {
		since := time.Now().Add(-tt.since).UTC().Format("20060102150405Z")
		e := ldaptest.Entry{DN: policy, Attributes: map[string][]string{"objectClass": {"pwdPolicy"}}}
		if tt.duration != "" {
			e.Attributes["pwdLockoutDuration"] = []string{tt.duration}
		}
		s := start(t, ldaptest.Config{Entries: append(company(), e)})
		b := open(t, configFor(t, s))
		id := loggedIn(t, b)
		s.Set(person("alice", alicePass, "pwdAccountLockedTime", since, "pwdPolicySubentry", policy))
		if _, err := b.Revalidate(t.Context(), id); verdict(err) != tt.want {
			t.Errorf("locked since %v, for %s s: got %v, want %s", tt.since, tt.duration, err, tt.want)
		}
		s.Remove(policy)
		if _, err := b.Revalidate(t.Context(), id); verdict(err) != "locked" {
			t.Errorf("with a policy that cannot be read: got %v, want locked", err)
		}
	}
}

func TestRevalidateKeepsToTheBases(t *testing.T) {
	s := start(t, ldaptest.Config{})
	c := configFor(t, s)
	c.UserBases = []string{"ou=other," + base}
	b := open(t, c)
	for _, handle := range []string{uidDN("alice"), "", "uid=alice", `uid=alice\,ou=other,` + base} {
		if _, err := b.Revalidate(t.Context(), backend.Identity{User: "alice", Handle: handle}); verdict(err) != "unknown" {
			t.Errorf("%q, which is not below the base: got %v, want unknown", handle, err)
		}
	}
	c.UserBases, c.UserScope = []string{base}, "one"
	if _, err := open(t, c).Revalidate(t.Context(), backend.Identity{User: "alice", Handle: uidDN("alice")}); verdict(err) != "unknown" {
		t.Errorf("deeper below the base than users are: got %v, want unknown", err)
	}
	if n := s.Count(ldaptest.Connect); n != 0 {
		t.Errorf("there were %d connections, want none", n)
	}
}

func TestRevalidateTakesAnAccount(t *testing.T) {
	s := start(t, ldaptest.Config{Anonymous: true})
	for _, template := range []string{"", "uid={user},ou=people," + base} {
		c := configFor(t, s)
		c.BindDN, c.BindPassword, c.BindTemplate = "", nil, template
		b := open(t, c)
		id := loggedIn(t, b)
		if b.Follows(id) {
			t.Errorf("template %q: the user is said to be followed", template)
		}
		if _, err := b.Revalidate(t.Context(), id); !errors.Is(err, errors.ErrUnsupported) || backend.Refused(err) {
			t.Errorf("template %q: got %v, want ErrUnsupported", template, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := open(t, configFor(t, s)).Revalidate(ctx, backend.Identity{Handle: uidDN("alice")}); verdict(err) != "unavailable" {
		t.Errorf("with nobody waiting: got %v", err)
	}
}

func TestFilterForAnyone(t *testing.T) {
	for text, want := range map[string]string{
		"(uid={user})":                                                       "(objectClass=*)",
		"(&(objectClass=person)(uid={user}))":                                "(&(objectClass=person)(objectClass=*))",
		"(&(a=b)(|(uid={user})(mail={account}@x)(t=*)))":                     "(&(a=b)(|(objectClass=*)(objectClass=*)(t=*)))",
		"(&(uid={user})(!(cn={user}-x))(!(b=c)))":                            "(&(objectClass=*)(!(!(objectClass=*)))(!(b=c)))",
		"(&(uid=*{user}*)(uid:caseExactMatch:={user})(a=x*y)(b=\\2a)(c>=1))": "(&(objectClass=*)(objectClass=*)(a=x*y)(b=\\2a)(c>=1))",
		"(&(uid={user})(!(userAccountControl:1.2.840.113556.1.4.803:=2)))":   "(&(objectClass=*)(!(userAccountControl:1.2.840.113556.1.4.803:=2)))",
		"(&(uid={user})(memberOf=cn=Smith\\5c, J \\28x\\29,ou=groups,dc=x))": "(&(objectClass=*)(memberOf=cn=Smith\\5c, J \\28x\\29,ou=groups,dc=x))",
	} {
		f, err := parseUserFilter(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		again, err := ldap.CompileFilter(f.anyone)
		if err != nil {
			t.Errorf("%s: %v", f.anyone, err)
			continue
		}
		expected, err := ldap.CompileFilter(want)
		if err != nil || string(again.Bytes()) != string(expected.Bytes()) {
			t.Errorf("%s: got %s, want %s (%v)", text, f.anyone, want, err)
		}
	}
}

// What tokens end by does not depend on which of several states a directory shows: whoever
// locks an account with guesses must not hide that it has expired or is switched off.
func TestStandingIsThatByWhichMostEnds(t *testing.T) {
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	past := "20260101000000Z"
	for _, tt := range []struct {
		name string
		has  map[string][]string
		want backend.Standing
	}{
		{"disabled and locked in AD", map[string][]string{"userAccountControl": {"514"}, "msDS-User-Account-Control-Computed": {"16"}}, backend.Disabled},
		{"expired and locked in AD", map[string][]string{"accountExpires": {"132000000000000000"}, "msDS-User-Account-Control-Computed": {"16"}}, backend.Expired},
		{"expired, and its password has", map[string][]string{"pwdEndTime": {past}, "pwdReset": {"TRUE"}}, backend.Expired},
		{"locked in AD", map[string][]string{"msDS-User-Account-Control-Computed": {"16"}}, backend.Locked},
		{"password expired in AD", map[string][]string{"msDS-User-Account-Control-Computed": {"8388608"}, "pwdLastSet": {"132000000000000000"}}, backend.PasswordExpired},
		{"password to be changed in AD", map[string][]string{"msDS-User-Account-Control-Computed": {"8388608"}, "pwdLastSet": {"0"}}, backend.MustChange},
		{"disabled in 389", map[string][]string{"nsAccountLock": {"true"}}, backend.Disabled},
		{"nothing", nil, ""},
	} {
		if got := stateOf(ldap.NewEntry("uid=alice", tt.has), now).standing(); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
	if got := (accountState{text: stateLocked, byHand: true}).standing(); got != backend.Disabled {
		t.Errorf("a lock that an administrator set is %q", got)
	}
	if got := backend.StandingOf(fmt.Errorf("user: %w", accountState{text: stateLocked}.refusal())); got != backend.Locked {
		t.Errorf("the refusal says %q", got)
	}
}

// An account that was deleted and made anew is another one, wherever its entry is by then. One
// that is gone alone may come back from a backup.
func TestLDAP3AccountThatWasMadeAnewIsReplaced(t *testing.T) {
	for name, tt := range map[string]struct {
		anew func(*ldaptest.Server)
		want backend.Standing
	}{
		"not":   {func(*ldaptest.Server) {}, backend.Gone},
		"there": {func(s *ldaptest.Server) { s.Set(person("alice", "another")) }, backend.Replaced},
		"elsewhere": {func(s *ldaptest.Server) {
			s.Set(person("alice", "another"))
			s.Move(uidDN("alice"), elsewhere("alice"))
		}, backend.Replaced},
	} {
		s := start(t, ldaptest.Config{})
		b := open(t, configFor(t, s))
		id := loggedIn(t, b)
		s.Remove(uidDN("alice"))
		tt.anew(s)
		if _, err := b.Revalidate(t.Context(), id); backend.StandingOf(err) != tt.want {
			t.Errorf("made anew %s: %q, want %q: %v", name, backend.StandingOf(err), tt.want, err)
		}
	}
}
