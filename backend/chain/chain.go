// Package chain checks credentials against several backends, one after the other.
//
//	[[backend]]
//	name = "everyone"
//	type = "chain"
//	member = [ { backend = "corp", on_unavailable = "next" }, { backend = "local" } ]
//	extra_groups = ["local"]
//
// # Who is asked
//
// Members are asked in order, and the first that vouches for a user is the one
// whose user that is: its name stands in Identity.Source, and it alone is asked
// again about that user. What a member answers otherwise decides whether the next
// one is asked:
//
//	unknown user      yes
//	wrong password    no, or yes with on_wrong_password = "next"
//	locked            no, or yes with on_wrong_password = "next"
//	unavailable       no, or yes with on_unavailable = "next"
//	any other error   no
//
// A member that knows the user thus has the last word by default: a later one
// must not stand in for an account that it has locked, and a guess at a password
// counts at one place only. Any other error is a fault of which nobody knows what
// it means, and so it is never passed over. A directory in which nobody may look
// users up without a password calls a user wrong whom it does not know, and belongs
// at the end.
//
// # What is answered
//
// If nobody vouches for the user, and a member was unavailable, then so is the
// chain: it cannot be a refusal that the right member might not have given.
// Otherwise the answer is that of the last member that knew the user, and unknown
// user if none did.
//
// A member that may be passed over when it is unavailable has half of the time
// that is left to answer, so that one which hangs leaves time for those after it.
//
// # Extra groups
//
// The backends named by extra_groups are asked too for the groups of a user that
// another backend vouched for, by the name of the user. They need not know the
// user otherwise: a group file may list the users of a directory. If one of them
// cannot be asked, the groups are not known, and not fewer. To rules they are
// groups of that user like any other: the name that may stand before one, as in
// corp:pusher, is that of the member which vouched for the user.
package chain

import (
	"errors"
	"fmt"
	"hash/maphash"

	"gatehouse/backend"
)

var (
	_ backend.Backend       = (*Backend)(nil)
	_ backend.Composite     = (*Backend)(nil)
	_ backend.Versioner     = (*Backend)(nil)
	_ backend.Canonicalizer = (*Backend)(nil)
	_ backend.Resolver      = (*Backend)(nil)
	_ backend.Revalidator   = (*Backend)(nil)
	_ backend.Reporter      = (*Backend)(nil)
	_ backend.Namesaker     = (*Backend)(nil)
)

// Config is what a [Backend] is made from.
type Config struct {
	// Members are the backends in the order in which they are asked. Their
	// names must differ.
	Members []Member

	// ExtraGroups are asked for the groups of users that others vouched for.
	// One that is a member too has the same name in both lists.
	ExtraGroups []Lender
}

// A Member is asked who a user is.
type Member struct {
	Name    string
	Backend backend.Backend

	// NextOnWrongPassword has the next member asked where this one says
	// that the password is wrong, or that the user may not log in.
	NextOnWrongPassword bool

	// NextOnUnavailable has the next member asked where this one cannot be.
	NextOnUnavailable bool
}

// A Lender is asked for groups of users that others know.
type Lender struct {
	Name    string
	Backend backend.Backend
}

// Backend checks credentials against the members of its [Config]. It does not
// own them: whoever made them closes them.
type Backend struct {
	members []*member
	parts   []part // members and lenders of groups, each once
	seed    maphash.Seed
}

// New returns a chain. It fails if c has no members, or names that are empty or
// stand for two things.
func New(c Config) (*Backend, error) {
	if len(c.Members) == 0 {
		return nil, errors.New("a chain needs at least one member, or nobody could log in")
	}
	b := &Backend{seed: maphash.MakeSeed()}
	for i, m := range c.Members {
		if b.member(m.Name) != nil {
			return nil, fmt.Errorf("member %q is there twice: nobody would come to the second", m.Name)
		}
		p, err := newPart(m.Name, m.Backend)
		if err != nil {
			return nil, err
		}
		b.parts = append(b.parts, p)
		b.members = append(b.members, &member{
			part:                p,
			nextOnWrongPassword: m.NextOnWrongPassword,
			nextOnUnavailable:   m.NextOnUnavailable && i < len(c.Members)-1, // or there is no next
		})
	}
	for i, x := range c.ExtraGroups {
		for _, earlier := range c.ExtraGroups[:i] {
			if earlier.Name == x.Name {
				return nil, fmt.Errorf("%q is there twice among those with extra groups", x.Name)
			}
		}
		p, err := newPart(x.Name, x.Backend)
		if err != nil {
			return nil, err
		}
		b.lend(p)
	}
	return b, nil
}
