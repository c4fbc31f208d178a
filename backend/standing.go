package backend

import (
	"errors"
	"fmt"
	"slices"

	"gatehouse/backend/fault"
)

// Standing is why an account may not log in, whatever the password.
type Standing string

// The values of Standing. The zero value says that a refusal is about something else, such
// as the password.
const (
	// Gone: there is no such account, or none that may log in here.
	Gone Standing = "gone"

	// Replaced: another account has been made under the name.
	Replaced Standing = "replaced"

	// Disabled: somebody who administers the account has switched it off.
	Disabled Standing = "disabled"

	// Expired: the account was made for a time, which is over.
	Expired Standing = "expired"

	// Locked: too many wrong passwords were tried. Any stranger can do that to anybody.
	Locked Standing = "locked"

	// PasswordExpired: the password is too old.
	PasswordExpired Standing = "password_expired"

	// MustChange: the password has to be changed before anything else.
	MustChange Standing = "must_change"
)

// chosen are the values of Standing by which tokens may end or not, as one likes. Nobody can
// go on as an account that there is no more.
var chosen = []Standing{Disabled, Expired, Locked, PasswordExpired, MustChange}

// defaultDiesWith are those by which tokens end where nothing else is configured. Locked is
// none: strangers would stop the programs of anybody whose name they know.
var defaultDiesWith = []Standing{Gone, Disabled, Expired}

// CheckStandings returns an error if tokens cannot be made to end for these reasons alone.
func CheckStandings(all []Standing) error {
	gone := false
	for _, s := range all {
		switch {
		case s == Gone:
			gone = true
		case !slices.Contains(chosen, s):
			return fmt.Errorf("%q is no state of an account; want gone, disabled, expired, locked, password_expired or must_change", s)
		}
	}
	if !gone {
		return errors.New(`"gone" is missing: nobody may go on as an account that there is no more`)
	}
	return nil
}

// Stand returns err with the reason why an account may not log in.
func Stand(s Standing, err error) error { return &standing{err, s} }

type standing struct {
	error
	is Standing
}

func (s *standing) Unwrap() error { return s.error }

// StandingOf returns why an account may not log in, which err says. One that a backend does
// not know is gone, if err says no more.
func StandingOf(err error) Standing {
	var s *standing
	switch {
	case !Refused(err):
		return ""
	case errors.As(err, &s):
		return s.is
	case errors.Is(err, ErrUnknownUser):
		return Gone
	}
	return ""
}

// ErrReplaced says that an account is another one than that which logged in under the name.
var ErrReplaced = Stand(Replaced, fault.With("login.replaced", fmt.Errorf("the account is another one, which was made anew under the name: %w", ErrUnknownUser)))
