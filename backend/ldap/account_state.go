package ldap

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend"
	"gatehouse/backend/fault"
)

// accountState is why an account may not be used.
type accountState struct {
	text   string    // one of the states of a refusal; empty if it may be used
	until  time.Time // when that is over, if it is known
	byHand bool      // somebody who administers the account has locked it
}

func (s accountState) refusal() error {
	text := s.text
	if !s.until.IsZero() {
		text += " until " + s.until.UTC().Format(time.RFC3339)
	}
	return backend.Stand(s.standing(), fault.With(cmp.Or(codeOfState[s.text], "ldap.user.refused"), backend.Refuse(backend.ErrLocked, text)))
}

// standing returns s as others know it.
func (s accountState) standing() backend.Standing {
	if s.byHand {
		return backend.Disabled
	}
	return standingOfState[s.text]
}

// standingOfState says which of the states that an account is in whatever the password each
// of them is.
var standingOfState = map[string]backend.Standing{
	stateDisabled: backend.Disabled, stateExpired: backend.Expired, stateLocked: backend.Locked,
	statePasswordExpired: backend.PasswordExpired, statePasswordChange: backend.MustChange,
}

// accountState returns why an account may not be used, as far as the service account
// may read it.
func (b *Backend) accountState(ctx context.Context, e *ldap.Entry, now time.Time) (accountState, error) {
	switch s := stateOf(e, now); {
	case s.text == "" && b.enforcesStates() && hasPassed(first(e, "krbPasswordExpiration"), now):
		return accountState{text: statePasswordExpired}, nil
	case s.text == "":
		return b.lockState(ctx, e, now)
	case s.text == stateLocked && s.until.IsZero():
		return accountState{text: s.text, until: b.lockEndOfAD(ctx, e)}, nil
	default:
		return s, nil
	}
}

// lockEndOfAD returns when Active Directory ends a lock: so long after its beginning
// as the policy says that is in force for the user, or else the domain. It is the zero
// time where that cannot be read, or a person has to end it.
func (b *Backend) lockEndOfAD(ctx context.Context, e *ldap.Entry) time.Time {
	since, err := strconv.ParseInt(first(e, "lockoutTime"), 10, 64)
	policy := first(e, "msDS-ResultantPSO")
	if policy == "" {
		policy = topOf(e.DN)
	}
	if err != nil || since <= 0 {
		return time.Time{}
	}
	entries, err := b.asService(ctx, query{
		base: policy, scope: ldap.ScopeBaseObject, filter: "(objectClass=*)", attributes: []string{"lockoutDuration", "msDS-LockoutDuration"},
	})
	if err != nil || len(entries) != 1 {
		return time.Time{}
	}
	text := cmp.Or(first(entries[0], "msDS-LockoutDuration"), first(entries[0], "lockoutDuration"))
	units, err := strconv.ParseInt(text, 10, 64) // below zero
	if err != nil || units >= 0 || units == math.MinInt64 {
		return time.Time{}
	}
	return fileTime(since - units)
}

// lockState returns whether a lock that OpenLDAP noted after wrong passwords is
// still on: it stays in the entry when its time is over, until the next login,
// and how long that is says the policy; draft-behera-ldap-password-policy,
// section 5.2.12. Where that cannot be read, a lock lasts.
func (b *Backend) lockState(ctx context.Context, e *ldap.Entry, now time.Time) (accountState, error) {
	since := first(e, "pwdAccountLockedTime")
	policy := first(e, "pwdPolicySubentry")
	start, err := parseTime(since)
	switch {
	case since == "":
		return accountState{}, nil
	case since == lockedForGood:
		return accountState{text: stateLocked, byHand: true}, nil
	case err != nil:
		return accountState{text: stateLocked}, nil
	}
	q := query{base: policy, scope: ldap.ScopeBaseObject, filter: "(objectClass=*)", attributes: []string{"pwdLockoutDuration"}}
	if policy == "" {
		q.base, q.scope, q.filter, q.paged = topOf(e.DN), ldap.ScopeWholeSubtree, "(objectClass=pwdPolicy)", true
	}
	entries, err := b.asService(ctx, q)
	if errors.Is(err, backend.ErrUnavailable) {
		return accountState{}, err
	}
	switch end := start.Add(lockoutDuration(entries)); {
	case end.Equal(start):
	case now.After(end):
		return accountState{}, nil
	default:
		return accountState{text: stateLocked, until: end}, nil
	}
	return accountState{text: stateLocked}, nil
}

// lockoutDuration returns how long all of some policies lock an account, 0 for ever or
// where they do not agree: an entry does not show that its policy is the default one of
// the server.
func lockoutDuration(policies []*ldap.Entry) time.Duration {
	text := ""
	for i, p := range policies {
		own := first(p, "pwdLockoutDuration")
		if i > 0 && own != text {
			return 0
		}
		text = own
	}
	seconds, err := strconv.Atoi(text)
	if err != nil || seconds <= 0 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// topOf returns the top of the tree that an entry is in.
func topOf(name string) string {
	own, _ := parseDN(name)
	top := slices.IndexFunc(own, func(rdn string) bool { return strings.HasPrefix(rdn, "dc=") })
	return own[max(top, 0):].String()
}

// lockedForGood is the time of a lock that an administrator set.
const lockedForGood = "000001010000Z"

// stateAttributes returns what directories of all kinds say of an account. A
// server sends those that it knows.
func stateAttributes() []string {
	return []string{
		"userAccountControl", "msDS-User-Account-Control-Computed", "accountExpires", // Active Directory
		"lockoutTime", "msDS-ResultantPSO",
		"pwdAccountLockedTime", "pwdPolicySubentry", "pwdReset", "pwdEndTime", // OpenLDAP
		"nsAccountLock", "accountUnlockTime", // 389 Directory Server, FreeIPA
		"krbPrincipalExpiration", "krbPasswordExpiration", // FreeIPA
	}
}

// The bits of userAccountControl and of its computed sibling; [MS-ADTS], section 2.2.16.
const (
	uacDisabled        = 0x2
	uacLockedOut       = 0x10
	uacPasswordExpired = 0x800000
)

// stateOf returns why an account may not be used, as far as its entry tells by itself. It
// says no more than the bind of the user would, with the right password. What it cannot make
// sense of forbids. Of several states it is the one by which most ends: a stranger who locks
// an account that has expired must not have it count as locked alone.
func stateOf(e *ldap.Entry, now time.Time) accountState {
	bits := func(attribute string, mask int64) bool {
		text := first(e, attribute)
		n, err := strconv.ParseInt(text, 10, 64)
		return text != "" && (err != nil || n&mask != 0)
	}
	after := func(attribute string) bool { return hasPassed(first(e, attribute), now) }
	isTrue := func(attribute string) bool { return strings.EqualFold(first(e, attribute), "TRUE") }
	switch {
	case bits("userAccountControl", uacDisabled), isTrue("nsAccountLock"):
		return accountState{text: stateDisabled}
	case hasExpiredInAD(first(e, "accountExpires"), now), after("pwdEndTime"), after("krbPrincipalExpiration"):
		return accountState{text: stateExpired}
	case bits("msDS-User-Account-Control-Computed", uacLockedOut):
		return accountState{text: stateLocked}
	case isLockedBy389(first(e, "accountUnlockTime"), now):
		end, _ := parseTime(first(e, "accountUnlockTime"))
		if end.Unix() == 0 {
			end = time.Time{}
		}
		return accountState{text: stateLocked, until: end}
	case bits("msDS-User-Account-Control-Computed", uacPasswordExpired) && first(e, "pwdLastSet") == "0", isTrue("pwdReset"):
		return accountState{text: statePasswordChange}
	case bits("msDS-User-Account-Control-Computed", uacPasswordExpired):
		return accountState{text: statePasswordExpired}
	}
	return accountState{}
}

// enforcesStates reports whether what the entry of an account says counts after a bind
// that went well, too: FreeIPA lets somebody bind whose password has expired, to change
// it.
func (b *Backend) enforcesStates() bool { return b.config.Preset == "freeipa" && b.config.hasAccount() }

// hasPassed reports whether a generalized time is over; none never is.
func hasPassed(text string, now time.Time) bool {
	end, err := parseTime(text)
	return text != "" && (err != nil || !now.Before(end))
}

// hasExpiredInAD reports whether a time of Active Directory is over; 0 and the greatest
// one mean never.
func hasExpiredInAD(text string, now time.Time) bool {
	if text == "" {
		return false
	}
	at, err := parseFileTime(text)
	return err != nil || !at.IsZero() && !at.After(now)
}

// parseFileTime reads a time of Active Directory. It is zero for 0 and less, which say
// that there is none.
func parseFileTime(text string) (time.Time, error) {
	units, err := strconv.ParseInt(text, 10, 64)
	if err != nil || units <= 0 {
		return time.Time{}, err
	}
	return fileTime(units), nil
}

// fileTime returns a time that is counted in units of 100 ns since 1601, as Active
// Directory does; [MS-DTYP], section 2.3.3.
func fileTime(units int64) time.Time {
	const unitsTo1970, unitsPerSecond = 116_444_736_000_000_000, 10_000_000
	units -= unitsTo1970
	return time.Unix(units/unitsPerSecond, units%unitsPerSecond*100).UTC()
}

// isLockedBy389 reports whether the time at which 389 Directory Server ends a
// lock is to come; the beginning of 1970 never does.
func isLockedBy389(text string, now time.Time) bool {
	if text == "" {
		return false
	}
	end, err := parseTime(text)
	return err != nil || end.Unix() == 0 || now.Before(end)
}

// parseTime reads a generalized time; RFC 4517, section 3.3.13. Directories
// write it in UTC.
func parseTime(text string) (time.Time, error) {
	return time.Parse("20060102150405Z", text) // takes fractions of a second too
}
