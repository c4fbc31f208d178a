package ldap

import "time"

// A client waits for all of a login, which comes in two or three questions: the
// search, the bind, and after them the groups. A share is what of login_timeout
// the questions so far have used, so that the next one gets the rest.
type share struct {
	began time.Time
	used  time.Duration
}

// using notes that a login of the entry with a handle, or a look at it without a
// password, has taken from a moment until now.
func (b *Backend) using(handle string, began time.Time) {
	now := time.Now()
	b.shares.put(handle, share{began, now.Sub(began)}, now)
}

// began returns when the login began that goes on with the entry with a handle.
func (b *Backend) began(handle string) time.Time {
	if s, known := b.shares.get(handle); known {
		return s.began
	}
	return time.Now()
}

// rest returns the time that a login has left for its groups. Groups that are
// asked for again, which is not by the same login, have all of it.
func (b *Backend) rest(handle string) time.Duration {
	s, _ := b.shares.get(handle)
	b.shares.forget(handle)
	return b.config.LoginTimeout - s.used
}
