package backend

import (
	"context"
	"errors"
)

// An Extended is a Backend with every ability that whoever asks it may need. A
// decorator embeds the one that it wraps, and so passes on all that it does not do
// itself, and every ability that is added here.
//
// [Guarded], [Prober], [Examiner], [Explainer], [Surveyor] and [NamesakeFinder] stay
// apart: they are for the few who must know whether there is such an ability.
type Extended interface {
	Backend
	Versioner
	Canonicalizer
	Composite
	Resolver
	Revalidator
	Confirmer
	Follower
	Throttler
	Reporter
	Namesaker
}

// inner is what a decorator embeds, so that nobody outside reaches it.
type inner = Extended

// Extend returns b with all abilities. One that b has not does the least: its version
// is always 0, names are spelled as they are typed, the [Resolver] and the
// [Revalidator] fail with [errors.ErrUnsupported], no user is followed, any number of
// logins may fail, the [Status] is the zero value, and no groups share a name.
func Extend(b Backend) Extended {
	if e, ok := b.(Extended); ok {
		return e
	}
	e := extension{
		Backend:       b,
		Versioner:     ability[Versioner](b, unable{}),
		Canonicalizer: ability[Canonicalizer](b, unable{}),
		Resolver:      ability[Resolver](b, unable{}),
		Revalidator:   ability[Revalidator](b, unable{}),
		Follower:      ability[Follower](b, unable{}),
		Throttler:     ability[Throttler](b, unable{}),
		Reporter:      ability[Reporter](b, unable{}),
		Namesaker:     ability[Namesaker](b, unable{}),
	}
	e.Confirmer = ability[Confirmer](b, uncached{e.Revalidator})
	e.Composite = ability[Composite](b, uniform{e.Canonicalizer})
	return e
}

// ability returns that of b, or else the other one.
func ability[A any](b Backend, or A) A {
	if a, ok := b.(A); ok {
		return a
	}
	return or
}

// extension is a Backend and the abilities that Extend found or added.
type extension struct {
	Backend
	Versioner
	Canonicalizer
	Composite
	Resolver
	Revalidator
	Confirmer
	Follower
	Throttler
	Reporter
	Namesaker
}

// unable has the abilities of a Backend that has none.
type unable struct{}

func (unable) Version(string) uint64             { return 0 }
func (unable) CanonicalUser(name string) string  { return name }
func (unable) CanonicalGroup(name string) string { return name }
func (unable) Status() Status                    { return Status{} }
func (unable) Namesakes(_, _ string) []string    { return nil }
func (unable) Follows(Identity) bool             { return false }

func (unable) Fail(_ context.Context, refusal error) error { return refusal }

func (unable) Resolve(context.Context, string) (Identity, error) {
	return Identity{}, errors.ErrUnsupported
}

func (unable) Revalidate(context.Context, Identity) (Identity, error) {
	return Identity{}, errors.ErrUnsupported
}

// uniform spells the names of all users in the same way.
type uniform struct{ Canonicalizer }

func (u uniform) Spelling(string) Canonicalizer { return u.Canonicalizer }
