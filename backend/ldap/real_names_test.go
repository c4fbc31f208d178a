package ldap

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend"
	"gatehouse/backend/fault"
)

// addGroup makes a group with members.
func (o office) addGroup(t *testing.T, dn, cn string, members ...string) {
	t.Helper()
	r := ldap.NewAddRequest(dn, nil)
	r.Attribute("objectClass", []string{"groupOfNames"})
	r.Attribute("cn", []string{cn})
	r.Attribute("member", members)
	o.do(t, o.admin.Add(r))
}

// Who may make a group somewhere makes one of the name of another, after it was found
// out that the other one alone has the name.
func TestCLI3RememberedNameIsOfOneGroup(t *testing.T) {
	s := startSlapd(t)
	o := s.office(t)
	c := s.config(t)
	c.GroupBases = []string{base}
	for name, learn := range map[string]func(*Backend) error{
		"by a login": func(b *Backend) error {
			if groups, err := groupsFor(t, b, "carol", realPass); !slices.Contains(groups, "core") {
				return fmt.Errorf("carol has %q: %w", groups, err)
			}
			return nil
		},
		"by a rule": func(b *Backend) error { return b.FindNamesakes(t.Context(), []string{"core"}) },
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t, c)
			if err := learn(b); err != nil {
				t.Fatal(err)
			}
			forged := "cn=core,ou=other," + base
			o.addGroup(t, forged, "core", uidDN("erin"))
			defer func() { o.do(t, o.admin.Del(ldap.NewDelRequest(forged, nil))) }()
			for _, user := range []string{"erin", "carol"} { // after erin it is known of both groups
				groups, err := groupsFor(t, b, user, realPass)
				missing := backend.IncompleteOf(err)
				if slices.Contains(groups, "core") || missing == nil || !slices.Contains(missing.Shared, "core") {
					t.Errorf("%s: got %q, %v, want that several groups have the name core", user, groups, err)
				}
			}
		})
	}
}

// TestTwoValuesOfTheNameAttribute gives users a second name. Who is called by the first
// value in the name of the entry stays that user, whatever is typed; an entry whose name
// says nothing of it is nobody's, and that is a refusal and no outage.
func TestTwoValuesOfTheNameAttribute(t *testing.T) {
	second := func(t *testing.T, o office, dn string, names ...string) {
		t.Helper()
		m := ldap.NewModifyRequest(dn, nil)
		m.Add("uid", names)
		o.do(t, o.admin.Modify(m))
	}
	refused := func(t *testing.T, b *Backend, id backend.Identity, typed ...string) {
		t.Helper()
		for _, name := range typed {
			_, err := b.Authenticate(t.Context(), name, realPass)
			if verdict(err) != "wrong" || fault.Of(err) != "ldap.user.misnamed" || strings.Contains(err.Error(), "wrong password") {
				t.Errorf("%s: got %v (%s), want a refusal that names the attribute", name, err, fault.Of(err))
			}
		}
		if _, err := b.Revalidate(t.Context(), id); !backend.Refused(err) {
			t.Errorf("a login from before: got %v, want a refusal", err)
		}
	}
	check := func(t *testing.T, o office) {
		b := open(t, o.config)
		before, _ := authenticate(t, b, "jsmith", realPass) // whose entry is named by cn
		second(t, o, o.dn("alice", o.here), "alicia")
		second(t, o, before.Handle, "john")
		for _, name := range []string{"alice", "alicia", "ALICIA"} {
			checkLogins(t, b, []realLogin{{name, realPass, "alice", "", []string{"dev", "all"}}})
		}
		refused(t, b, before, "jsmith", "john")
	}
	t.Run("slapd", func(t *testing.T) { check(t, startSlapd(t).office(t)) })
	t.Run("389", func(t *testing.T) { check(t, startDS389(t).office(t)) })
	t.Run("samba", func(t *testing.T) { // where entries are named by cn alone
		o := startSamba(t).office(t)
		o.config.UserNameAttr, o.config.UserFilter = "uid", "(&(objectClass=user)(uid={account}))"
		second(t, o, "CN=alice,"+o.here, "alice")
		b := open(t, o.config)
		before, _ := authenticate(t, b, "alice", realPass)
		second(t, o, "CN=alice,"+o.here, "alicia")
		refused(t, b, before, "alice", "alicia")
	})
}
