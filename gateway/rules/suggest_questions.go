package rules

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"

	"gatehouse/backend"
)

// asker makes up requests that rules may tell apart: about what some rule names, and
// what is near to it, by people whom some rule names, and others. The same rules are asked
// the same each time.
type asker struct {
	policy  *Policy
	rules   []rule // of the route
	random  *rand.Rand
	words   []string // segments of names and paths
	tags    []string
	people  []Subject
	sources []netip.Addr // none where no rule asks for them
}

const sampleDigest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func newAsker(p *Policy) *asker {
	a := &asker{policy: p, rules: p.rules[:len(p.route.Rules)], random: rand.New(rand.NewPCG(1, 2))}
	a.words = slices.Concat(endpointWords, []string{"app", "other", "_catalog", "_ext", "token", "v2"})
	a.tags = []string{"latest", "v1", sampleDigest}
	a.people = []Subject{{}, person("", sampleUser), {LoggedIn: true, Identity: backend.Identity{User: sampleUser, Source: p.sources()[0]}}}
	for i := range a.rules {
		a.learn(&a.rules[i])
	}
	a.learnTags(p.tags)
	for _, source := range p.sources() {
		a.people = append(a.people, person(source, sampleUser))
	}
	a.people = append(a.people, a.withTokens()...)
	return a
}

// person returns somebody of a backend, who is in these groups and no others.
func person(source, user string, groups ...string) Subject {
	return Subject{LoggedIn: true, Identity: backend.Identity{User: user, Source: source}, GroupsKnown: true, Groups: groups}
}

// called returns people whom a name in a rule is about.
func (p *Policy) called(name principal) []Subject {
	var list []Subject
	for _, source := range p.sources() {
		if name.source != "" && name.source != source {
			continue
		}
		if as := name.spelledBy(source); name.kind == groupKind {
			list = append(list, person(source, "member", as), person(source, "member", as, "app"))
		} else {
			list = append(list, person(source, as), person(source, as, "other"))
		}
	}
	return list
}

// withTokens returns the people once more as they log in without a password, if some rule asks
// how they do.
func (a *asker) withTokens() (list []Subject) {
	asked := false
	for i := range a.rules {
		leaves(a.rules[i].require, func(leaf Requirement) {
			_, isWay := leaf.(Way)
			asked = asked || isWay
		})
	}
	for _, who := range a.people {
		for _, who.Via = range Ways[1:] {
			if asked && who.LoggedIn {
				list = append(list, who)
			}
		}
	}
	return list
}

// learn takes from r what it names.
func (a *asker) learn(r *rule) {
	for _, q := range slices.Concat(r.paths, r.repositories) {
		for _, segment := range q {
			if segment != oneSegment && segment != anySegments && segment != userSegment && segment != groupSegment && !slices.Contains(a.words, segment) {
				a.words = append(a.words, segment)
			}
		}
	}
	a.learnTags(r.immutable)
	leaves(r.require, func(leaf Requirement) {
		a.people = append(a.people, a.peopleOf(leaf)...)
		switch leaf := leaf.(type) {
		case network:
			a.sources = append(a.sources, leaf.Addr(), netip.IPv6Unspecified(), netip.IPv4Unspecified())
		case principal: // which a template can stand for
			if isSegment(leaf.name) {
				a.words = append(a.words, leaf.name)
			}
		}
	})
}

func (a *asker) learnTags(patterns tagPatterns) {
	for _, p := range patterns {
		a.tags = append(a.tags, strings.Join(p.parts, "1"))
	}
}

// peopleOf returns people whom a condition of a rule is about.
func (a *asker) peopleOf(leaf Requirement) []Subject {
	switch p := leaf.(type) {
	case voucher:
		return []Subject{person(p.name, sampleUser)}
	case principal:
		return a.policy.called(p)
	}
	return nil
}

func draw[T any](a *asker, list []T) (none T) {
	if len(list) == 0 {
		return none
	}
	return list[a.random.IntN(len(list))]
}

// next makes up the nth request. Each rule is the subject of as many as any other.
func (a *asker) next(n int) (Request, Subject) {
	r := &a.rules[n%len(a.rules)]
	who := a.who(r)
	return Request{Method: a.method(r), Path: a.path(r, &who), Source: draw(a, a.sources)}, who
}

// who returns somebody whom r names, or anybody.
func (a *asker) who(r *rule) Subject {
	var named []Subject
	if a.random.IntN(2) == 0 {
		leaves(r.require, func(leaf Requirement) {
			if _, ok := leaf.(principal); ok {
				named = append(named, a.peopleOf(leaf)...)
			}
		})
	}
	if len(named) == 0 {
		return draw(a, a.people)
	}
	return draw(a, named)
}

// method returns one of r, or any.
func (a *asker) method(r *rule) string {
	for range 4 {
		if method := draw(a, knownMethods[:]); r.actions != 0 || r.coversMethod(methodBit(method)) {
			return method
		}
	}
	return draw(a, knownMethods[:])
}

// path returns a path that r may be about, or one near to it.
func (a *asker) path(r *rule, who *Subject) string {
	root, q := a.pattern(r)
	name := a.fill(q, who)
	switch a.random.IntN(12) {
	case 0, 6:
		return root + strings.Join(name, "/")
	case 1:
		return a.policy.registry
	case 2:
		return a.policy.registry + "_catalog"
	case 3:
		name = name[:max(0, len(name)-1)]
	case 4:
		name = append(name, draw(a, a.words))
	case 5:
		name = a.fill(Pattern{anySegments}, who)
	}
	return root + a.endpoint(strings.Join(name, "/"))
}

// pattern returns a pattern of r, and the path that stands before it. One of paths below
// the root of the registry stands for repositories too.
func (a *asker) pattern(r *rule) (root string, q Pattern) {
	switch {
	case len(r.repositories) > 0:
		return a.policy.registry, draw(a, r.repositories)
	case len(r.paths) > 0:
		q = draw(a, r.paths)
	default:
		q = append(a.policy.prefix(), anySegments)
	}
	if rest, ok := a.policy.belowRoot(q); ok {
		return a.policy.registry, rest
	}
	if a.random.IntN(2) == 0 {
		return a.policy.registry, Pattern{anySegments}
	}
	return "/", q
}

// fill puts segments in place of wildcards and templates.
func (a *asker) fill(q Pattern, who *Subject) []string {
	var list []string
	for _, segment := range q {
		switch segment {
		case oneSegment:
			list = append(list, draw(a, a.words))
		case anySegments:
			for range a.random.IntN(3) {
				list = append(list, draw(a, a.words))
			}
		case userSegment, groupSegment:
			list = append(list, draw(a, append(slices.Clone(who.Groups), who.Identity.User, draw(a, a.words))))
		default:
			list = append(list, segment)
		}
	}
	return slices.DeleteFunc(list, func(s string) bool { return s == "" || strings.Contains(s, "/") })
}

// endpoint returns the path of something of a repository. Without a name it is one of the
// repository app.
func (a *asker) endpoint(name string) string {
	if name == "" {
		name = "app"
	}
	word := draw(a, a.words)
	return draw(a, []string{
		name + "/manifests/" + draw(a, a.tags), name + "/manifests/" + word, name + "/blobs/" + sampleDigest, name + "/blobs/" + word,
		name + "/blobs/uploads/", name + "/blobs/uploads/" + word, name + "/tags/list", name + "/referrers/" + sampleDigest,
		name + "/_ext/" + word, name, name + "/" + word,
	})
}
