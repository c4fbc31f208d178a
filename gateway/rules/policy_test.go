package rules

import (
	"context"
	"net/netip"
	"strings"
	"testing"

	"gatehouse/backend"
)

var (
	loopback = netip.MustParseAddr("127.0.0.1")

	puller = Subject{LoggedIn: true, Identity: backend.Identity{User: "testpull"}, GroupsKnown: true}
	pusher = Subject{LoggedIn: true, Identity: backend.Identity{User: "testpush"}, GroupsKnown: true, Groups: []string{"pusher"}}
)

func mustPolicy(t testing.TB, r Route) *Policy {
	t.Helper()
	p, err := NewPolicy(r)
	if err != nil {
		t.Fatalf("NewPolicy: %v", err)
	}
	return p
}

func decideFrom(p *Policy, method, path string, who Subject) Verdict {
	return p.Decide(Request{Method: method, Path: path, Source: loopback}, who, nil).Verdict
}

// recipe is the well-known Apache configuration in front of a registry.
func recipe(t testing.TB) Route {
	return Route{Path: "/v2/", Rules: []Rule{
		{Name: "pull", Methods: []string{"GET", "HEAD"}, Require: mustRequire(t, "valid-user")},
		{Name: "push", Methods: []string{"POST", "PUT", "PATCH", "DELETE"}, Require: mustRequire(t, "group pusher")},
	}}
}

func TestRecipe(t *testing.T) {
	p := mustPolicy(t, recipe(t))
	tests := []struct {
		method           string
		anon, pull, push Verdict
		rule, requires   string
	}{
		{"GET", NeedsLogin, Allowed, Allowed, "pull", "valid-user"},
		{"HEAD", NeedsLogin, Allowed, Allowed, "pull", "valid-user"},
		{"POST", NeedsLogin, Denied, Allowed, "push", "group pusher"},
		{"PUT", NeedsLogin, Denied, Allowed, "push", "group pusher"},
		{"PATCH", NeedsLogin, Denied, Allowed, "push", "group pusher"},
		{"DELETE", NeedsLogin, Denied, Allowed, "push", "group pusher"},
		{"OPTIONS", NeedsLogin, Denied, Denied, "", ""},
		{"TRACE", NeedsLogin, Denied, Denied, "", ""},
		{"CONNECT", NeedsLogin, Denied, Denied, "", ""},
		{"PROPFIND", NeedsLogin, Denied, Denied, "", ""},
		{"get", NeedsLogin, Denied, Denied, "", ""},
		{"Get", NeedsLogin, Denied, Denied, "", ""},
		{"", NeedsLogin, Denied, Denied, "", ""},
	}
	for _, tt := range tests {
		for _, who := range []struct {
			Subject
			want Verdict
		}{{stranger, tt.anon}, {puller, tt.pull}, {pusher, tt.push}} {
			req := Request{Method: tt.method, Path: "/v2/app/manifests/1", Source: loopback}
			want := Decision{Verdict: who.want, Rule: tt.rule, Requires: tt.requires}
			if got := p.Decide(req, who.Subject, nil); got != want {
				t.Errorf("%s by %q: got %+v, want %+v", tt.method, who.Identity.User, got, want)
			}
		}
	}
}

func TestFailedGroupLookupIsNotMembershipOfNone(t *testing.T) {
	p := mustPolicy(t, recipe(t))
	who := Subject{LoggedIn: true, Identity: pusher.Identity}
	if got := decideFrom(p, "PUT", "/v2/x/manifests/1", who); got != NeedsGroups {
		t.Errorf("PUT with unknown groups: %v, want %v", got, NeedsGroups)
	}
	if got := decideFrom(p, "GET", "/v2/x/manifests/1", who); got != Allowed {
		t.Errorf("GET with unknown groups: %v, want %v", got, Allowed)
	}
}

// Configurations of Apache that people run, and what became of each request
// there; gatehouse says 403 where Apache says 401 to whoever has logged in.
func TestApacheConfigurations(t *testing.T) {
	type row struct {
		method, path     string
		anon, pull, push Verdict
	}
	get, put := []string{"GET"}, []string{"PUT"}
	const m = "/m"
	tests := []struct {
		name  string
		rules []Rule
		rows  []row
	}{
		{"Limit GET leaves nothing open", []Rule{{Methods: get, Require: mustRequire(t, "valid-user")}}, []row{
			{"GET", m, NeedsLogin, Allowed, Allowed},
			{"HEAD", m, NeedsLogin, Allowed, Allowed},
			{"PUT", m, NeedsLogin, Denied, Denied},
			{"OPTIONS", m, NeedsLogin, Denied, Denied},
		}},
		{"LimitExcept with Limit", []Rule{{Methods: get, Require: mustRequire(t, "valid-user")}, {Require: mustRequire(t, "group pusher")}}, []row{
			{"GET", m, NeedsLogin, Allowed, Allowed},
			{"HEAD", m, NeedsLogin, Allowed, Allowed},
			{"PUT", m, NeedsLogin, Denied, Allowed},
			{"OPTIONS", m, NeedsLogin, Denied, Allowed},
			{"TRACE", m, NeedsLogin, Denied, Denied},
			{"FOO", m, NeedsLogin, Denied, Denied},
		}},
		{"LimitExcept alone leaves GET closed", []Rule{{Methods: []string{"POST", "PUT"}, Require: mustRequire(t, "group pusher")}}, []row{
			{"GET", m, NeedsLogin, Denied, Denied},
			{"PUT", m, NeedsLogin, Denied, Allowed},
		}},
		{"anonymous GET", []Rule{{Methods: get, Require: mustRequire(t, "all granted")}, {Require: mustRequire(t, "group pusher")}}, []row{
			{"GET", m, Allowed, Allowed, Allowed},
			{"HEAD", m, Allowed, Allowed, Allowed},
			{"PUT", m, NeedsLogin, Denied, Allowed},
		}},
		{"a narrower method first", []Rule{{Methods: put, Require: mustRequire(t, "group pusher")}, {Require: mustRequire(t, "valid-user")}}, []row{
			{"GET", m, NeedsLogin, Allowed, Allowed},
			{"PUT", m, NeedsLogin, Denied, Allowed},
		}},
		{"two users", []Rule{{Require: mustRequire(t, "user testpull", "user other")}}, []row{{"GET", m, NeedsLogin, Allowed, Denied}}},
		{"group", []Rule{{Require: mustRequire(t, "group pusher")}}, []row{{"GET", m, NeedsLogin, Denied, Allowed}}},
		{"all denied never asks", []Rule{{Require: mustRequire(t, "all denied")}}, []row{{"GET", m, Denied, Denied, Denied}}},
		{"any of address and group", []Rule{{Require: mustRequire(t, "ip 10.0.0.0/8", "group pusher")}}, []row{{"GET", m, NeedsLogin, Denied, Allowed}}},
		{"all of address and group", []Rule{{Require: mustRequire(t, all("ip 10.0.0.0/8", "group pusher"))}}, []row{{"GET", m, Denied, Denied, Denied}}},
		{"none of a group", []Rule{{Require: mustRequire(t, all("valid-user", none("group pusher")))}}, []row{{"GET", m, NeedsLogin, Allowed, Denied}}},
		{"not a user", []Rule{{Require: mustRequire(t, all("valid-user", "not user testpull"))}}, []row{{"GET", m, NeedsLogin, Denied, Allowed}}},
		{"Satisfy any", []Rule{{Require: mustRequire(t, "ip 127.0.0.1", "valid-user")}}, []row{{"GET", m, Allowed, Allowed, Allowed}}},
		{"one user", []Rule{{Require: mustRequire(t, "user testpush")}}, []row{{"GET", m, NeedsLogin, Denied, Allowed}}},
		{"nested sections, inner first", []Rule{
			{Paths: []string{"/ord/open/**"}, Require: mustRequire(t, "all granted")},
			{Paths: []string{"/ord/in/**"}, Require: mustRequire(t, "valid-user")},
			{Paths: []string{"/ord/**"}, Require: mustRequire(t, "user testpush")},
		}, []row{
			{"GET", "/ord/open/x", Allowed, Allowed, Allowed},
			{"GET", "/ord/in", NeedsLogin, Allowed, Allowed},
			{"GET", "/ord/x", NeedsLogin, Denied, Allowed},
			{"GET", "/other", NeedsLogin, Denied, Denied},
		}},
		{"repositories of any depth", []Rule{
			{Paths: []string{"/lm/**/manifests/*", "/lm/**/blobs/**"}, Require: mustRequire(t, "group pusher")},
			{Require: mustRequire(t, "all granted")},
		}, []row{
			{"GET", "/lm/a/manifests/x", NeedsLogin, Denied, Allowed},
			{"GET", "/lm/a/b/manifests/x", NeedsLogin, Denied, Allowed},
			{"GET", "/lm/a/blobs/uploads/", NeedsLogin, Denied, Allowed},
			{"GET", "/lm/a/manifests", Allowed, Allowed, Allowed},
			{"GET", "/lm/x/../a/manifests/x", Denied, Denied, Denied},
			{"GET", "//lm/a/manifests/x", Denied, Denied, Denied},
		}},
		{"a section covers its own path", []Rule{{Paths: []string{"/lt/**"}, Require: mustRequire(t, "valid-user")}, {Require: mustRequire(t, "all granted")}}, []row{
			{"GET", "/lt", NeedsLogin, Allowed, Allowed},
			{"GET", "/lt/", NeedsLogin, Allowed, Allowed},
			{"GET", "/lt/x", NeedsLogin, Allowed, Allowed},
			{"GET", "/ltx", Allowed, Allowed, Allowed},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for i := range tt.rules {
				tt.rules[i].Name = "r" + string(rune('1'+i))
			}
			p := mustPolicy(t, Route{Path: "/", Rules: tt.rules})
			for _, r := range tt.rows {
				got := row{r.method, r.path, decideFrom(p, r.method, r.path, stranger), decideFrom(p, r.method, r.path, puller), decideFrom(p, r.method, r.path, pusher)}
				if got != r {
					t.Errorf("got %v, want %v", got, r)
				}
			}
		})
	}
}

func TestFirstMatchingRuleDecidesAlone(t *testing.T) {
	p := mustPolicy(t, Route{Path: "/v2/", Rules: []Rule{
		{Name: "closed", Paths: []string{"/v2/secret/**"}, Require: mustRequire(t, "group secret")},
		{Name: "open", Require: mustRequire(t, "valid-user")},
	}})
	got := p.Decide(Request{Method: "GET", Path: "/v2/secret/x"}, pusher, nil)
	if want := (Decision{Denied, "closed", "group secret"}); got != want {
		t.Errorf("got %+v, want %+v: a later rule let in whom the first refused", got, want)
	}
}

func TestRegistryLoginIsBuiltIn(t *testing.T) {
	p := mustPolicy(t, Route{Path: "/v2/", Rules: []Rule{
		{Name: "team", Paths: []string{"/v2/team/**"}, Require: mustRequire(t, "group pusher")},
	}})
	for _, path := range []string{"/v2", "/v2/"} {
		for _, method := range []string{"GET", "HEAD"} {
			if got := decideFrom(p, method, path, stranger); got != NeedsLogin {
				t.Errorf("%s %s by a stranger: %v", method, path, got)
			}
			if got := p.Decide(Request{Method: method, Path: path}, puller, nil); got != (Decision{Allowed, BuiltinRule, "valid-user"}) {
				t.Errorf("%s %s with a login: %+v", method, path, got)
			}
		}
		if got := decideFrom(p, "POST", path, puller); got != Denied {
			t.Errorf("POST %s: %v", path, got)
		}
	}
	if got := decideFrom(p, "GET", "/v2/x", puller); got != Denied {
		t.Errorf("the built-in rule lets more through than /v2/: %v", got)
	}
	closed := mustPolicy(t, Route{Path: "/v2/", Rules: []Rule{{Name: "closed", Require: mustRequire(t, "all denied")}}})
	if got := decideFrom(closed, "GET", "/v2/", puller); got != Denied {
		t.Errorf("the built-in rule goes before the route's own: %v", got)
	}
}

func TestHeadNeedsTheRightToGetAndNotTheOtherWayRound(t *testing.T) {
	p := mustPolicy(t, Route{Path: "/", Rules: []Rule{{Name: "head", Methods: []string{"HEAD"}, Require: mustRequire(t, "valid-user")}}})
	if got := decideFrom(p, "HEAD", "/x", puller); got != Allowed {
		t.Errorf("HEAD: %v", got)
	}
	if got := decideFrom(p, "GET", "/x", puller); got != Denied {
		t.Errorf("GET with the right to HEAD alone: %v", got)
	}
}

func TestMissingFactsDoNotSatisfyNegatives(t *testing.T) {
	p := mustPolicy(t, Route{Path: "/", Rules: []Rule{
		{Name: "far", Methods: []string{"GET"}, Require: mustRequire(t, all("valid-user", "not ip 10.0.0.0/8"))},
		{Name: "other", Methods: []string{"PUT"}, Require: mustRequire(t, all("all granted", "not user bob"))},
		{Name: "open", Methods: []string{"POST"}, Require: mustRequire(t, "all granted")},
	}})
	if got := p.Decide(Request{Method: "GET", Path: "/x"}, puller, nil).Verdict; got != Denied {
		t.Errorf("a request from nowhere passes for one from elsewhere: %v", got)
	}
	nameless := Subject{LoggedIn: true, GroupsKnown: true}
	for _, method := range []string{"GET", "PUT", "POST", "DELETE"} {
		if got := decideFrom(p, method, "/x", nameless); got != Denied {
			t.Errorf("%s with a login without a name: %v", method, got)
		}
	}
	for _, path := range []string{"", "x", "//x", "/x//y", "/x/../y", "/x/.", "/.."} {
		if got := decideFrom(p, "POST", path, stranger); got != Denied {
			t.Errorf("path %q that is not canonical: %v", path, got)
		}
	}
}

func TestQualifiedNamesMeanOneBackend(t *testing.T) {
	route := func(backends ...string) *Policy {
		return mustPolicy(t, Route{Path: "/", Backends: backends, Rules: []Rule{
			{Name: "user", Methods: []string{"GET"}, Require: mustRequire(t, "user corp:bob")},
			{Name: "group", Methods: []string{"PUT"}, Require: mustRequire(t, `group "corp:devs"`)},
			{Name: "bare", Methods: []string{"POST"}, Require: mustRequire(t, "user bob")},
			{Name: "not", Methods: []string{"DELETE"}, Require: mustRequire(t, all("valid-user", "not user corp:bob"))},
		}})
	}
	tests := []struct {
		method string
		who    Subject
		want   Verdict
	}{
		{"GET", bobDevs, Allowed}, {"GET", localBob, Denied}, {"GET", stranger, NeedsLogin},
		{"PUT", bobDevs, Allowed}, {"PUT", localBob, Denied}, {"PUT", bobNone, Denied}, {"PUT", bob, NeedsGroups},
		{"POST", bobDevs, Allowed}, {"POST", localBob, Allowed},
		{"DELETE", bobDevs, Denied}, {"DELETE", localBob, Allowed},
	}
	for _, tt := range tests {
		if got := decideFrom(route("corp", "local"), tt.method, "/x", tt.who); got != tt.want {
			t.Errorf("%s by %+v: %v, want %v", tt.method, tt.who, got, tt.want)
		}
	}
	localUnknown := Subject{LoggedIn: true, Identity: localBob.Identity}
	if got := decideFrom(route("corp", "local"), "PUT", "/x", localUnknown); got != Denied {
		t.Errorf("groups are asked for that cannot matter: %v", got)
	}
	if got := decideFrom(route("local"), "GET", "/x", bobDevs); got != Denied {
		t.Errorf("a qualifier that names no backend of the route: %v", got)
	}
}

// folding is a backend that ignores case.
type folding struct{}

func (folding) Authenticate(context.Context, string, string) (backend.Identity, error) {
	return backend.Identity{}, backend.ErrUnknownUser
}
func (folding) Groups(context.Context, backend.Identity) ([]string, error) { return nil, nil }
func (folding) CanonicalUser(name string) string                           { return strings.ToLower(name) }
func (folding) CanonicalGroup(name string) string {
	return strings.ToLower(strings.ReplaceAll(name, " ", ""))
}

func TestNamesInRulesAreCanonical(t *testing.T) {
	p := mustPolicy(t, Route{Path: "/", Backend: folding{}, Backends: []string{"corp"}, Rules: []Rule{
		{Name: "user", Methods: []string{"GET"}, Require: mustRequire(t, "user corp:BOB")},
		{Name: "group", Methods: []string{"PUT"}, Require: mustRequire(t, `group "D evs"`)},
		{Name: "not", Methods: []string{"POST"}, Require: mustRequire(t, all("valid-user", "not user Bob"))},
	}})
	for method, want := range map[string]Verdict{"GET": Allowed, "PUT": Allowed, "POST": Denied} {
		if got := decideFrom(p, method, "/x", bobDevs); got != want {
			t.Errorf("%s: %v, want %v", method, got, want)
		}
	}
}

func TestRefusalTextShowsNoDistinguishedName(t *testing.T) {
	p := mustPolicy(t, Route{Path: "/", Rules: []Rule{
		{Name: "r", Require: mustRequire(t, `group "CN=Domain Users,OU=Groups,DC=corp"`, "user ci-bot")},
	}})
	got := p.Decide(Request{Method: "GET", Path: "/x"}, puller, nil).Requires
	if want := `group "Domain Users" or user ci-bot`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestNewPolicyRefuses(t *testing.T) {
	ok := mustRequire(t, "valid-user")
	tests := []struct {
		name string
		rule Rule
		want string
	}{
		{"no name", Rule{Require: ok}, "it has no name"},
		{"blank name", Rule{Name: " ", Require: ok}, "it has no name"},
		{"name of two lines", Rule{Name: "r\ns", Require: ok}, "control characters"},
		{"name of the built-in rule", Rule{Name: BuiltinRule, Require: ok}, "the name is taken"},
		{"same name", Rule{Name: "first", Require: ok}, "the same name"},
		{"no requirement", Rule{Name: "r"}, "it has no require"},
		{"empty methods", Rule{Name: "r", Methods: []string{}, Require: ok}, "methods is an empty list"},
		{"empty paths", Rule{Name: "r", Paths: []string{}, Require: ok}, "paths is an empty list"},
		{"lower-case method", Rule{Name: "r", Methods: []string{"get"}, Require: ok}, `write "GET"`},
		{"TRACE", Rule{Name: "r", Methods: []string{"TRACE"}, Require: ok}, "never let through"},
		{"CONNECT", Rule{Name: "r", Methods: []string{"CONNECT"}, Require: ok}, "never let through"},
		{"all methods", Rule{Name: "r", Methods: []string{"*"}, Require: ok}, "leave methods out"},
		{"unknown method", Rule{Name: "r", Methods: []string{"FROB"}, Require: ok}, "is not known"},
		{"empty method", Rule{Name: "r", Methods: []string{""}, Require: ok}, "is not known"},
		{"bad path", Rule{Name: "r", Paths: []string{"/v2/foo*"}, Require: ok}, "whole segments"},
		{"qualifier without a name", Rule{Name: "r", Require: mustRequire(t, "user corp:")}, "there is no such name"},
		{"position", Rule{Name: "r", Position: "config.toml:7"}, `config.toml:7: rule "r"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := Route{Path: "/", Backends: []string{"corp"}, Rules: []Rule{{Name: "first", Require: ok}, tt.rule}}
			p, err := NewPolicy(r)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v, want one with %q", err, tt.want)
			}
			if p != nil {
				t.Error("a policy in spite of the error")
			}
		})
	}
}

func TestRouteWithoutRulesIsRefused(t *testing.T) {
	if _, err := NewPolicy(Route{Path: "/v2/"}); err == nil || !strings.Contains(err.Error(), "no rules") {
		t.Errorf("got %v", err)
	}
}

func TestNewPolicyReportsAllErrorsAtOnce(t *testing.T) {
	_, err := NewPolicy(Route{Path: "/", Rules: []Rule{{Name: "a", Methods: []string{"get", "FROB"}, Paths: []string{"x"}}, {}}})
	for _, want := range []string{`"GET"`, "FROB", `"x"`, "no require", "rule 2"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not mention %s", err, want)
		}
	}
}

func TestDecideDoesNotAllocate(t *testing.T) {
	p := mustPolicy(t, Route{Path: "/v2/", Rules: []Rule{
		{Name: "a", Methods: []string{"PUT"}, Paths: []string{"/v2/**/manifests/*"}, Require: mustRequire(t, "group pusher")},
		{Name: "b", Paths: []string{"/v2/*/x/**", "/v2/team/**"}, Require: mustRequire(t, "user a b c", all("valid-user", "not ip 10.0.0.0/8 fe80::/10"))},
	}})
	req := Request{Method: "GET", Path: "/v2/team/app/manifests/1", Source: netip.MustParseAddr("fe81::1%eth0")}
	if n := testing.AllocsPerRun(100, func() { p.Decide(req, pusher, nil) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkDecide(b *testing.B) {
	p := mustPolicy(b, recipe(b))
	req := Request{Method: "PUT", Path: "/v2/team/app/manifests/latest", Source: loopback}
	b.ReportAllocs()
	for b.Loop() {
		p.Decide(req, pusher, nil)
	}
}

// A policy that is kept for explanations keeps no backend.
func TestPolicyHoldsOnToNoBackend(t *testing.T) {
	r := recipe(t)
	r.Backend = folding{}
	if p := mustPolicy(t, r); p.route.Backend != nil {
		t.Errorf("the policy keeps %+v", p.route)
	}
}
