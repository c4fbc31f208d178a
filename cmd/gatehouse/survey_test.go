package main_test

import (
	"slices"
	"strings"
	"testing"

	"gatehouse/backend/ldap/ldaptest"
)

// TestLDAP8GroupsOfRulesAreKnownWithoutASurvey asks about a user without any survey: the
// directory is asked whether the account may ask for the members of the groups that rules
// name.
func TestLDAP8GroupsOfRulesAreKnownWithoutASurvey(t *testing.T) {
	t.Parallel()
	s, _, run := newPatient(t)
	if stdout, stderr, code := run("can-i", "pull", "x", "--live", "--as", puller); code != 0 {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	if !slices.ContainsFunc(s.Requests(), func(r ldaptest.Request) bool {
		return r.Kind == ldaptest.Search && strings.Contains(r.Filter, "(!(member=*))") && strings.Contains(r.Filter, "pusher")
	}) {
		t.Error("it was not asked whether the members of the group pusher can be asked for")
	}
}
