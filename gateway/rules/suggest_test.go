package rules

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gatehouse/gateway/oci"
)

// inWords returns what s says of each rule.
func (s *Suggestion) inWords() []string {
	var list []string
	for _, r := range s.Rules {
		switch {
		case r.Why != "":
			list = append(list, fmt.Sprintf("%s stays: %s", r.Rule.Name, r.Why))
		case r.Taken != nil:
			list = append(list, fmt.Sprintf("%s: %q %q without %q", r.Rule.Name, r.Rule.Repositories, r.Rule.Actions, r.Taken))
		default:
			list = append(list, fmt.Sprintf("%s: %q %q", r.Rule.Name, r.Rule.Repositories, r.Rule.Actions))
		}
	}
	if s.Obstacle != "" {
		list = append(list, "nothing: "+s.Obstacle)
	}
	return list
}

func mustSuggest(t *testing.T, r Route, translate translation) *Suggestion {
	t.Helper()
	s, err := suggest(r, translate)
	if err != nil {
		t.Fatal(err)
	}
	if want := ProofQuestions; s.HasChanges() && s.Questions != want || !s.HasChanges() && s.Questions != 0 {
		t.Errorf("%d questions were asked, with changes: %v", s.Questions, s.HasChanges())
	}
	return s
}

func TestSuggestions(t *testing.T) {
	user, push, open := mustRequire(t, "valid-user"), mustRequire(t, "group pusher"), mustRequire(t, "all granted")
	writing := []string{"POST", "PUT", "PATCH", "DELETE"}
	for _, tt := range []struct {
		name  string
		path  string
		rules []Rule
		want  []string // beginnings
	}{
		{"Apache's recipe", "/v2/", []Rule{{Name: "pull", Methods: []string{"GET", "HEAD"}, Require: user}, {Name: "push", Methods: writing, Require: push}},
			[]string{`pull: [] ["pull" "catalog"]`, `push: [] ["push" "delete"]`}},
		{"LimitExcept", "/v2/", []Rule{{Name: "pull", Methods: []string{"GET", "HEAD", "OPTIONS"}, Require: user}, {Name: "rest", Require: push}},
			[]string{`pull: [] ["pull" "catalog"]`, `rest: [] ["push" "delete"] without ["pull" "catalog"]`}},
		{"folders of teams", "/v2/", []Rule{
			{Name: "read", Methods: []string{"GET"}, Paths: []string{"/v2/team/**", "/v2/team/*/**"}, Require: user},
			{Name: "team", Paths: []string{"/v2/team/**"}, Require: push}, {Name: "own", Paths: []string{"/v2/", "/v2/a/b/**"}, Require: push},
			{Name: "rest", Paths: []string{"/v2/**"}, Require: mustRequire(t, "user admin")},
		}, []string{`read: ["team/**"] ["pull"]`, `team: ["team/**"] ["push" "delete"] without ["pull"]`, `own: ["a/b/**"] []`, `rest: [] ["pull" "push" "delete" "catalog"]`}},
		{"robots only read", "/v2/", []Rule{
			{Name: "robots", Methods: writing, Require: mustRequire(t, all("group pusher", "not user bot"))}, {Name: "read", Require: user},
		}, []string{`robots: [] ["push" "delete"]`, `read: [] ["pull" "catalog"] without ["push" "delete"]`}},
		{"a rule says it already", "/v2/", []Rule{{Name: "own", Repositories: []string{"users/{user}/**"}, Require: user}, {Name: "list", Paths: []string{"/v2/_catalog"}, Require: user}},
			[]string{`own: ["users/{user}/**"] []`, `list: [] ["catalog"]`}},
		{"open at the login", "/v2/", []Rule{{Name: "pull", Methods: []string{"GET"}, Require: open}, {Name: "push", Methods: writing, Require: push}},
			[]string{`pull stays: with it said otherwise, an answer would be another: GET /v2/ by`, `push: [] ["push" "delete"]`}},
		{"closed to all", "/", []Rule{{Name: "secret", Paths: []string{"/v2/secret/**"}, Require: mustRequire(t, "all denied")}, {Name: "rest", Paths: []string{"/**"}, Require: user}},
			[]string{`secret stays: with it said otherwise, an answer would be another: `, `rest stays: its path /** is about more than what is below /v2/`}},
		{"services beside", "/", []Rule{{Name: "ui", Paths: []string{"/ui/**"}, Require: user}, {Name: "rest", Require: user}, {Name: "team", Paths: []string{"/v2/team/**"}, Require: user}},
			[]string{`ui stays: its path /ui/** is about more`, `rest stays: it is about all paths, and the route takes more`, `team: ["team/**"] []`}},
		{"no registry", "/ui/", []Rule{{Name: "ui", Require: user}}, []string{"nothing: the route leads to no registry"}},
		{"a part of a registry", "/v2/team/", []Rule{{Name: "team", Require: user}}, []string{`team: [] ["pull" "push" "delete" "catalog"]`}},
	} {
		s := mustSuggest(t, Route{Path: tt.path, Rules: tt.rules}, (*Policy).byAction)
		got := s.inWords()
		if len(got) != len(tt.want) {
			t.Errorf("%s: got %q", tt.name, got)
			continue
		}
		for i, want := range tt.want {
			if !strings.HasPrefix(got[i], want) {
				t.Errorf("%s:\ngot  %s\nwant %s", tt.name, got[i], want)
			}
		}
	}
}

// What cannot be said by repositories and actions stays as it is, with the reason.
func TestSuggestionSaysWhatStays(t *testing.T) {
	for rule, want := range map[string]string{
		"GET /v2/team/app/manifests/v1": "is a part of what is asked of a repository",
		"GET /v2/team/*":                "is a part of what is asked of a repository",
		"GET /v2/_oci/**":               "is one of an extension",
		"GET /v2/Team/**":               `has "Team", which can be no part of a repository's name`,
		"GET /v2/team/manifests/**":     `has "manifests", behind which`,
		"GET /v2/team/*/app/**":         "has a wildcard that can stand for words such as manifests",
		"GET /v2/**/app/**":             "has a wildcard that can stand for words such as manifests",
		"GET /v2/*/**":                  "has a wildcard that can stand for words such as manifests",
		"GET /v2/":                      "to log in at /v2/ is no action",
		"GET /v2/_catalog /v2/team/**":  "make a rule of its own of the path /v2/_catalog",
		"HEAD /v2/team/**":              "HEAD by itself is a part of a pull",
		"PUT /v2/team/**":               "its methods are a part of a push",
		"OPTIONS /v2/team/**":           "no request of the OCI distribution specification has its methods there",
		"DELETE /v2/_catalog":           "no request of the OCI distribution specification has its methods there",
		"GET /v3/**":                    "is about more than what is below /v2/, or about something else",
	} {
		words := strings.Fields(rule)
		r := Route{Path: "/", Rules: []Rule{{Name: "r", Methods: words[:1], Paths: words[1:], Require: mustRequire(t, "valid-user")}}}
		if s := mustSuggest(t, r, (*Policy).byAction); s.HasChanges() || !strings.Contains(s.Rules[0].Why, want) {
			t.Errorf("%s: %q, want %q", rule, s.inWords(), want)
		}
	}
}

// randomRoute returns a route whose rules are near to what can be said otherwise.
func (g generator) randomRoute(t *testing.T) Route {
	r := Route{Path: pick(g, "/v2/", "/v2/", "/"), Backends: []string{"corp", "local"}}
	for i := range 1 + g.IntN(4) {
		c := Rule{Name: string(rune('a' + i)), Require: mustRequire(t, g.positives(2)...)}
		switch g.IntN(8) {
		case 0:
			c.Repositories = []string{g.repository()}
		case 1:
			c.Paths = []string{g.pattern(), g.pattern()}
		case 2, 3, 4, 5:
			c.Paths = []string{pick(g, "/v2/a/**", "/v2/b/x/**", "/v2/**", "/v2/*/**", "/v2/_catalog", "/v2/", "/v2/a/*/**", "/v2/x/manifests/**", "/**")}
		}
		if c.Repositories == nil && g.IntN(3) > 0 {
			c.Methods = pick(g, []string{"GET"}, []string{"POST", "PUT", "PATCH"}, []string{"DELETE"}, []string{"GET", "POST", "PUT", "PATCH"}, []string{"PUT", "DELETE"})
		}
		if g.IntN(4) == 0 {
			c.ImmutableTags = []string{pick(g, "v*", "1")}
		}
		r.Rules = append(r.Rules, c)
	}
	return r
}

// suggestedRequests are requests of the specification, but for the steps of an upload that
// belong together.
func suggestedRequests() []Request {
	var list []Request
	for _, name := range []string{"a", "b", "c", "x", "a/x", "b/x", "b/x/y", "x/manifests", "a/manifests/b"} {
		for _, ask := range []string{"GET manifests/1", "PUT manifests/v1", "DELETE manifests/1", "GET manifests/b", "HEAD blobs/sha256:aa", "DELETE blobs/sha256:aa",
			"POST blobs/uploads/", "PATCH blobs/uploads/7", "PUT blobs/uploads/b", "GET tags/list", "GET referrers/sha256:aa"} {
			method, path, _ := strings.Cut(ask, " ")
			list = append(list, Request{Method: method, Path: "/v2/" + name + "/" + path})
		}
	}
	for _, path := range []string{"/v2/", "/v2/_catalog", "/x", "/"} {
		list = append(list, Request{Method: "GET", Path: path}, Request{Method: "HEAD", Path: path})
	}
	return list
}

// Whatever is suggested decides every request of the specification as the rules did.
func TestSuggestionsDecideTheSame(t *testing.T) {
	changed, requests := 0, suggestedRequests()
	for seed := range uint64(20) {
		g := generator{rand.New(rand.NewPCG(seed, 11))}
		r := g.randomRoute(t)
		s := mustSuggest(t, r, (*Policy).byAction)
		if !s.HasChanges() {
			continue
		}
		changed++
		after := r
		after.Rules = nil
		for _, said := range s.Rules {
			after.Rules = append(after.Rules, said.Rule)
		}
		before, then := mustPolicy(t, r), mustPolicy(t, after)
		for range 4 {
			who := pick(g, g.user(), g.user(), Subject{})
			for _, req := range requests {
				req.Source = g.request().Source
				if !Takes(strings.TrimSuffix(r.Path, "/"), req.Path) {
					continue
				}
				a, b := before.Decide(req, who, nil), then.Decide(req, who, nil)
				if a.Verdict != b.Verdict {
					t.Fatalf("seed %d: %s %s by %+v: %v by %q, and then %v by %q\n%+v\n%q", seed, req.Method, req.Path, who, a.Verdict, a.Rule, b.Verdict, b.Rule, r.Rules, s.inWords())
				}
			}
		}
	}
	if changed < 8 {
		t.Errorf("%d suggestions: the generator tests too little", changed)
	}
}

// A translation that is wrong in one way is found out by the questions.
func TestProofFindsWrongTranslations(t *testing.T) {
	route := Route{Path: "/v2/", Rules: []Rule{
		{Name: "team", Methods: []string{"GET"}, Paths: []string{"/v2/team/**"}, Require: mustRequire(t, "group team")},
		{Name: "write", Methods: []string{"POST", "PUT", "PATCH", "DELETE"}, Paths: []string{"/v2/team/**"}, ImmutableTags: []string{"v*"}, Require: mustRequire(t, "user lead")},
		{Name: "rest", Require: mustRequire(t, all("user admin", "not ip 10.0.0.0/8"))},
	}}
	for what, spoil := range map[string]func(*Rule){
		"one segment":     func(r *Rule) { r.Repositories = []string{"team/*"} },
		"another name":    func(r *Rule) { r.Repositories = []string{"teams/**"} },
		"all of them":     func(r *Rule) { r.Repositories = nil; r.Actions = []string{"pull"} },
		"one action more": func(r *Rule) { r.Actions = []string{"pull", "delete"} },
		"all actions":     func(r *Rule) { r.Actions = nil },
		"another action":  func(r *Rule) { r.Actions = []string{"push"} },
		"other people":    func(r *Rule) { r.Require = mustRequire(t, "valid-user") },
		"nobody":          func(r *Rule) { r.Require = mustRequire(t, "all denied") },
	} {
		s := mustSuggest(t, route, func(p *Policy, r *rule) (Rule, error) {
			said, err := p.byAction(r)
			if said.Name == "team" {
				spoil(&said)
			}
			return said, err
		})
		if s.Rules[0].Changed {
			t.Errorf("%s: %q", what, s.inWords())
		}
	}
	s := mustSuggest(t, route, func(p *Policy, r *rule) (Rule, error) {
		said, err := p.byAction(r)
		said.ImmutableTags = nil
		return said, err
	})
	if s.Rules[1].Changed {
		t.Errorf("immutable tags are lost: %q", s.inWords())
	}
}

// What is closed or opened beside the specification is told, each kind once.
func TestSuggestionTellsWhatElseDiffers(t *testing.T) {
	s := mustSuggest(t, Route{Path: "/v2/", Rules: []Rule{
		{Name: "read", Methods: []string{"GET"}, Paths: []string{"/v2/**"}, Require: mustRequire(t, "valid-user")},
		{Name: "write", Require: mustRequire(t, "group pusher")},
	}}, (*Policy).byAction)
	var kinds []string
	for _, d := range s.Differences {
		kinds = append(kinds, d.Kind)
		p := mustPolicy(t, Route{Path: "/v2/", Rules: []Rule{{Name: "x", Require: mustRequire(t, "valid-user")}}})
		if e := oci.Parse(p.registry, d.request.Path); d.Kind == uploadSteps && e.Kind != oci.Upload {
			t.Errorf("%s is no step of an upload", d)
		}
		if !strings.Contains(d.String(), "allowed by rule") || strings.Contains(d.String(), "then allowed") && d.Kind != uploadSteps {
			t.Errorf("%s", d)
		}
	}
	slices.Sort(kinds)
	if want := []string{otherMethods, otherPaths, uploadSteps, extensionPaths}; len(kinds) != len(want) || len(slices.Compact(kinds)) != len(want) {
		t.Errorf("got %q, want each of %q once", kinds, want)
	}
}
