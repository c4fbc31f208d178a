package ldap

import (
	"strconv"
	"time"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend/fault"
)

// expiryAttributes are those by which directories say when the password of an entry
// expires. OpenLDAP says so with the answer to a bind alone, and within pwdExpireWarning.
func expiryAttributes() []string {
	return []string{
		"msDS-UserPasswordExpiryTimeComputed", // Active Directory
		"krbPasswordExpiration",               // FreeIPA
		"passwordExpirationTime",              // 389 Directory Server
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
	for _, attribute := range []string{"krbPasswordExpiration", "passwordExpirationTime"} {
		if end, err := parseTime(first(e, attribute)); err == nil {
			return end, true
		}
	}
	changed, errChanged := strconv.Atoi(first(e, "shadowLastChange"))
	days, errDays := strconv.Atoi(first(e, "shadowMax"))
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
