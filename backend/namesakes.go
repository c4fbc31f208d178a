package backend

import "context"

// A Namesaker has groups with short names, of which those that several groups share
// count for none of them.
type Namesaker interface {
	// Namesakes returns the groups that share a name among users whose
	// Identity.Source is source, as rules may name each of them, and none where one
	// group alone has the name or nobody has found out. It is cheap, and asks nobody.
	Namesakes(source, name string) []string
}

// A NamesakeFinder is a [Namesaker] that can find out.
type NamesakeFinder interface {
	Namesaker

	// FindNamesakes finds out which of some names of groups are shared.
	FindNamesakes(ctx context.Context, names []string) error
}

// NamesakesOf returns the groups that share a name, none where b is no [Namesaker].
func NamesakesOf(b Backend, source, name string) []string {
	if n, ok := b.(Namesaker); ok {
		return n.Namesakes(source, name)
	}
	return nil
}
