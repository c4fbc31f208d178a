package ldap

import (
	"fmt"
	"slices"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend"
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
