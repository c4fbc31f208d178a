package rules

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/backend/fault"
)

// What is wrong says where it stands, so that nobody has to read that out of the text.
func TestErrorsKnowTheirPlace(t *testing.T) {
	_, err := ParseRequire([]any{"valid-user", map[string]any{"all": []any{"valid-user", map[string]any{"any": []any{"user"}}}}, 5})
	paths := func(err error) (all [][]any) {
		for _, leaf := range fault.Leaves(err) {
			all = append(all, fault.Path(leaf))
		}
		return all
	}
	want := [][]any{{"require", 1, "all", 1, "any", 0}, {"require", 2}}
	if diff := cmp.Diff(want, paths(err)); diff != "" {
		t.Errorf("requirement (-want +got):\n%s", diff)
	}
	require, err := ParseRequire([]any{"valid-user"})
	if err != nil {
		t.Fatal(err)
	}
	nested, err := ParseRequire([]any{"valid-user", "user a", map[string]any{"all": []any{"valid-user", "not backend x local"}}, "backend local y z"})
	if err != nil {
		t.Fatal(err)
	}
	want = [][]any{{"require", 2, "all", 1}, {"require", 3}, {"require", 3}}
	if diff := cmp.Diff(want, paths(CheckRule(Rule{Name: "all", Require: nested}, Route{Path: "/v2/", Backends: []string{"local"}}))); diff != "" {
		t.Errorf("names of backends (-want +got):\n%s", diff)
	}
	bad := Rule{Name: "", Methods: []string{"GET", "get"}, Paths: []string{"/v2/**", "/v2/a*"}, Require: require}
	want = [][]any{{"name"}, {"methods", 1}, {"paths", 1}}
	if diff := cmp.Diff(want, paths(CheckRule(bad, Route{Path: "/v2/"}))); diff != "" {
		t.Errorf("rule (-want +got):\n%s", diff)
	}
	if err := CheckRule(Rule{Name: "all", Methods: []string{}, Require: require}, Route{Path: "/v2/"}); !cmp.Equal(paths(err), [][]any{{"methods"}}) {
		t.Errorf("an empty list: got %v", paths(err))
	}
}
