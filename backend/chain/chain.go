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
// Members are asked in order. The first member that vouches for a user owns that
// user: Identity.Source has its name, and it alone is asked again about the user.
// After any other answer this table says whether the next member is asked:
//
//	unknown user      yes
//	wrong password    no, or yes with on_wrong_password = "next"
//	locked            no, or yes with on_wrong_password = "next"
//	unavailable       no, or yes with on_unavailable = "next"
//	any other error   no
//
// By default the first member that knows the user decides. A later member must not
// let in a user whose account is locked here, and a guess at a password counts at
// one place only. The meaning of any other error is not known, so it is never passed
// over. A directory in which users cannot be looked up without a password calls an
// unknown user a wrong password. Such a directory belongs at the end.
//
// # What is answered
//
// If no member vouches for the user, and a member was unavailable, the chain is
// unavailable too: that member might have let the user in. Otherwise the answer is
// that of the last member that knew the user, or "unknown user" if none did.
//
// A member that may be passed over when it is unavailable gets half of the time
// that is left. If it hangs, the members after it still have time.
//
// # Extra groups
//
// The backends in extra_groups are also asked for the groups of users that another
// backend vouched for, by the name of the user. They need not know the user
// otherwise: a group file may list the users of a directory. If one of them cannot
// be asked, the groups are unknown; they are never taken for fewer. Rules treat these
// groups like any others. The name before a group, as in corp:pusher, is that of the
// member that vouched for the user.
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
