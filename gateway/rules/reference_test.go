package rules

import (
	"math/rand/v2"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gatehouse/backend"
)

// The reference evaluator reads the configuration itself, on every request: no
// parser, no tree, no patterns. Instead of three truth values it keeps the two
// questions of which they are made: must the condition hold, and can it hold?

type refRule struct {
	name                  string
	methods, paths        []string
	regexps               []*regexp.Regexp // of paths
	repositories, actions []string
	require               []any
}

var refBuiltin = refRule{
	name:    BuiltinRule,
	methods: []string{"GET"},
	paths:   []string{"/v2"},
	regexps: []*regexp.Regexp{patternRegexp("/v2")},
	require: []any{"valid-user"},
}

func refDecide(rules []refRule, req Request, who Subject) (Verdict, string) {
	passed := ""
	places := slices.ContainsFunc(rules, func(r refRule) bool { return r.paths != nil || r.repositories != nil || r.actions != nil })
	for _, r := range append(slices.Clone(rules), refBuiltin) {
		surely, maybe := r.isAbout(req, who, places)
		must, can := refAny(r.require, req, who)
		switch {
		case surely && passed != "" && !can:
			return NeedsLogin, passed
		case surely:
			return refVerdict(must, can, who), r.name
		case maybe && who.LoggedIn:
			return NeedsGroups, r.name
		case maybe && can && passed == "":
			passed = r.name
		}
	}
	if passed != "" {
		return NeedsLogin, passed
	}
	return refVerdict(false, !who.LoggedIn, who), ""
}

// refRequests are the requests of the OCI specification, by what they do.
var refRequests = []struct {
	action  string
	methods string
	path    *regexp.Regexp
}{
	{"login", "GET HEAD", regexp.MustCompile(`\A/v2/?()\z`)},
	{"catalog", "GET HEAD", regexp.MustCompile(`\A/v2/_catalog/?()\z`)},
	{"push", "POST", regexp.MustCompile(refName + `/blobs/uploads/?\z`)},
	{"push", "GET HEAD PATCH PUT DELETE", regexp.MustCompile(refName + `/blobs/uploads/[^/]+/?\z`)},
	{"pull", "GET HEAD", regexp.MustCompile(refName + `/(?:manifests/[^/]+|tags/list|referrers/[^/]+)/?\z`)},
	{"push", "PUT", regexp.MustCompile(refName + `/manifests/[^/]+/?\z`)},
	{"pull", "GET HEAD", regexp.MustCompile(refName + `/blobs/(?:[^u/]|u[^p/])[^/]*/?\z`)},
	{"delete", "DELETE", regexp.MustCompile(refName + `/(?:manifests/[^/]+|blobs/(?:[^u/]|u[^p/])[^/]*)/?\z`)},
}

const refName = `\A/v2/([a-z0-9]+(?:/[a-z0-9]+)*)`

// refExtension are paths of extensions, and refBelow those of the registry.
var (
	refExtension = regexp.MustCompile(`\A/v2/(?:([a-z0-9]+(?:/[a-z0-9]+)*)/_x/|_x(?:/|\z))`)
	refBelow     = regexp.MustCompile(`\A/v2(?:/|\z)`)
)

// refUnderscore are paths that are an extension or look like one.
var refUnderscore = regexp.MustCompile(`\A/v2/(?:.*/)?_`)

// refAction returns what req does, and whether the specification has its path.
func refAction(req Request) (action, repository string, specified bool) {
	for _, r := range refRequests {
		if m := r.path.FindStringSubmatch(req.Path); m != nil {
			specified = true
			if slices.Contains(strings.Fields(r.methods), req.Method) {
				return r.action, m[1], true
			}
		}
	}
	if m := refExtension.FindStringSubmatch(req.Path); m != nil && !specified {
		return "extension", m[1], false
	}
	return "", "", specified
}

// isAbout answers two questions: is the rule about req whatever becomes known of who, and
// may it be?
func (r refRule) isAbout(req Request, who Subject, places bool) (surely, maybe bool) {
	action, repository, specified := refAction(req)
	if r.repositories == nil && r.actions == nil {
		about := r.methods == nil || slices.Contains(r.methods, req.Method) || req.Method == "HEAD" && slices.Contains(r.methods, "GET")
		located := r.paths == nil && (specified || !refBelow.MatchString(req.Path) || !places && !refUnderscore.MatchString(req.Path)) ||
			slices.ContainsFunc(r.regexps, func(e *regexp.Regexp) bool { return e.MatchString(req.Path) })
		return about && located, about && located
	}
	actions := r.actions
	if actions == nil {
		actions = []string{"pull", "push", "delete"}
	}
	if !slices.Contains(actions, action) || repository == "" && r.repositories != nil {
		return false, false
	}
	surely, maybe = r.repositories == nil, r.repositories == nil
	for _, text := range r.repositories {
		surely = surely || refRepository(text, refKnown(who), "/"+repository)
		maybe = maybe || refRepository(text, refPossible(who), "/"+repository)
	}
	return surely, maybe
}

// refKnown and refPossible are what {user} and {group} surely stand for, and may.
func refKnown(who Subject) map[string]string {
	known := map[string]string{"{user}": "NOBODY", "{group}": "NOBODY"}
	if who.LoggedIn {
		known["{user}"] = regexp.QuoteMeta(who.Identity.User)
	}
	if who.LoggedIn && len(who.Groups) > 0 {
		known["{group}"] = "(?:" + strings.Join(who.Groups, "|") + ")"
	}
	return known
}

func refPossible(who Subject) map[string]string {
	possible := refKnown(who)
	if !who.LoggedIn {
		possible["{user}"] = "[^/]+"
	}
	if !who.LoggedIn || !who.GroupsKnown {
		possible["{group}"] = "[^/]+"
	}
	return possible
}

var refRegexps = map[string]*regexp.Regexp{}

func refRepository(text string, values map[string]string, repository string) bool {
	pattern := patternRegexp("/" + text).String()
	for template, value := range values {
		pattern = strings.ReplaceAll(pattern, regexp.QuoteMeta(template), value)
	}
	if refRegexps[pattern] == nil {
		refRegexps[pattern] = regexp.MustCompile(pattern)
	}
	return refRegexps[pattern].MatchString(repository)
}

func refVerdict(must, can bool, who Subject) Verdict {
	switch {
	case must:
		return Allowed
	case !can:
		return Denied
	case !who.LoggedIn:
		return NeedsLogin
	}
	return NeedsGroups
}

func refAny(items []any, req Request, who Subject) (must, can bool) {
	for _, item := range items {
		m, c := refItem(item, req, who)
		must, can = must || m, can || c
	}
	return must, can
}

func refItem(item any, req Request, who Subject) (must, can bool) {
	if table, ok := item.(map[string]any); ok {
		if list, ok := table["any"]; ok {
			return refAny(list.([]any), req, who)
		}
		if list, ok := table["none"]; ok {
			m, c := refAny(list.([]any), req, who)
			return !c, !m
		}
		must, can = true, true
		for _, item := range table["all"].([]any) {
			m, c := refItem(item, req, who)
			must, can = must && m, can && c
		}
		return must, can
	}
	words := strings.Fields(item.(string))
	if words[0] == "not" {
		m, c := refItem(strings.Join(words[1:], " "), req, who)
		return !c, !m
	}
	for _, arg := range append(words[1:], "")[:max(1, len(words)-1)] {
		m, c := refFact(words[0], arg, req, who)
		must, can = must || m, can || c
	}
	return must, can
}

func refFact(kind, arg string, req Request, who Subject) (must, can bool) {
	source, name, qualified := strings.Cut(arg, ":")
	if !qualified {
		name = arg
	}
	switch kind {
	case "all":
		return arg == "granted", arg == "granted"
	case "ip":
		in := netip.MustParsePrefix(arg).Contains(req.Source)
		return in, in
	}
	if !who.LoggedIn {
		return false, true
	}
	elsewhere := qualified && source != who.Identity.Source
	switch {
	case kind == "valid-user":
		return true, true
	case elsewhere:
		return false, false
	case kind == "user":
		return name == who.Identity.User, name == who.Identity.User
	case !who.GroupsKnown:
		return false, true
	}
	return slices.Contains(who.Groups, name), slices.Contains(who.Groups, name)
}

// generator makes random rules, requests and subjects out of few parts, so that
// they often have to do with each other.
type generator struct{ *rand.Rand }

func pick[T any](g generator, from ...T) T { return from[g.IntN(len(from))] }

func (g generator) leaf() string {
	name := func() string { return pick(g, "", "", "corp:", "local:") + pick(g, "a", "b", "c") }
	switch g.IntN(8) {
	case 0:
		return "valid-user"
	case 1:
		return pick(g, "all granted", "all denied")
	case 2:
		return "ip " + pick(g, "10.0.0.0/8", "10.1.0.0/16", "192.0.2.1/32 10.2.0.0/16")
	case 3:
		return "user " + name() + " " + name()
	case 4, 5:
		return "user " + name()
	}
	return "group " + name()
}

func (g generator) positive(depth int) any {
	if depth > 0 && g.IntN(3) == 0 {
		if g.IntN(2) == 0 {
			return either(g.positives(depth - 1)...)
		}
		list := g.positives(depth - 1)
		if g.IntN(2) == 0 {
			list = append(list, "not "+pick(g, "user a", "group b c", "ip 10.1.0.0/16", "user corp:b"))
		}
		if g.IntN(2) == 0 {
			list = slices.Insert(list, g.IntN(len(list)), any(none(g.positives(depth-1)...)))
		}
		return all(list...)
	}
	return g.leaf()
}

func (g generator) positives(depth int) []any {
	list := make([]any, 1+g.IntN(3))
	for i := range list {
		list[i] = g.positive(depth)
	}
	return list
}

func (g generator) segments(from ...string) string {
	var b strings.Builder
	for range g.IntN(5) {
		b.WriteString("/" + pick(g, from...))
	}
	return b.String() + pick(g, "", "/")
}

func (g generator) pattern() string {
	return "/" + strings.TrimPrefix(g.segments("v2", "v2", "x", "*", "**"), "/")
}

func (g generator) path() string {
	if g.IntN(2) == 0 {
		return "/" + strings.TrimPrefix(pick(g, "", "/v2")+g.segments("v2", "x", "y"), "/")
	}
	return "/v2" + strings.TrimSuffix(g.segments("a", "b", "x", "y", "Y"), "/") +
		pick(g, "/manifests/1", "/manifests/1", "/blobs/sha256:aa", "/blobs/uploads/", "/blobs/uploads/7", "/tags/list", "/referrers/sha256:aa", "/_x/y", "/_x", "/_catalog", "/a", "")
}

func (g generator) repository() string {
	list := make([]string, 1+g.IntN(3))
	for i := range list {
		list[i] = pick(g, "a", "b", "x", "y", "*", "**", "{user}", "{user}", "{group}")
		if i > 0 && list[i] == "{group}" {
			list[i] = "**"
		}
	}
	return strings.Join(list, "/")
}

func (g generator) rules() []refRule {
	rules := make([]refRule, 1+g.IntN(4))
	for i := range rules {
		rules[i] = refRule{name: string(rune('a' + i)), require: g.positives(3)}
		if g.IntN(2) == 0 {
			g.byAction(&rules[i])
			continue
		}
		if g.IntN(2) == 0 {
			rules[i].methods = []string{pick(g, knownMethods[:]...), pick(g, knownMethods[:]...)}
		}
		if g.IntN(2) == 0 {
			p, q := g.pattern(), g.pattern()
			rules[i].paths = []string{p, q}
			rules[i].regexps = []*regexp.Regexp{patternRegexp(p), patternRegexp(q)}
		}
	}
	return rules
}

func (g generator) byAction(r *refRule) {
	if g.IntN(4) > 0 {
		r.repositories = []string{g.repository(), g.repository()}
	}
	if r.repositories == nil || g.IntN(2) == 0 {
		r.actions = []string{pick(g, "pull", "push", "delete", "extension"), pick(g, "pull", "push", "delete")}
	}
	if r.repositories == nil && g.IntN(2) == 0 {
		r.actions = append(r.actions, "catalog")
	}
}

func (g generator) request() Request {
	return Request{
		Method: pick(g, knownMethods[:]...),
		Path:   g.path(),
		Source: netip.MustParseAddr(pick(g, "10.0.0.1", "10.1.0.1", "10.2.0.1", "192.0.2.1", "198.51.100.1")),
	}
}

func (g generator) user() Subject {
	who := Subject{LoggedIn: true, GroupsKnown: true}
	who.Identity = backend.Identity{User: pick(g, "a", "b", "c", "A@x"), Source: pick(g, "corp", "local", "")}
	for _, group := range []string{"a", "b", "c"} {
		if g.IntN(2) == 0 {
			who.Groups = append(who.Groups, group)
		}
	}
	return who
}

// less returns what is known of who at an earlier moment.
func (g generator) less(who Subject) Subject {
	switch g.IntN(3) {
	case 0:
		return Subject{}
	case 1:
		return Subject{LoggedIn: true, Identity: who.Identity}
	}
	return who
}

func compile(t *testing.T, rules []refRule) *Policy {
	t.Helper()
	route := Route{Path: "/", Backends: []string{"corp", "local"}}
	for _, r := range rules {
		route.Rules = append(route.Rules, Rule{Name: r.name, Methods: r.methods, Paths: r.paths, Repositories: r.repositories, Actions: r.actions, Require: mustRequire(t, r.require...)})
	}
	return mustPolicy(t, route)
}

func TestDecideAgreesWithReferenceEvaluator(t *testing.T) {
	g := generator{rand.New(rand.NewPCG(1, 2))}
	seen := make(map[Verdict]int)
	for range 500 {
		rules := g.rules()
		p := compile(t, rules)
		for range 100 {
			req, who := g.request(), g.less(g.user())
			if action, _, _ := refAction(req); action == "login" {
				continue // which has a test of its own
			}
			got := p.Decide(req, who, nil)
			verdict, name := refDecide(rules, req, who)
			if got.Verdict != verdict || got.Rule != name {
				t.Fatalf("%+v by %+v under %+v:\ngot  %v by rule %q\nwant %v by rule %q", req, who, rules, got.Verdict, got.Rule, verdict, name)
			}
			seen[verdict]++
		}
	}
	for _, v := range []Verdict{Denied, NeedsLogin, NeedsGroups, Allowed} {
		if seen[v] < 500 {
			t.Errorf("only %d cases were %v: the generator tests too little", seen[v], v)
		}
	}
}

// What is decided before everything is known stays so when more is. A stranger alone may
// pass a template by, and comes to what is left for strangers.
func TestMoreKnowledgeChangesNoDecision(t *testing.T) {
	g := generator{rand.New(rand.NewPCG(3, 4))}
	for range 300 {
		rules := g.rules()
		p := compile(t, rules)
		for range 100 {
			req, who := g.request(), g.user()
			known := g.less(who)
			before, after := p.Decide(req, known, nil).Verdict, p.Decide(req, who, nil).Verdict
			if after != Allowed && after != Denied {
				t.Fatalf("%+v by %+v, of whom all is known: %v", req, who, after)
			}
			passes := before == Allowed && !known.LoggedIn && slices.ContainsFunc(p.rules, func(r rule) bool { return r.templates })
			if (before == Allowed || before == Denied) && before != after && !passes {
				t.Fatalf("%+v by %+v under %+v: %v, and %v when all is known", req, who, rules, before, after)
			}
		}
	}
}

// Whoever can pull anything, and has to log in for it, is asked for a login at the root
// of the registry and passes there.
func TestWhoeverCanPullCanLogIn(t *testing.T) {
	g := generator{rand.New(rand.NewPCG(9, 10))}
	asked, refused := 0, 0
	for range 300 {
		rules := g.rules()
		p := compile(t, rules)
		for range 20 {
			pull, who := g.request(), g.user()
			pull.Method, pull.Path = "GET", "/v2/"+pick(g, "a", "b", "x/a", "y/b/a")+"/manifests/1"
			if verdict, _ := refDecide(rules, pull, who); verdict != Allowed {
				continue
			}
			login := Request{Method: "GET", Path: "/v2/", Source: pull.Source}
			if stranger, _ := refDecide(rules, pull, Subject{}); stranger == Allowed {
				continue // and needs no login
			}
			asked++
			if got := p.Decide(login, who, nil); got.Verdict != Allowed {
				t.Fatalf("%+v by %+v under %+v passes, and the login is %+v", pull, who, rules, got)
			}
			if got := p.Decide(login, Subject{}, nil); got.Verdict != NeedsLogin {
				t.Fatalf("%+v by %+v under %+v needs a login, and at the root a stranger is %+v", pull, who, rules, got)
			}
		}
		if p.Decide(Request{Method: "GET", Path: "/v2/", Source: loopback}, Subject{}, nil).Verdict == Denied {
			refused++
		}
	}
	if asked < 300 || refused < 3 {
		t.Errorf("%d logins were asked for and %d refused: the generator tests too little", asked, refused)
	}
}

func TestCoveringPatternMatchesAllThatTheCoveredDoes(t *testing.T) {
	g := generator{rand.New(rand.NewPCG(5, 6))}
	covered := 0
	for range 20000 {
		p, q := mustPattern(t, g.pattern()), mustPattern(t, g.pattern())
		if !p.covers(q) {
			continue
		}
		covered++
		for range 20 {
			if path := g.path(); q.match(path) && !p.match(path) {
				t.Fatalf("%s covers %s, but %s matches only the second", p, q, path)
			}
		}
	}
	if covered < 1000 {
		t.Errorf("only %d pairs cover each other: the generator tests too little", covered)
	}
}
