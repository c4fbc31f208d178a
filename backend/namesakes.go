package backend

import "context"

// A Namesaker has groups with short names. A name that several groups share counts for
// none of them.
type Namesaker interface {
	// Namesakes returns the groups that share a name among users whose
	// Identity.Source is source, each as a rule may name it alone. There are none
	// where one group alone has the name, or where that has not been found out yet.
	// It is cheap, and asks no server.
	Namesakes(source, name string) []string
}

// A NamesakeFinder is a [Namesaker] that can ask which names are shared.
type NamesakeFinder interface {
	Namesaker

	// FindNamesakes finds out which of some names of groups are shared.
	FindNamesakes(ctx context.Context, names []string) error
}
