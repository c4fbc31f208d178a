package rules

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTraceShowsEachRuleAndWhy(t *testing.T) {
	p := mustPolicy(t, Route{Path: "/v2/", Rules: []Rule{
		{Name: "pull", Position: "config.toml:40", Methods: []string{"GET"}, Require: mustRequire(t, "valid-user")},
		{Name: "other", Paths: []string{"/v2/other/**"}, Require: mustRequire(t, "all granted")},
		{Name: "push", Require: mustRequire(t, "group pusher", all("user ci-bot", "not ip 127.0.0.0/8"))},
		{Name: "late", Require: mustRequire(t, "user late")},
	}})
	type step struct {
		Name                  string
		Method, Path, Decides bool
		Check                 Check
	}
	leaf := func(text string, v Verdict) Check { return Check{Requirement: text, Verdict: v} }
	want := []step{
		{"pull", false, true, false, leaf("valid-user", Allowed)},
		{"other", true, false, false, leaf("all granted", Allowed)},
		{"push", true, true, true, Check{"group pusher or (user ci-bot and not ip 127.0.0.0/8)", Denied, []Check{
			leaf("group pusher", Denied),
			{"user ci-bot and not ip 127.0.0.0/8", Denied, []Check{
				leaf("user ci-bot", Denied),
				{"not ip 127.0.0.0/8", Denied, []Check{leaf("ip 127.0.0.0/8", Allowed)}},
			}},
		}}},
		{"late", true, true, false, leaf("user late", Denied)},
		{BuiltinRule, false, false, false, leaf("valid-user", Allowed)},
	}
	req := Request{Method: "PUT", Path: "/v2/team/app/manifests/1", Source: loopback}
	var trace Trace
	d := p.Decide(req, puller, &trace)
	if trace.Decision != d || d != p.Decide(req, puller, nil) {
		t.Errorf("decision %+v, in the trace %+v, without a trace %+v", d, trace.Decision, p.Decide(req, puller, nil))
	}
	var got []step
	for _, s := range trace.Steps {
		got = append(got, step{s.Rule.Name, s.MethodMatches, s.PathMatches, s.Decides, s.Check})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("trace (-want +got):\n%s", diff)
	}
	if got := trace.Steps[0].Rule.Position; got != "config.toml:40" {
		t.Errorf("position %q", got)
	}
}

func TestTraceOfRequestThatNoRuleIsAbout(t *testing.T) {
	p := mustPolicy(t, recipe(t))
	var trace Trace
	p.Decide(Request{Method: "OPTIONS", Path: "/v2/x", Source: loopback}, stranger, &trace)
	if trace.Decision != (Decision{Verdict: NeedsLogin}) {
		t.Errorf("decision %+v", trace.Decision)
	}
	for _, s := range trace.Steps {
		if s.Decides || s.MethodMatches {
			t.Errorf("rule %q: %+v", s.Rule.Name, s)
		}
	}
}
