package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend"
	"gatehouse/backend/fault"
)

var _ backend.Surveyor = (*Backend)(nil)

// sampleSize is how many users are looked at to see what the account may read of users.
const sampleSize = 20

// Survey says what the directory knows of what the configuration asks for, by what users
// are told apart, whether it is seen when a password was changed, and of which groups
// the members cannot be asked for. Without an account that searches it says nothing.
func (b *Backend) Survey(ctx context.Context, groups []string) ([]backend.Remark, error) {
	if b.asUser() {
		return nil, nil
	}
	remarks := b.surveySchema(ctx)
	sample, err := b.sample(ctx)
	if err != nil {
		return remarks, err
	}
	remarks = append(remarks, b.surveyAnchors(sample), b.surveyChanges(sample))
	blind, err := b.surveyMembers(ctx, groups)
	return append(remarks, blind...), err
}

// surveySchema says what of the configuration the schema does not have.
func (b *Backend) surveySchema(ctx context.Context) []backend.Remark {
	all := slices.Concat(b.userReferences(), b.groupReferences(), b.filterGroupReferences())
	inDoubt := slices.DeleteFunc(slices.Clone(all), func(r reference) bool { return r.isIn(everywhere) })
	remark := backend.Remark{Subject: "schema", Text: "the directory knows all attributes and object classes of the filters and keys"}
	unknown, err := b.unknown(ctx, all)
	if len(unknown) > 0 {
		err = unknownError(unknown)
	}
	known, _ := b.schema(ctx)
	switch {
	case err != nil:
		remark.Text, remark.Code = err.Error(), fault.Of(err)
		remark.Advice = remark.Code.Advice()
	case len(inDoubt) > 0 && known == nil:
		remark.Text = fmt.Sprintf("the schema of the directory cannot be read (%v), so that nobody can tell whether it knows what the filters ask for", b.schemas.lastFailure())
		remark.Advice = "let the service account read the entry that subschemaSubentry of the root entry names"
	}
	return []backend.Remark{remark}
}

func (s *schemas) lastFailure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failure
}

// sampleQuery asks for some users below a base, whoever they are.
func (b *Backend) sampleQuery(base string) query {
	q := query{base: base, scope: ldap.ScopeWholeSubtree, filter: b.filter.anyone, attributes: b.userAttributes(), limit: sampleSize, sample: true}
	if b.config.UserScope == "one" {
		q.scope = ldap.ScopeSingleLevel
	}
	return q
}

// sample returns the entries of some users.
func (b *Backend) sample(ctx context.Context) (all []*ldap.Entry, err error) {
	for _, base := range b.config.UserBases {
		found, err := b.asService(ctx, b.sampleQuery(base))
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// surveyAnchors says by what users are told apart.
func (b *Backend) surveyAnchors(sample []*ldap.Entry) backend.Remark {
	kinds := map[string]int{}
	for _, e := range sample {
		kind, _, _ := strings.Cut(b.anchorOf(e, ""), ":")
		kinds[kind]++
	}
	best := anchorDN
	for _, kind := range b.config.anchors() {
		if kinds[kind] > kinds[best] {
			best = kind
		}
	}
	remark := backend.Remark{Subject: "anchor", Text: fmt.Sprintf("users are told apart by %s, wherever their entries are moved to", best)}
	switch {
	case len(sample) == 0:
		remark.Text = "nobody is found below user_bases who matches user_filter whatever the name"
		remark.Advice = "compare user_filter and user_bases with the entry of a user, and let the service account read it"
	case kinds[anchorDN] > 0:
		remark.Text = fmt.Sprintf("of %d users %d show none of %s, and are known by their DN alone: whoever gets the DN of an account that was deleted passes for its former owner while a login of that one is remembered, and whoever is moved has to log in again",
			len(sample), kinds[anchorDN], strings.Join(b.config.anchors(), ", "))
		remark.Code = "ldap.user.known_by_dn"
		remark.Advice = remark.Code.Advice()
	}
	return remark
}

// surveyChanges says whether the account may read when passwords were changed.
func (b *Backend) surveyChanges(sample []*ldap.Entry) backend.Remark {
	seen := map[string]int{}
	var names, all []string
	for _, t := range changeTimes {
		all = append(all, t.attribute)
	}
	for _, e := range sample {
		kind, _, _ := strings.Cut(changedOf(e, ""), ":")
		if kind != "" && seen[kind] == 0 {
			names = append(names, kind)
		}
		seen[kind]++
	}
	remark := backend.Remark{Subject: "password change"}
	if len(names) == 0 {
		remark.Text = fmt.Sprintf("none of %d users shows when the password was changed (%s): an old password that is remembered counts until the new one is used, or cache.ttl is over", len(sample), strings.Join(all, ", "))
		remark.Advice = "let the service account read the attribute that the directory has, if it has one; OpenLDAP needs the overlay ppolicy, 389 Directory Server passwordTrackUpdateTime"
		return remark
	}
	remark.Text = fmt.Sprintf("%s tells when a password was changed, of %d in %d users: an old one that is remembered counts no longer than cache.revalidate", strings.Join(names, ", "), len(sample)-seen[""], len(sample))
	return remark
}

// survey reports what [Backend.Survey] says, as steps.
func (e *examination) survey(ctx context.Context) {
	q := e.sampleQuery(e.config.UserBases[0])
	remarks, err := e.Survey(ctx, slices.Concat(e.what.Groups, e.what.OptionalGroups))
	for _, remark := range remarks {
		e.step(remark.Subject, "users and groups", e.ldapsearch(q), func(f *backend.Finding) error {
			f.Advice = remark.Advice
			if remark.Code != "" && remark.Code != "ldap.user.known_by_dn" {
				return fault.With(remark.Code, errors.New(remark.Text))
			}
			f.Text = remark.Text
			return nil
		})
	}
	if err != nil {
		e.step("survey", "users and groups", e.ldapsearch(q), func(*backend.Finding) error { return err })
	}
}
