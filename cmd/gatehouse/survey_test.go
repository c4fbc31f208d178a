package main_test

import (
	"slices"
	"strings"
	"testing"

	"gatehouse/backend/ldap/ldaptest"
)

// TestLDAP8GroupsOfRulesAreKnownWithoutASurvey asks about a user without any survey: the
// directory is asked for the groups whose members the account may ask for.
func TestLDAP8GroupsOfRulesAreKnownWithoutASurvey(t *testing.T) {
	t.Parallel()
	s, _, run := newPatient(t)
	if stdout, stderr, code := run("can-i", "pull", "x", "--live", "--as", puller); code != 0 {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	if !slices.ContainsFunc(s.Requests(), func(r ldaptest.Request) bool {
		return r.Kind == ldaptest.Search && strings.Contains(r.Filter, "(!(member=*))")
	}) {
		t.Error("it was not asked which groups have members that can be asked for")
	}
}
