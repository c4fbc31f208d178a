package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend"
)

// Revalidate reads the entry of a user who logged in before: whether it is the same
// entry, wherever it is by now, is where users are, matches user_filter and has the
// same name, whether the account is locked, disabled or expired, and whether the
// password was changed since. What the service account may not read of an account's
// state does not count; the next login with a password finds it out.
func (b *Backend) Revalidate(ctx context.Context, id backend.Identity) (backend.Identity, error) {
	switch {
	case ctx.Err() != nil:
		return backend.Identity{}, gaveUp(ctx)
	case !b.config.hasAccount():
		return backend.Identity{}, fmt.Errorf("without a service account nobody can look at user %q: %w", id.User, errors.ErrUnsupported)
	case !b.isPlaceOfUsers(id.Handle):
		return backend.Identity{}, fmt.Errorf("user %q: entry %q is not below user_bases: %w", id.User, id.Handle, backend.ErrUnknownUser)
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, b.config.LoginTimeout)
	defer cancel()
	ctx = b.sameRoute(ctx, id.Handle)
	now := id
	e, err := b.entryOf(ctx, id, stateAttributes()...)
	if err == nil {
		now, err = b.stands(ctx, e, id)
	}
	if err != nil {
		return backend.Identity{}, fmt.Errorf("user %q: %w", id.User, err)
	}
	b.using(now.Handle, began)
	return now, nil
}

// isPlaceOfUsers reports whether users are searched for where an entry is.
func (b *Backend) isPlaceOfUsers(name string) bool {
	own, err := parseDN(name)
	return err == nil && slices.ContainsFunc(b.config.UserBases, func(text string) bool {
		base, err := parseDN(text)
		return err == nil && own.isBelow(base) && (b.config.UserScope != "one" || len(own) == len(base)+1)
	})
}

// readAgain returns the entry of a user with the attributes that say who it is, and
// those that are wanted.
func (b *Backend) readAgain(ctx context.Context, name string, wanted []string) (*ldap.Entry, error) {
	entries, err := b.asService(ctx, query{
		base: name, scope: ldap.ScopeBaseObject, filter: b.filter.anyone,
		attributes: append(b.userAttributes(), wanted...),
	})
	if code, answered := codeOf(err); answered && code == ldap.LDAPResultNoSuchObject {
		return nil, b.missing(ctx, name, err)
	}
	if err != nil {
		return nil, err
	}
	if len(entries) != 1 {
		return nil, fmt.Errorf("entry %q does not match user_filter: %w", name, backend.ErrUnknownUser)
	}
	return entries[0], nil
}

// missing tells an entry that is gone from an account that may not read it any
// more: a directory whose access rules were spoilt says the same of every user,
// and of the bases too.
func (b *Backend) missing(ctx context.Context, name string, cause error) error {
	own, _ := parseDN(name)
	for _, text := range b.config.UserBases {
		if base, err := parseDN(text); err != nil || !own.isBelow(base) {
			continue
		}
		if _, err := b.asService(ctx, query{base: text, scope: ldap.ScopeBaseObject, filter: "(objectClass=*)", attributes: []string{"1.1"}}); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: %w", cause, backend.ErrUnknownUser)
}

// stands returns who the user is now that logged in as id and whose entry e is, if
// the account may be used.
func (b *Backend) stands(ctx context.Context, e *ldap.Entry, id backend.Identity) (backend.Identity, error) {
	now, err := b.identityAs(e, id)
	if err != nil {
		return now, err
	}
	if now.User != id.User {
		return now, fmt.Errorf("entry %q has another name: %w", e.DN, backend.ErrUnknownUser)
	}
	state := accountState(e, time.Now())
	if state == "" {
		state, err = b.lockState(ctx, e)
	}
	switch {
	case state != "":
		return now, lockedError(state)
	case err != nil:
		return now, err
	case backend.PasswordChanged(id, now):
		return now, backend.ErrOutdated
	case id.Changed != "":
		now.Changed = id.Changed // a server that lags behind shows an earlier one, or none
	}
	return now, nil
}

// lockState returns whether a lock that OpenLDAP noted after wrong passwords is
// still on: it stays in the entry when its time is over, until the next login,
// and how long that is says the policy; draft-behera-ldap-password-policy,
// section 5.2.12. Where that cannot be read, a lock lasts.
func (b *Backend) lockState(ctx context.Context, e *ldap.Entry) (string, error) {
	since := first(e, "pwdAccountLockedTime")
	policy := first(e, "pwdPolicySubentry")
	start, err := parseTime(since)
	switch {
	case since == "":
		return "", nil
	case since == lockedForGood || err != nil || policy == "":
		return stateLocked, nil
	}
	entries, err := b.asService(ctx, query{
		base: policy, scope: ldap.ScopeBaseObject, filter: "(objectClass=*)", attributes: []string{"pwdLockoutDuration"},
	})
	if errors.Is(err, backend.ErrUnavailable) {
		return "", err
	}
	if len(entries) == 1 {
		seconds, err := strconv.Atoi(first(entries[0], "pwdLockoutDuration"))
		if err == nil && seconds > 0 && time.Since(start) > time.Duration(seconds)*time.Second {
			return "", nil
		}
	}
	return stateLocked, nil
}

// lockedForGood is the time of a lock that an administrator set.
const lockedForGood = "000001010000Z"

// stateAttributes returns what directories of all kinds say of an account. A
// server sends those that it knows.
func stateAttributes() []string {
	return []string{
		"userAccountControl", "msDS-User-Account-Control-Computed", "accountExpires", // Active Directory
		"pwdAccountLockedTime", "pwdPolicySubentry", "pwdReset", "pwdEndTime", // OpenLDAP
		"nsAccountLock", "accountUnlockTime", // 389 Directory Server, FreeIPA
	}
}

// The bits of userAccountControl and of its computed sibling; [MS-ADTS], section 2.2.16.
const (
	uacDisabled        = 0x2
	uacLockedOut       = 0x10
	uacPasswordExpired = 0x800000
)

// accountState returns why an account may not be used, as far as its entry tells
// by itself, or nothing. It says no more than the bind of the user would, with
// the right password. What it cannot make sense of forbids.
func accountState(e *ldap.Entry, now time.Time) string {
	bits := func(attribute string, mask int64) bool {
		text := first(e, attribute)
		n, err := strconv.ParseInt(text, 10, 64)
		return text != "" && (err != nil || n&mask != 0)
	}
	after := func(attribute string) bool {
		text := first(e, attribute)
		end, err := parseTime(text)
		return text != "" && (err != nil || !now.Before(end))
	}
	isTrue := func(attribute string) bool { return strings.EqualFold(first(e, attribute), "TRUE") }
	switch {
	case bits("userAccountControl", uacDisabled), isTrue("nsAccountLock"):
		return stateDisabled
	case bits("msDS-User-Account-Control-Computed", uacLockedOut), isLockedBy389(first(e, "accountUnlockTime"), now):
		return stateLocked
	case bits("msDS-User-Account-Control-Computed", uacPasswordExpired):
		return statePasswordExpired
	case hasExpiredInAD(first(e, "accountExpires"), now), after("pwdEndTime"):
		return stateExpired
	case isTrue("pwdReset"):
		return statePasswordChange
	}
	return ""
}

// hasExpiredInAD reports whether a time of Active Directory, in units of 100 ns
// since 1601, is over; 0 and the greatest one mean never.
func hasExpiredInAD(text string, now time.Time) bool {
	if text == "" {
		return false
	}
	units, err := strconv.ParseInt(text, 10, 64)
	return err != nil || units > 0 && !fileTime(units).After(now)
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

func first(e *ldap.Entry, attribute string) string {
	if all := values(e, attribute); len(all) > 0 {
		return all[0]
	}
	return ""
}
