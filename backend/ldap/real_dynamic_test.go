package ldap

import (
	"fmt"
	"slices"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend"
	"gatehouse/internal/testkit"
)

// The preset finds groups that OpenLDAP makes of searches, and what they are in:
// whether their members are found by the overlay dynlist or kept by autogroup.
func TestSlapdDynamicGroups(t *testing.T) {
	s := startSlapd(t)
	c := s.config(t)
	c.BindDN, c.BindPassword, c.UserBases, c.GroupBases = "", nil, []string{"dc=dyn,dc=example"}, nil
	checkLogins(t, open(t, c), []realLogin{{"dan", realPass, "dan", "", []string{"inner", "outer", "staff"}}})

	if !s.autogroup {
		testkit.Missing(t, "slapd has no overlay autogroup; apt-get install slapd")
	}
	// The overlay looks at users when they change.
	const auto = "dc=auto,dc=example"
	c.UserBases = []string{auto}
	b := open(t, c)
	checkLogins(t, b, []realLogin{{"eve", realPass, "eve", "", []string{}}})
	change := ldap.NewModifyRequest("uid=eve,"+auto, nil)
	change.Replace("employeeType", []string{"staff"})
	if err := s.admin(t, auto).Modify(change); err != nil {
		t.Fatal(err)
	}
	checkLogins(t, b, []realLogin{{"eve", realPass, "eve", "", []string{"outer", "staff"}}, {"dan", realPass, "dan", "", []string{"inner", "outer"}}})
}

// TestLDAP8DynamicGroupsBeyondALimit has a user in more groups than come at once. The
// dynamic ones are on no page, and are found all the same: whatever their class is.
func TestLDAP8DynamicGroupsBeyondALimit(t *testing.T) {
	s := startSlapd(t)
	for place, row := range map[string]struct{ filter, dynamic string }{
		"dc=dyn,dc=example":  {"", "staff"},
		"dc=auto,dc=example": {"(|(objectClass=groupOfNames)(objectClass=labeledURIObject))", "team"}, // which is no groupOfURLs
	} {
		t.Run(row.dynamic, func(t *testing.T) {
			c := s.config(t)
			c.BindDN, c.BindPassword, c.UserBases, c.GroupBases, c.GroupFilter = "", nil, []string{place}, nil, row.filter
			c.GroupMemberAttrs = []string{"member"}
			admin := s.admin(t, place)
			add := func(name string, attributes map[string][]string) {
				request := ldap.NewAddRequest("cn="+name+","+place, nil)
				for attribute, values := range attributes {
					request.Attribute(attribute, values)
				}
				if err := admin.Add(request); err != nil {
					t.Fatal(err)
				}
			}
			for i := range 600 {
				add(fmt.Sprintf("many%03d", i), map[string][]string{"objectClass": {"groupOfNames"}, "member": {"uid=dan," + place}})
			}
			if row.dynamic == "team" {
				add("team", map[string][]string{"objectClass": {"device", "labeledURIObject"}, "labeledURI": {"ldap:///" + place + "??sub?(uid=dan)"}})
			}
			b := open(t, c)
			id, _ := authenticate(t, b, "dan", realPass)
			groups, err := b.Groups(t.Context(), id)
			if err != nil || !slices.Contains(groups, row.dynamic) || !slices.Contains(groups, "many599") {
				t.Errorf("got %d names, %v, want 600 groups and %s", len(groups), err, row.dynamic)
			}
		})
	}
}

// A directory may tell the groups of an entry by another name than memberOf.
func TestSlapdMemberOfByAnotherName(t *testing.T) {
	s := startSlapd(t)
	c := s.config(t)
	c.BindDN, c.BindPassword, c.UserBases, c.GroupBases, c.GroupMode = "", nil, []string{"dc=auto,dc=example"}, nil, groupsMemberOf
	f := find(examine(t, c, backend.Examination{User: "dan"}), "groups", "")
	if !f.Failed || f.Code != "ldap.groups.no_memberof" {
		t.Errorf("memberOf: got %+v", f)
	}
	c.MemberOfAttr = "isMemberOf"
	b := open(t, c)
	checkLogins(t, b, []realLogin{{"dan", realPass, "dan", "", []string{"inner", "outer"}}, {"eve", realPass, "eve", "", []string{}}})
	id, _ := authenticate(t, b, "dan", realPass)
	if all, err := b.Explain(t.Context(), id); err != nil || len(all) != 2 {
		t.Errorf("explained %+v, %v, want two groups", all, err)
	}
}
