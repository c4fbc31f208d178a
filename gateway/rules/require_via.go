package rules

import "cmp"

// A Way is how somebody has logged in. It is the same for all that is done by a token which
// was fetched with that login. The zero value is by a password.
type Way string

const (
	// ByPassword is with the password of the account.
	ByPassword Way = "password"

	// ByToken is with a token that the account owns, in the place of the password.
	ByToken Way = "token"

	// ByIdentity is by what docker login keeps.
	ByIdentity Way = "identity"
)

// Ways are all of them.
var Ways = []Way{ByPassword, ByToken, ByIdentity}

func (v voucher) eval(_ Request, who Subject) Verdict {
	if !who.LoggedIn && who.Identity.Source == "" {
		return NeedsLogin
	}
	return verdictOf(v.name == who.Identity.Source)
}

func (w Way) eval(_ Request, who Subject) Verdict {
	if !who.LoggedIn {
		return NeedsLogin
	}
	return verdictOf(w == cmp.Or(who.Via, ByPassword))
}

func (v voucher) String() string { return "backend " + written(v.name) }

// String returns the way as a requirement has it.
func (w Way) String() string { return "via " + string(w) }

func (v voucher) rename(renamer) (Requirement, error) { return v, nil }
func (w Way) rename(renamer) (Requirement, error)     { return w, nil }

// Words are how people call the way.
func (w Way) Words() string {
	if w == ByIdentity {
		return "what docker login keeps"
	}
	return "a " + string(cmp.Or(w, ByPassword))
}

// HelpsToken reports whether who, to whom req is denied, would be let in with a token of the
// account.
func (p *Policy) HelpsToken(req Request, who Subject) bool {
	if !who.LoggedIn || who.Via == ByToken {
		return false
	}
	who.Via = ByToken
	return p.Decide(req, who, nil).Verdict == Allowed
}
