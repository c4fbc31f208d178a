package ldap

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend"
	"gatehouse/backend/fault"
)

// endOf389 is the attribute of 389 Directory Server with the end of a password.
const endOf389 = "passwordExpirationTime"

// expiryAttributes are those by which directories say when the password of an entry
// expires. OpenLDAP says so with the answer to a bind alone, and within pwdExpireWarning.
func expiryAttributes() []string {
	return []string{
		"msDS-UserPasswordExpiryTimeComputed", // Active Directory
		"krbPasswordExpiration",               // FreeIPA
		endOf389,                              // 389 Directory Server
		"shadowLastChange", "shadowMax",       // RFC 2307
	}
}

// expiryOf returns when the password of an entry expires, by the first attribute that
// tells, and false where none does.
func expiryOf(e *ldap.Entry) (end time.Time, told bool) {
	if text := first(e, "msDS-UserPasswordExpiryTimeComputed"); text != "" {
		const never = 1<<63 - 1 // [MS-ADTS], section 3.1.1.4.5.36
		end, err := parseFileTime(text)
		return end, err == nil && !end.IsZero() && end.Before(fileTime(never))
	}
	for _, attribute := range []string{"krbPasswordExpiration", endOf389} {
		if text := first(e, attribute); text != "" {
			if end, err := parseTime(text); err == nil {
				return end, true
			}
		}
	}
	lastChange, maximum := first(e, "shadowLastChange"), first(e, "shadowMax")
	if lastChange == "" || maximum == "" {
		return time.Time{}, false
	}
	changed, errChanged := strconv.Atoi(lastChange)
	days, errDays := strconv.Atoi(maximum)
	const most = 1 << 20
	if errChanged != nil || errDays != nil || changed <= 0 || changed > most || days <= 0 || days > most {
		return time.Time{}, false
	}
	return time.Unix(int64(changed+days)*24*60*60, 0), true
}

// soonExpires returns an end as Identity.Expires has it, and nothing where it is over or
// too far off to warn of.
func (b *Backend) soonExpires(end, now time.Time) string {
	if left := end.Sub(now); left <= 0 || left > b.config.WarnPasswordExpiry {
		return ""
	}
	return end.UTC().Truncate(time.Minute).Format(time.RFC3339)
}

// expiresOf returns Identity.Expires of an entry, and as it was known before where the
// entry does not tell: then the answer to the bind did.
func (b *Backend) expiresOf(e *ldap.Entry, before string, now time.Time) string {
	end, told := expiryOf(e)
	if !told {
		return before
	}
	return b.soonExpires(end, now)
}

// warnOfExpiry says that the password of a user expires soon, and counts it.
func (b *Backend) warnOfExpiry(c *conn, name, expires string, start time.Time) {
	if expires == "" {
		return
	}
	c.meter.count(opExpiring, start, nil)
	b.config.Log.Info("the password of a user expires soon", "dn", name, "expires", expires, fault.Attr, "ldap.user.expiring")
}

// warningSlack is how far the clock of a directory may be from the one of this machine.
const warningSlack = 10 * time.Second

// afterWarning returns who a user is after a bind with which the directory warned of the
// end of the password. 389 Directory Server puts the end off with its first warning, to be
// as far away as it says: that is no change of the password, although the end is all that
// tells of one. An end that is anywhere else is that of another password.
func (b *Backend) afterWarning(ctx context.Context, id backend.Identity, end time.Time) backend.Identity {
	moment, ok := strings.CutPrefix(id.Changed, endOf389+":")
	if !ok || end.IsZero() {
		return id // as most do
	}
	if before, err := time.Parse(sortable, moment); err == nil && before.Sub(end).Abs() <= warningSlack {
		return id
	}
	e, err := b.entryOf(ctx, id)
	if err != nil {
		return id // the next look finds a change, which takes one more login
	}
	now, err := parseTime(first(e, endOf389))
	if err == nil && now.Sub(end).Abs() <= warningSlack {
		id.Changed = changedOf(e, endOf389)
	}
	return id
}
