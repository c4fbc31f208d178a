package rules

import (
	"testing"

	"gatehouse/backend"
	"gatehouse/gateway/oci"
)

func mustLimit(t *testing.T, repositories, actions []string) Limit {
	t.Helper()
	l, err := NewLimit(repositories, actions)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// A limit lets pass what it names and nothing else, in either list.
func TestLimitAllowsWhatItNames(t *testing.T) {
	who := &Subject{LoggedIn: true, Identity: backend.Identity{User: "ann"}, Groups: []string{"dev"}, GroupsKnown: true}
	none, pulls := Limit{}, mustLimit(t, nil, []string{"pull"})
	team := mustLimit(t, []string{"team/*", "{user}/**", "{group}/x"}, nil)
	both := mustLimit(t, []string{"team/a"}, []string{"push", "catalog"})
	extends := mustLimit(t, nil, []string{"extension"})
	for _, tt := range []struct {
		name         string
		limit        Limit
		method, path string
		want         bool
	}{
		{"none", none, "DELETE", "/v2/team/a/manifests/1", true},
		{"none, no request to a registry", none, "GET", "/metrics", true},
		{"pulls", pulls, "HEAD", "/v2/any/manifests/1", true},
		{"pulls, tags", pulls, "GET", "/v2/any/tags/list", true},
		{"pulls, push", pulls, "PUT", "/v2/any/manifests/1", false},
		{"pulls, delete", pulls, "DELETE", "/v2/any/manifests/1", false},
		{"pulls, upload", pulls, "GET", "/v2/any/blobs/uploads/1", false},
		{"pulls, list", pulls, "GET", "/v2/_catalog", false},
		{"pulls, extension", pulls, "GET", "/v2/any/_x/y", false},
		{"pulls, ping", pulls, "GET", "/v2/", true},
		{"pulls, no ping", pulls, "POST", "/v2/", false},
		{"pulls, no request to a registry", pulls, "GET", "/metrics", false},
		{"pulls, none that there is", pulls, "POST", "/v2/any/manifests/1", false},
		{"team", team, "DELETE", "/v2/team/a/manifests/1", true},
		{"team, deeper", team, "GET", "/v2/team/a/b/manifests/1", false},
		{"team, other", team, "GET", "/v2/other/manifests/1", false},
		{"team, list", team, "GET", "/v2/_catalog", true},
		{"team, extension of it", team, "GET", "/v2/team/a/_x/y", true},
		{"team, extension of all", team, "GET", "/v2/_x/y", false},
		{"team, none that there is", team, "POST", "/v2/team/a/manifests/1", false},
		{"own", team, "PUT", "/v2/ann/x/manifests/1", true},
		{"another's", team, "PUT", "/v2/bob/x/manifests/1", false},
		{"group", team, "PUT", "/v2/dev/x/manifests/1", true},
		{"another group", team, "PUT", "/v2/ops/x/manifests/1", false},
		{"both", both, "PUT", "/v2/team/a/manifests/1", true},
		{"both, other action", both, "GET", "/v2/team/a/manifests/1", false},
		{"both, other repository", both, "PUT", "/v2/team/b/manifests/1", false},
		{"both, list", both, "GET", "/v2/_catalog", true},
		{"extensions of all", extends, "GET", "/v2/_x/y", true},
		{"extensions, pull", extends, "GET", "/v2/any/manifests/1", false},
	} {
		if got := tt.limit.Allows(oci.Parse(oci.DefaultRoot, tt.path), tt.method, who); got != tt.want {
			t.Errorf("%s: %s %s: %v", tt.name, tt.method, tt.path, got)
		}
	}
	if both.AllowsAction("", oci.Push, who) || team.AllowsAction("", oci.Pull, who) || !pulls.AllowsAction("", oci.Pull, who) {
		t.Error("what is in no repository is in those of a limit, or a limit without any has none")
	}
	if pulls.Hides() || none.Hides() || !team.Hides() {
		t.Error("other lists are filtered than those of tokens for some repositories")
	}
}

// A limit that cannot be read is none at all, and never a wider one.
func TestLimitThatCannotBeRead(t *testing.T) {
	for name, lists := range map[string][2][]string{
		"no repositories": {{}, nil}, "no actions": {nil, {}}, "no pattern": {{"Team/A"}, nil}, "no action": {nil, {"read"}},
		"one of two": {{"team/a"}, {"pull", "login"}},
	} {
		if l, err := NewLimit(lists[0], lists[1]); err == nil {
			t.Errorf("%s: %s", name, l)
		}
	}
}

// A robot is the one that rules name, whatever users and backends are called.
func TestRobotIsNobodyElse(t *testing.T) {
	route := Route{Path: "/v2/", Backends: []string{"corp"}, Registry: oci.DefaultRoot, Rules: []Rule{
		{Name: "robot", Repositories: []string{"r/**"}, Actions: []string{"pull"}, Require: mustRequire(t, "user robot:ci")},
		{Name: "user", Repositories: []string{"u/**"}, Actions: []string{"pull"}, Require: mustRequire(t, "user ci")},
		{Name: "qualified", Repositories: []string{"q/**"}, Actions: []string{"pull"}, Require: mustRequire(t, "user corp:ci")},
		{Name: "group", Repositories: []string{"g/**"}, Actions: []string{"pull"}, Require: mustRequire(t, "group ci")},
		{Name: "own", Repositories: []string{"o/{user}"}, Actions: []string{"pull"}, Require: mustRequire(t, "valid-user")},
		{Name: "backend", Repositories: []string{"b/**"}, Actions: []string{"pull"}, Require: mustRequire(t, "backend corp")},
	}}
	p := mustPolicy(t, route)
	robot := Subject{LoggedIn: true, Identity: RobotIdentity("ci"), GroupsKnown: true, Via: ByToken}
	user := Subject{LoggedIn: true, Identity: backend.Identity{User: "ci", Source: "corp"}, GroupsKnown: true}
	posing := Subject{LoggedIn: true, Identity: backend.Identity{User: RobotIdentity("ci").User, Source: "corp"}, GroupsKnown: true}
	other := Subject{LoggedIn: true, Identity: RobotIdentity("cd"), GroupsKnown: true, Via: ByToken}
	for path, want := range map[string][4]Verdict{ // of the robot, the user, one with its name, and another robot
		"r/x":  {Allowed, Denied, Denied, Denied},
		"u/x":  {Denied, Allowed, Denied, Denied},
		"q/x":  {Denied, Allowed, Denied, Denied},
		"g/x":  {Denied, Denied, Denied, Denied},
		"o/ci": {Denied, Allowed, Denied, Denied},
		"b/x":  {Denied, Allowed, Allowed, Denied},
	} {
		for i, who := range []Subject{robot, user, posing, other} {
			if got := decideFrom(p, "GET", "/v2/"+path+"/manifests/1", who); got != want[i] {
				t.Errorf("%s: %+v: %v, want %v", path, who.Identity, got, want[i])
			}
		}
	}
}

// How somebody came says nothing of somebody who has not logged in, and a session of before
// tokens is one by a password.
func TestWayOfALogin(t *testing.T) {
	for _, tt := range []struct {
		way  Way
		who  Subject
		want Verdict
	}{
		{ByPassword, Subject{}, NeedsLogin},
		{ByToken, Subject{Via: ByToken}, NeedsLogin},
		{ByPassword, Subject{LoggedIn: true}, Allowed},
		{ByPassword, Subject{LoggedIn: true, Via: ByIdentity}, Denied},
		{ByToken, Subject{LoggedIn: true}, Denied},
		{ByToken, Subject{LoggedIn: true, Via: ByToken}, Allowed},
	} {
		if got := tt.way.eval(Request{}, tt.who); got != tt.want {
			t.Errorf("%s of %+v: %v", tt.way, tt.who, got)
		}
	}
}
