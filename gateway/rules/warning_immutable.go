package rules

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"gatehouse/gateway/oci"
)

// maxKeptTried bounds the requests by which is looked for rules that change immutable tags,
// of all rules of a route together.
const maxKeptTried = 20_000

// unkept warns of other rules by which the people of the rule at index i may change the tags
// that it says are immutable: the list of the rule that decides counts. It takes the
// requests that it tries off left.
func (p *Policy) unkept(i int, repositories []string, left *int) []string {
	r := &p.rules[i]
	tag, ok := r.immutable.sample()
	if !ok || p.registry == "" {
		return nil
	}
	said := map[string]bool{}
	var texts []string
	for _, repository := range repositories {
		for _, who := range p.peopleOf(r) {
			for _, change := range changesOf(repository, tag) {
				if *left--; *left < 0 {
					return texts
				}
				other := p.changes(r, change.method, change.endpoint, &who)
				if other == nil || said[other.Name+change.what] {
					continue
				}
				said[other.Name+change.what] = true
				texts = append(texts, unkeptText(r, other, change))
			}
		}
	}
	return texts
}

// tagEdit is a request that makes a tag lead elsewhere, or nowhere.
type tagEdit struct {
	method, what string
	endpoint     oci.Endpoint
}

const (
	overwrites       = "push to"
	deletesTags      = "delete"
	deletesByDigests = "delete by digest"
)

func changesOf(repository, tag string) []tagEdit {
	named := oci.Endpoint{Kind: oci.Manifest, Repository: repository, Reference: tag}
	digest := named
	digest.Reference = sampleDigest
	return []tagEdit{{http.MethodPut, overwrites, named}, {http.MethodDelete, deletesTags, named}, {http.MethodDelete, deletesByDigests, digest}}
}

// changes returns the rule other than r that lets who, whom r lets in, make such a change,
// nil if there is none.
func (p *Policy) changes(r *rule, method string, e oci.Endpoint, who *Subject) *rule {
	for _, source := range r.sources() {
		q := p.read(Request{Method: method, Path: e.Path(p.registry), Source: source})
		if r.require.eval(q.Request, *who) != Allowed || r.coversRepositoryOf(&q, who) != Allowed {
			continue
		}
		other, verdict := p.judge(&q, who)
		if verdict == Allowed && other != r && other != nil && !p.IsImmutable(other.Name, e.Tag()) {
			return other
		}
	}
	return nil
}

// coversRepositoryOf says whether r is about the repository of q, whatever is done there.
func (r *rule) coversRepositoryOf(q *question, who *Subject) Verdict {
	if r.actions == 0 {
		return verdictOf(r.coversPath(q.Path))
	}
	return r.coversRepository(q.at.Repository, who)
}

// keptNames returns, by the index of each rule that has immutable tags, names of
// repositories that it may be about: one of each pattern of any rule, which may be more exact
// than its own.
func (p *Policy) keptNames() map[int][]string {
	if !slices.ContainsFunc(p.rules, func(r rule) bool { return r.immutable != nil }) {
		return nil
	}
	kept, seen := map[int][]string{}, map[string]bool{}
	add := func(name string) {
		if seen[name] || !oci.IsRepository(name) {
			return
		}
		seen[name] = true
		q := p.read(Request{Method: http.MethodPut, Path: oci.Endpoint{Kind: oci.Manifest, Repository: name, Reference: "x"}.Path(p.registry)})
		for _, i := range p.index.find(&q, nil) {
			if p.rules[i].immutable != nil {
				kept[i] = append(kept[i], name)
			}
		}
	}
	add("any-name")
	for i := range p.route.Rules {
		for _, q := range p.repositoriesOf(&p.rules[i]) {
			add(sampleRepository(q))
		}
	}
	return kept
}

// sampleRepository returns the name of a repository that q describes, where it is one. A
// template stands for somebody.
func sampleRepository(q Pattern) string {
	sample := slices.Clone(q)
	for i, segment := range sample {
		switch segment {
		case oneSegment, anySegments, groupSegment:
			sample[i] = "any-name"
		case userSegment:
			sample[i] = sampleUser
		}
	}
	return strings.Join(sample, "/")
}

// sampleUser is the name of somebody whom no rule names.
const sampleUser = "somebody"

// peopleOf returns some of the people whom r may let in: those that it names, or somebody.
func (p *Policy) peopleOf(r *rule) []Subject {
	var list []Subject
	leaves(r.require, func(leaf Requirement) {
		if named, ok := leaf.(principal); ok {
			list = append(list, p.called(named)...)
		}
	})
	for _, source := range p.sources() {
		list = append(list, person(source, sampleUser))
	}
	return append(list, Subject{})
}

// sample returns a tag that is kept.
func (p tagPatterns) sample() (tag string, ok bool) {
	for i := range p {
		for _, filling := range []string{"1", "", "x"} {
			if tag = strings.Join(p[i].parts, filling); oci.IsTag(tag) && p.match(tag) {
				return tag, true
			}
		}
	}
	return "", false
}

func unkeptText(r, other *rule, change tagEdit) string {
	repository := change.endpoint.Repository
	if change.what == deletesByDigests {
		return fmt.Sprintf("%s lets %s delete images of %s by digest, with all tags that lead to them, which immutable_tags does not keep: let others delete there", other.label(), r.wants, repository)
	}
	return fmt.Sprintf("%s lets %s %s tags that immutable_tags keeps in this rule alone, such as %s of %s: give that rule the same immutable_tags, or have them in the route", other.label(), r.wants, change.what, change.endpoint.Reference, repository)
}
