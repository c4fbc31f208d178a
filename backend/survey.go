package backend

import (
	"context"

	"gatehouse/backend/fault"
)

// A Surveyor can say what its source has of that on which logins and groups depend, and
// what of the configuration has no place there.
type Surveyor interface {
	// Expect says which groups rules name, beside those that it was told of before. It
	// asks no server. Groups of a user are not taken for all of them before it is known
	// that the source can say who is in these.
	Expect(groups []string)

	// Survey asks the source, about the groups that rules name, too, which from then on
	// are all of them. What it returns with an error is what could be found out.
	Survey(ctx context.Context, groups []string) ([]Remark, error)
}

// A Remark is one thing that a [Surveyor] found.
type Remark struct {
	Subject string     // what it is about, in a word or two
	Text    string     // what was found
	Advice  string     // what to do about it; empty if nothing
	Code    fault.Code // of what is wrong; empty where nothing is
}
