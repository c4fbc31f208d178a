package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"gatehouse/backend"
)

// own is the recipe in which each user has a namespace, and what is public is so.
func own(t testing.TB) *Policy {
	return mustPolicy(t, Route{Path: "/v2/", Backends: []string{"corp", "local"}, Rules: []Rule{
		{Name: "own", Repositories: []string{"users/{user}/**"}, Require: mustRequire(t, "valid-user")},
		{Name: "team", Repositories: []string{"teams/{group}/**"}, Actions: []string{"pull", "push"}, Require: mustRequire(t, "backend corp")},
		{Name: "public", Repositories: []string{"public/**", "users/guest/**"}, Actions: []string{"pull"}, Require: mustRequire(t, "all granted")},
		{Name: "near", Repositories: []string{"inside/{user}"}, Require: mustRequire(t, all("valid-user", "ip 10.0.0.0/8"))},
		{Name: "rest", Repositories: []string{"inside/**"}, Require: mustRequire(t, "all denied")},
	}})
}

func user(name, source string, groups ...string) Subject {
	return Subject{LoggedIn: true, Identity: backend.Identity{User: name, Source: source}, GroupsKnown: true, Groups: groups}
}

func TestTemplatesStandForWhoAsks(t *testing.T) {
	p := own(t)
	alice := user("alice", "corp", "dev", "cn=ops,dc=corp", "Upper", "a b", "a/b")
	unknown := Subject{LoggedIn: true, Identity: alice.Identity}
	sharing := alice
	sharing.Groups, sharing.Shared = nil, []string{"dev"}
	for _, tt := range []struct {
		method, path string
		who          Subject
		want         Verdict
		rule         string
	}{
		{"PUT", "/v2/users/alice/app/manifests/1", alice, Allowed, "own"},
		{"GET", "/v2/users/alice/manifests/1", alice, Allowed, "own"},
		{"PUT", "/v2/users/bob/app/manifests/1", alice, Denied, ""},
		{"PUT", "/v2/users/alicee/app/manifests/1", alice, Denied, ""},
		{"PUT", "/v2/users/alice/app/manifests/1", unknown, Allowed, "own"},
		{"PUT", "/v2/users/alice/app/manifests/1", stranger, NeedsLogin, "own"},

		{"PUT", "/v2/teams/dev/app/manifests/1", alice, Allowed, "team"},
		{"PUT", "/v2/teams/ops/app/manifests/1", alice, Denied, ""},
		{"PUT", "/v2/teams/upper/app/manifests/1", alice, Denied, ""},
		{"PUT", "/v2/teams/a/b/manifests/1", alice, Denied, ""},
		{"PUT", "/v2/teams/dev/app/manifests/1", user("alice", "local", "dev"), Denied, "team"},
		{"PUT", "/v2/teams/dev/app/manifests/1", unknown, NeedsGroups, "team"},
		{"DELETE", "/v2/teams/dev/app/manifests/1", alice, Denied, ""},
		{"PUT", "/v2/teams/dev/app/manifests/1", sharing, Denied, "team"},
		{"PUT", "/v2/teams/other/app/manifests/1", sharing, Denied, ""},

		// Somebody who has not logged in passes a template by.
		{"GET", "/v2/public/app/manifests/1", stranger, Allowed, "public"},
		{"GET", "/v2/users/guest/app/manifests/1", stranger, Allowed, "public"},
		{"PUT", "/v2/users/guest/app/manifests/1", stranger, NeedsLogin, "own"},
		// From where no login helps nobody is asked for one.
		{"GET", "/v2/inside/bob/manifests/1", stranger, Denied, "rest"},
		{"GET", "/v2/inside/bob/manifests/1", user("bob", "corp"), Denied, "near"},

		// What is no request to a registry is none of these rules'.
		{"GET", "/v2/users/alice/_x/y", alice, Denied, ""},
		{"GET", "/v2/users/alice/app", alice, Denied, ""},
		{"OPTIONS", "/v2/users/alice/app/manifests/1", alice, Denied, ""},
		{"PUT", "/v2/users/alice/app/tags/list", alice, Denied, ""},
		{"GET", "/v2/_catalog", alice, Denied, ""},
	} {
		got := p.Decide(Request{Method: tt.method, Path: tt.path, Source: loopback}, tt.who, nil)
		if got.Verdict != tt.want || got.Rule != tt.rule {
			t.Errorf("%s %s by %q: %v by %q, want %v by %q", tt.method, tt.path, tt.who.Identity.User, got.Verdict, got.Rule, tt.want, tt.rule)
		}
	}
}

// A name that can be no segment of a repository's matches nothing, and two users never
// share a repository.
func TestTemplatesNeverChangeAName(t *testing.T) {
	p := own(t)
	names := []string{"Alice", "alice@corp.example", `CORP\bob`, "a..b", "a/b", "..", ".", "", "-a", "a-", "a__-b", "ünal", "*", "**", "{user}", "{group}", "alice%2fbob", "alice ", "_x", "a:b"}
	asked := append(slices.Clone(names), "alice", "corp", "bob", "user", "a", "b", "a.b", "a-b", "corp/bob", "alice/corp.example", "alice-corp.example")
	for _, name := range names {
		for _, other := range asked {
			path := "/v2/users/" + other + "/app/manifests/1"
			if got := decideFrom(p, "PUT", path, user(name, "corp", name)); got != Denied {
				t.Errorf("%q may push to %s: %v", name, path, got)
			}
			if got := decideFrom(p, "PUT", strings.Replace(path, "users", "teams", 1), user("x", "corp", name)); got != Denied {
				t.Errorf("a member of %q may push to teams/%s: %v", name, other, got)
			}
		}
	}
}

// Names that have the words of the endpoints in them, and ones that are no names.
func TestRulesOnRepositoriesReadNamesAsRegistriesDo(t *testing.T) {
	p := mustPolicy(t, Route{Path: "/v2/", Rules: []Rule{
		{Name: "team", Repositories: []string{"team/**"}, Actions: []string{"pull"}, Require: mustRequire(t, "valid-user")},
		{Name: "deep", Repositories: []string{"team/*/blobs/uploads"}, Actions: []string{"push"}, Require: mustRequire(t, "valid-user")},
	}})
	for path, want := range map[string]Verdict{
		"/v2/team/manifests/manifests/1":                      Allowed,
		"/v2/team/manifests/x/manifests/1":                    Allowed,
		"/v2/team/blobs/uploads/tags/list":                    Allowed,
		"/v2/team/tags/list":                                  Allowed,
		"/v2/team/tags/list/":                                 Allowed,
		"/v2/team/blobs/uploads/1":                            Denied, // an upload
		"/v2/team/a/blobs/uploads/blobs/uploads/1":            Allowed,
		"/v2/other/team/manifests/1":                          Denied,
		"/v2/manifests/team/manifests/1":                      Denied,
		"/v2/Team/app/manifests/1":                            Denied,
		"/v2/team/../team/manifests/1":                        Denied,
		"/v2/team//manifests/1":                               Denied,
		"/v2/team/a..b/manifests/1":                           Denied,
		"/v2/team%2Fapp/manifests/1":                          Denied,
		"/v2/team/" + strings.Repeat("a/", 255) + "tags/list": Allowed,
		"/v2/team/app/manifests":                              Denied,
		"/v2/team/app":                                        Denied,
	} {
		if got := decideFrom(p, "GET", path, puller); got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
}

// Rules by method are about what the specification has below a registry, and about
// everything elsewhere.
func TestWhatOnlyTheRegistryKnowsIsClosed(t *testing.T) {
	byMethod := Rule{Name: "pull", Methods: []string{"GET"}, Require: mustRequire(t, "valid-user")}
	extension := Rule{Name: "ext", Actions: []string{"extension"}, Require: mustRequire(t, "valid-user")}
	ofTeam := Rule{Name: "ext", Repositories: []string{"team/**"}, Actions: []string{"extension"}, Require: mustRequire(t, "valid-user")}
	named := Rule{Name: "named", Paths: []string{"/v2/_x/**", "/v2/page"}, Require: mustRequire(t, "valid-user")}
	everything := Rule{Name: "repositories", Repositories: []string{"**"}, Require: mustRequire(t, "valid-user")}
	for path, want := range map[string][]bool{ // by rule: byMethod, extension, ofTeam, named, everything
		"/v2/_x/y":             {false, true, false, true, false},
		"/v2/_x":               {false, true, false, true, false},
		"/v2/_catalog/more":    {false, true, false, false, false},
		"/v2/team/app/_x/y":    {false, true, true, false, false},
		"/v2/page":             {false, false, false, true, false},
		"/v2/token":            {false, false, false, false, false},
		"/v2/TEAM/tags/list":   {false, false, false, false, false},
		"/v2/_catalog":         {true, false, false, false, false},
		"/v2/team/tags/list":   {true, false, false, false, true},
		"/v2/team/manifests/1": {true, false, false, false, true},
		"/ui/page":             {true, false, false, false, false},
		"/v2x":                 {true, false, false, false, false},
	} {
		for i, r := range []Rule{byMethod, extension, ofTeam, named, everything} {
			p := mustPolicy(t, Route{Path: "/", Rules: []Rule{r, {Name: "place", Repositories: []string{"place"}, Require: mustRequire(t, "all denied")}}})
			if got := decideFrom(p, "GET", path, puller) == Allowed; got != want[i] {
				t.Errorf("GET %s under rule %q (%d): %v, want %v", path, r.Name, i, got, want[i])
			}
		}
	}
	for _, path := range []string{"/v2/page", "/v2/token", "/v2/TEAM/tags/list", "/v2/_x/y", "/v2/TEAM/_x/y", "/v2/team/_x", "/v2/_catalog/more"} {
		alone := mustPolicy(t, Route{Path: "/", Rules: []Rule{byMethod}})
		want := Allowed
		if strings.Contains(path, "_") {
			want = Denied
		}
		if got := decideFrom(alone, "GET", path, puller); got != want {
			t.Errorf("GET %s where no rule depends on the repository: %v, want %v", path, got, want)
		}
	}
	unregistered := mustPolicy(t, Route{Path: "/v2/", Registry: NoRegistry, Rules: []Rule{byMethod}})
	if got := decideFrom(unregistered, "GET", "/v2/_x/y", puller); got != Allowed {
		t.Errorf("what is no registry: %v", got)
	}
}

func TestTemplatesAreExplained(t *testing.T) {
	p := own(t)
	for _, tt := range []struct {
		path string
		who  Subject
		want string
	}{
		{"/v2/users/alice/app/manifests/1", user("alice@corp.example", "corp"), `rule "own": "alice@corp.example" cannot be part of a repository's name, so {user} matches nothing; user_name_attr can give another name`},
		{"/v2/teams/dev/app/manifests/1", user("bob", "corp", "cn=dev,dc=corp"), `rule "team": no group of bob has a name that can be part of a repository's name, so {group} matches nothing`},
		{"/v2/users/bob/app/manifests/1", stranger, `whether rule "own" is about this repository depends on who asks`},
		{"/v2/_x/y", user("bob", "corp"), `/v2/_x/y belongs to an extension of the registry`},
		{"/v2/page", user("bob", "corp"), `/v2/page is no request that the OCI distribution specification knows`},
	} {
		var trace Trace
		p.Decide(Request{Method: "PUT", Path: tt.path, Source: loopback}, tt.who, &trace)
		if !slices.ContainsFunc(trace.Notes, func(note string) bool { return strings.HasPrefix(note, tt.want) }) {
			t.Errorf("%s: notes %q, want %q", tt.path, trace.Notes, tt.want)
		}
	}
}

func TestWarningsOfTemplates(t *testing.T) {
	valid, team := mustRequire(t, "valid-user"), mustRequire(t, "group corp:infra")
	ownRule := Rule{Name: "own", Repositories: []string{"{user}/**"}, Require: mustRequire(t, "backend corp")}
	infra := Rule{Name: "infra", Position: "config.toml:40", Repositories: []string{"infra/**"}, Require: team}
	const owns = `own: {user} is the first segment: a user called "infra" owns what rule "infra" (line 40) is about; put it below a name of its own, such as "users/{user}/**"`
	for name, tt := range map[string]struct {
		rules []Rule
		want  []string
	}{
		"first segment":                  {[]Rule{ownRule, infra}, []string{owns}},
		"behind the rule that names it":  {[]Rule{infra, ownRule}, nil},
		"behind a rule for a part of it": {[]Rule{{Name: "infra", Position: "config.toml:40", Repositories: []string{"infra/**"}, Actions: []string{"pull"}, Require: team}, ownRule}, []string{owns}},
		"by path":                        {[]Rule{ownRule, {Name: "infra", Position: "config.toml:40", Paths: []string{"/v2/infra/**"}, Require: team}}, []string{owns}},
		"below a name":                   {[]Rule{{Name: "own", Repositories: []string{"users/{user}/**"}, Require: mustRequire(t, "backend corp")}, infra}, nil},
		"a group below a name": {[]Rule{
			{Name: "own", Repositories: []string{"teams/{group}/**"}, Require: mustRequire(t, "backend corp")},
			{Name: "ops", Position: "config.toml:9", Repositories: []string{"teams/ops/**"}, Require: team},
		}, []string{`own: {group} stands where rule "ops" (line 9) has "ops": the members of a group called "ops" own what that is about; put it below a name of its own`}},
		"two people": {[]Rule{{Name: "own", Repositories: []string{"users/{user}/**"}, Require: valid}},
			[]string{`own: {user} may be alice of corp or of local: add "backend corp" to require, as in { all = ["valid-user", "backend corp"] }`}},
		"two people from somewhere": {[]Rule{{Name: "own", Repositories: []string{"users/{user}/**"}, Require: mustRequire(t, all("valid-user", "ip 10.0.0.0/8"))}},
			[]string{`own: {user} may be alice of corp or of local`}},
		"one person": {[]Rule{{Name: "own", Repositories: []string{"users/{user}/**"}, Require: mustRequire(t, all("valid-user", "not backend local"))}}, nil},
		"unreachable": {[]Rule{
			{Name: "all", Repositories: []string{"**"}, Require: valid},
			{Name: "team", Repositories: []string{"team/**"}, Actions: []string{"push"}, Require: valid},
		}, []string{`team: it never decides: earlier rules ("all")`}},
		"unreachable behind methods": {[]Rule{
			{Name: "all", Methods: []string{"GET", "PUT", "POST", "PATCH", "DELETE"}, Require: valid},
			{Name: "team", Repositories: []string{"team/**"}, Actions: []string{"push"}, Require: valid},
		}, []string{`team: it never decides: earlier rules ("all")`}},
		"an extension behind methods": {[]Rule{
			{Name: "all", Methods: []string{"GET", "PUT", "POST", "PATCH", "DELETE"}, Require: valid},
			{Name: "ext", Actions: []string{"extension"}, Require: valid},
		}, nil},
		"a template behind another": {[]Rule{
			{Name: "own", Repositories: []string{"users/{user}/**"}, Require: mustRequire(t, "backend corp")},
			{Name: "late", Repositories: []string{"users/{user}/x"}, Actions: []string{"pull"}, Require: mustRequire(t, "backend corp")},
		}, []string{`late: it never decides: earlier rules ("own")`}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, w := range mustPolicy(t, Route{Path: "/v2/", Backends: []string{"corp", "local"}, Rules: tt.rules}).Warnings() {
				got = append(got, w.Rule+": "+w.Text)
			}
			if len(got) != len(tt.want) {
				t.Fatalf("got %q, want %q", got, tt.want)
			}
			for i := range got {
				if !strings.HasPrefix(got[i], tt.want[i]) {
					t.Errorf("got  %s\nwant %s…", got[i], tt.want[i])
				}
			}
		})
	}
}

func TestRemediesSpeakOfRepositories(t *testing.T) {
	p := mustPolicy(t, Route{Path: "/v2/", Backends: []string{"corp"}, Rules: []Rule{
		{Name: "team", Position: "c.toml:3", Repositories: []string{"team/lib"}, Require: mustRequire(t, "user bob")},
		{Name: "read", Position: "c.toml:7", Actions: []string{"pull"}, Require: mustRequire(t, "valid-user")},
	}})
	for request, want := range map[string]string{
		"PUT /v2/team/app/manifests/1": `add "team/app" to repositories of rule "team" (c.toml:3), for all that it lets in (user bob)`,
		"PUT /v2/x/manifests/1":        `add "push" to actions of rule "read" (c.toml:7), for all that it lets in (valid-user)`,
		"GET /v2/_catalog":             `add a rule with actions = ["catalog"] and require = ["user bob"]`,
		"GET /v2/_x/y":                 `add a rule with actions = ["extension"] and require = ["user bob"]`,
		"DELETE /v2/x/blobs/sha256:a":  `add a rule with repositories = ["x"], actions = ["delete"] and require = ["user bob"]`,
	} {
		method, path, _ := strings.Cut(request, " ")
		var trace Trace
		p.Decide(Request{Method: method, Path: path, Source: loopback}, user("bob", "corp"), &trace)
		if !slices.Contains(trace.Remedies, want) {
			t.Errorf("%s: %q, want %q", request, trace.Remedies, want)
		}
	}
}

// BenchmarkDecideOfMany is the decision under as many rules as a large registry has, of
// which the last is about the request: 1,000 rules take at most 50 µs.
func BenchmarkDecideOfMany(b *testing.B) {
	for _, kind := range []string{"literal", "user", "group", "paths"} {
		for _, n := range []int{1, 1000} {
			b.Run(fmt.Sprintf("%s-%d", kind, n), func(b *testing.B) {
				r := Route{Path: "/v2/"}
				for i := range n {
					rule := Rule{Name: fmt.Sprint("r", i), Require: mustRequire(b, "group pusher")}
					switch kind {
					case "literal":
						rule.Repositories = []string{fmt.Sprintf("team%d/**", i)}
					case "user":
						rule.Repositories = []string{fmt.Sprintf("team%d/{user}/**", i)}
					case "group":
						rule.Repositories = []string{fmt.Sprintf("team%d/{group}/**", i)}
					case "paths":
						rule.Paths = []string{fmt.Sprintf("/v2/team%d/**", i)}
					}
					r.Rules = append(r.Rules, rule)
				}
				p := mustPolicy(b, r)
				who := user("pusher", "corp", "pusher")
				req := Request{Method: "PUT", Path: fmt.Sprintf("/v2/team%d/pusher/app/manifests/latest", n-1), Source: loopback}
				if got := p.Decide(req, who, nil); got.Verdict != Allowed {
					b.Fatal(got)
				}
				b.ReportAllocs()
				for b.Loop() {
					p.Decide(req, who, nil)
				}
			})
		}
	}
}
