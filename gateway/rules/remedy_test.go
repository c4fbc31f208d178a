package rules

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/backend"
)

func TestRemediesNameWhatWouldLetARequestPass(t *testing.T) {
	bob := Subject{LoggedIn: true, Identity: backend.Identity{User: "bob", Source: "corp"}, GroupsKnown: true, Groups: []string{"cn=devs,dc=x", "devs"}}
	push := func(require ...any) []Rule {
		return []Rule{{Name: "push", Position: "config.toml:7", Methods: []string{"PUT"}, Require: mustRequire(t, require...)}}
	}
	const toRequire = `add "user bob" or "group devs" to require of rule "push" (config.toml:7)`
	for name, tt := range map[string]struct {
		rules    []Rule
		backends []string
		who      Subject
		want     []string
	}{
		"a group or a user": {push("group pusher", "user ci-bot"), nil, bob,
			[]string{"add bob to the group pusher", "log in as ci-bot", toRequire}},
		"all of several": {push(all("group pusher", "ip 10.0.0.0/8", "valid-user")), nil, bob,
			[]string{"add bob to the group pusher, and send it from 10.0.0.0/8", toRequire}},
		"one of some inside of all": {push(all("valid-user", anyOfItems("group a", "group b"))), nil, bob,
			[]string{"add bob to the group a or add bob to the group b", toRequire}},
		"out of a group": {push(all("valid-user", "not group devs")), nil, bob, []string{"take bob out of the group devs", toRequire}},
		"from elsewhere": {push(all("valid-user", "not ip 127.0.0.0/8")), nil, bob, []string{"send it from outside of 127.0.0.0/8", toRequire}},
		"another user":   {push(all("valid-user", "not user bob")), nil, bob, []string{"log in as another user", toRequire}},
		"none of several": {push(all("valid-user", map[string]any{"none": []any{"user bob", "group devs", "user eve"}})), nil, bob,
			[]string{"log in as another user, and take bob out of the group devs", toRequire}},
		"nothing but the rule":    {push("all denied"), nil, bob, []string{toRequire}},
		"no way through one part": {push(all("group pusher", "all denied")), nil, bob, []string{toRequire}},
		"a login":                 {push("valid-user", "group pusher"), nil, Subject{}, []string{"log in", "log in as a member of the group pusher"}},
		"a login of somebody":     {push("user alice"), nil, Subject{}, []string{"log in as alice"}},
		"no login helps":          {push("ip 10.1.2.3"), nil, Subject{}, []string{"send it from 10.1.2.3"}},
		"another backend": {push("user local:bob", "group local:a"), []string{"corp", "local"}, bob, []string{
			"log in as local:bob", "log in as a member of the group local:a",
			`add "user corp:bob" or "group corp:devs" to require of rule "push" (config.toml:7)`}},
		"a method that is missing": {[]Rule{{Name: "post", Methods: []string{"POST"}, Require: mustRequire(t, "valid-user")}}, nil, bob, []string{
			`add a rule with repositories = ["team/app"], actions = ["push"] and require = ["user bob"]`,
			`add "PUT" to methods of rule "post", for all that it lets in (valid-user)`}},
		"a path that is missing": {[]Rule{{Name: "other", Paths: []string{"/v2/other/**"}, Require: mustRequire(t, "group devs")}}, nil, bob, []string{
			`add a rule with repositories = ["team/app"], actions = ["push"] and require = ["user bob"]`,
			`add "/v2/team/app/**" to paths of rule "other", for all that it lets in (group devs)`}},
		"a rule that would not help": {[]Rule{{Name: "other", Paths: []string{"/v2/other/**"}, Require: mustRequire(t, "group pusher")}}, nil, bob, []string{
			`add a rule with repositories = ["team/app"], actions = ["push"] and require = ["user bob"]`}},
		"the order of the rules": {append(push("all denied"), Rule{Name: "late", Require: mustRequire(t, "user bob")}), nil, bob, []string{
			toRequire, `move rule "late" before rule "push" (config.toml:7)`}},
	} {
		p := mustPolicy(t, Route{Path: "/v2/", Rules: tt.rules, Backends: tt.backends})
		var trace Trace
		p.Decide(Request{Method: "PUT", Path: "/v2/team/app/manifests/1", Source: loopback}, tt.who, &trace)
		if diff := cmp.Diff(tt.want, trace.Remedies); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func anyOfItems(items ...any) map[string]any { return map[string]any{"any": items} }

func TestNothingRemediesWhatPassesOrIsNotKnown(t *testing.T) {
	p := mustPolicy(t, recipe(t))
	for _, who := range []Subject{pusher, {LoggedIn: true, Identity: pusher.Identity}} {
		var trace Trace
		p.Decide(Request{Method: "PUT", Path: "/v2/x/manifests/1", Source: loopback}, who, &trace)
		if trace.Remedies != nil {
			t.Errorf("groups known %v: remedies %q", who.GroupsKnown, trace.Remedies)
		}
	}
}

// What a remedy says is true: with it the request passes.
func TestRemediesHelp(t *testing.T) {
	bob := Subject{LoggedIn: true, Identity: backend.Identity{User: "bob"}, GroupsKnown: true}
	req := Request{Method: "PUT", Path: "/v2/team/app/manifests/1", Source: loopback}
	rules := func(require ...any) Route {
		return Route{Path: "/v2/", Rules: []Rule{{Name: "push", Methods: []string{"PUT"}, Require: mustRequire(t, require...)}}}
	}
	var trace Trace
	p := mustPolicy(t, rules("group pusher"))
	p.Decide(req, bob, &trace)
	if !slices.Contains(trace.Remedies, "add bob to the group pusher") || !slices.Contains(trace.Remedies, `add "user bob" to require of rule "push"`) {
		t.Fatalf("remedies %q", trace.Remedies)
	}
	member := bob
	member.Groups = []string{"pusher"}
	if got := p.Decide(req, member, nil).Verdict; got != Allowed {
		t.Errorf("bob in the group: %v", got)
	}
	if got := mustPolicy(t, rules("group pusher", "user bob")).Decide(req, bob, nil).Verdict; got != Allowed {
		t.Errorf("bob in require: %v", got)
	}
}
