package rules

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestGroupsOfABackend(t *testing.T) {
	p, err := NewPolicy(Route{Path: "/", Backends: []string{"corp", "local"}, Rules: []Rule{
		{Name: "one", Require: mustRequire(t, "group dev corp:ops", "user corp:x", map[string]any{"all": []any{"group dev", "not group \"a b\" local:ops"}})},
		{Name: "two", Methods: []string{"GET"}, Require: mustRequire(t, "group other:dev dev")},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for source, want := range map[string][]string{"": {"dev", "a b", "other:dev"}, "corp": {"ops"}, "local": {"ops"}, "other": nil} {
		if diff := cmp.Diff(want, p.GroupsOf(source)); diff != "" {
			t.Errorf("groups of %q: want -, got +\n%s", source, diff)
		}
	}
}
