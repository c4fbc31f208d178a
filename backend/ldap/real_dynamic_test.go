package ldap

import (
	"fmt"
	"slices"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend"
)

// The preset finds groups that OpenLDAP makes of searches, and what they are in:
// whether their members are found by the overlay dynlist or kept by autogroup.
func TestSlapdDynamicGroups(t *testing.T) {
	s := startSlapd(t)
	c := s.config(t)
	c.BindDN, c.BindPassword, c.UserBases, c.GroupBases = "", nil, []string{"dc=dyn,dc=example"}, nil
	checkLogins(t, open(t, c), []realLogin{{"dan", realPass, "dan", "", []string{"inner", "outer", "staff"}}})

	if !s.autogroup {
		missing(t, "slapd has no overlay autogroup; apt-get install slapd")
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

// A user in more groups than come at once is in the dynamic ones too, which are on no
// page.
func TestSlapdDynamicGroupsBeyondALimit(t *testing.T) {
	s := startSlapd(t)
	const dyn = "dc=dyn,dc=example"
	c := s.config(t)
	c.BindDN, c.BindPassword, c.UserBases, c.GroupBases = "", nil, []string{dyn}, nil
	admin := s.admin(t, dyn)
	for i := range 600 {
		request := ldap.NewAddRequest(fmt.Sprintf("cn=many%03d,%s", i, dyn), nil)
		request.Attribute("objectClass", []string{"groupOfNames"})
		request.Attribute("member", []string{"uid=dan," + dyn})
		if err := admin.Add(request); err != nil {
			t.Fatal(err)
		}
	}
	b := open(t, c)
	id, _ := authenticate(t, b, "dan", realPass)
	groups, err := b.Groups(t.Context(), id)
	if err != nil || !slices.Contains(groups, "staff") || !slices.Contains(groups, "many599") {
		t.Errorf("got %d names, %v, want 600 groups and staff", len(groups), err)
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
