package gateway

import (
	"testing"

	"gatehouse/backend"
)

// Of groups that are known in part, those that are decide, and nothing follows from
// the absence of another.
func TestGroupsThatAreKnownInPart(t *testing.T) {
	who := Subject{LoggedIn: true, Identity: backend.Identity{User: "bob"}, Groups: []string{"dev", "cn=dev,dc=corp"}}
	for _, tt := range []struct {
		require    string
		all, short Verdict // where any group may be missing, and where short names alone may
	}{
		{`group dev`, Allowed, Allowed},
		{`group ops`, NeedsGroups, NeedsGroups},
		{`group "cn=ops,dc=corp"`, NeedsGroups, Denied},
		{`group "team red=1"`, NeedsGroups, NeedsGroups},
		{`group "=1"`, NeedsGroups, NeedsGroups},
		{`user bob`, Allowed, Allowed},
	} {
		r, err := ParseRequire([]any{tt.require})
		if err != nil {
			t.Fatal(err)
		}
		for short, want := range map[bool]Verdict{false: tt.all, true: tt.short} {
			who.OnlyShortNames = short
			if got := r.eval(Request{}, who); got != want {
				t.Errorf("%s, short names alone: %v: got %v, want %v", tt.require, short, got, want)
			}
			if got := (not{r}).eval(Request{}, who); got != want.negate() {
				t.Errorf("not %s, short names alone: %v: got %v, want %v", tt.require, short, got, want.negate())
			}
		}
	}
}
