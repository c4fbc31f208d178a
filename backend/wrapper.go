package backend

import "context"

// A wrapper passes on everything that a Backend can do but log somebody in, which
// is what a decorator is about. Whoever embeds it has its methods, and those of an
// ability that is added to them, until it has a method of the same name.
type wrapper struct{ inner Backend }

var (
	_ Versioner     = wrapper{}
	_ Canonicalizer = wrapper{}
	_ Composite     = wrapper{}
	_ Resolver      = wrapper{}
	_ Revalidator   = wrapper{}
	_ Reporter      = wrapper{}
	_ Namesaker     = wrapper{}
)

// Groups returns what the Backend says.
func (w wrapper) Groups(ctx context.Context, id Identity) ([]string, error) {
	return w.inner.Groups(ctx, id)
}

// Version returns the version of the Backend.
func (w wrapper) Version(user string) uint64 { return VersionOf(w.inner, user) }

// CanonicalUser returns the spelling of the Backend.
func (w wrapper) CanonicalUser(name string) string { return CanonicalUserOf(w.inner, name) }

// CanonicalGroup returns the spelling of the Backend.
func (w wrapper) CanonicalGroup(name string) string { return CanonicalGroupOf(w.inner, name) }

// Spelling returns how the Backend spells names of users of a source.
func (w wrapper) Spelling(source string) Canonicalizer { return SpellingOf(w.inner, source) }

// Resolve returns what the Backend says.
func (w wrapper) Resolve(ctx context.Context, user string) (Identity, error) {
	return ResolveBy(ctx, w.inner, user)
}

// Revalidate returns what the Backend says.
func (w wrapper) Revalidate(ctx context.Context, id Identity) (Identity, error) {
	return RevalidateBy(ctx, w.inner, id)
}

// Status returns that of the Backend.
func (w wrapper) Status() Status { return StatusOf(w.inner) }

// Namesakes returns what the Backend says.
func (w wrapper) Namesakes(source, name string) []string { return NamesakesOf(w.inner, source, name) }
