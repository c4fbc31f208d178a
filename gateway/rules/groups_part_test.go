package rules

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

// A name that is ruled out is decided, whatever else is missing of the groups.
func TestLDAP8NameThatIsRuledOutIsDecided(t *testing.T) {
	missing := &backend.Incomplete{Cause: backend.ErrUnavailable, RuledOut: []string{"ops", "dev", "cn=ops,dc=corp"}}
	who := Subject{LoggedIn: true, Identity: backend.Identity{User: "bob"}}.WithGroups([]string{"dev"}, missing)
	for require, want := range map[string]Verdict{
		`group dev`: Allowed, `group ops`: Denied, `group "cn=ops,dc=corp"`: Denied, `group net`: NeedsGroups, `group "cn=net,dc=corp"`: NeedsGroups,
	} {
		if got := mustRequire(t, require).eval(Request{}, who); got != want {
			t.Errorf("%s: got %v, want %v", require, got, want)
		}
		if got := mustRequire(t, all("valid-user", "not "+require)).eval(Request{}, who); got != want.negate() {
			t.Errorf("not %s: got %v, want %v", require, got, want.negate())
		}
	}
}

// A name that several groups share lets nobody in: neither whoever is in one of them by
// the name, nor the same by its absence. By the DN each is what it is.
func TestCLI3NameOfSeveralGroupsLetsNobodyIn(t *testing.T) {
	missing := &backend.Incomplete{Shared: []string{"dev"}}
	member := Subject{LoggedIn: true, Identity: backend.Identity{User: "bob"}}.WithGroups([]string{"ops", "cn=dev,ou=a"}, missing)
	unsure := member.WithGroups(member.Groups, backend.Together(missing, &backend.Incomplete{Cause: backend.ErrUnavailable}))
	stranger := member.WithGroups([]string{"ops"}, nil)
	stranger.Shared = nil
	for _, tt := range []struct {
		require                  any
		member, unsure, stranger Verdict
	}{
		{"group dev", Denied, Denied, Denied},
		{all("valid-user", "not group dev"), Denied, Denied, Allowed},
		{all("valid-user", none("group dev", "user kim")), Denied, Denied, Allowed},
		{all("group ops", either("group dev", "group ops")), Allowed, Allowed, Allowed},
		{either("group dev", "group net"), Denied, NeedsGroups, Denied},
		{all("valid-user", "not group net"), Allowed, NeedsGroups, Allowed},
		{`group "cn=dev,ou=a"`, Allowed, Allowed, Denied},
		{all("valid-user", `not group "cn=dev,ou=a"`), Denied, Denied, Allowed},
	} {
		p := mustPolicy(t, Route{Rules: []Rule{{Name: "r", Require: mustRequire(t, tt.require)}}})
		for _, row := range []struct {
			who  Subject
			want Verdict
		}{{member, tt.member}, {unsure, tt.unsure}, {stranger, tt.stranger}} {
			if got := p.Decide(Request{Method: "GET", Path: "/x"}, row.who, nil).Verdict; got != row.want {
				t.Errorf("%v: groups %q, shared %q: got %v, want %v", tt.require, row.who.Groups, row.who.Shared, got, row.want)
			}
		}
	}
}
