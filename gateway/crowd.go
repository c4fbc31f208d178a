package gateway

import (
	"errors"
	"fmt"
	"sync/atomic"

	"gatehouse/backend"
	"gatehouse/backend/fault"
)

// crowd counts the requests that no rule has allowed yet, and the refusals that
// their clients have not taken. Anybody can have these, and each takes memory, so that
// there is a bound on all of them. Half of it is for questions to backends: beyond,
// whoever is remembered passes, and nobody else is asked about. That takes no time,
// so that the other half fills only with answers that nobody reads. Beyond all of it,
// connections with more than a few of these end.
type crowd struct {
	now    atomic.Int64
	turned atomic.Uint64 // requests that were turned away for it
	cut    atomic.Uint64 // connections that were ended for it
}

// fewUndecided is how many requests of one connection may be undecided or unread
// whatever the crowd.
const fewUndecided = 2

var (
	errCrowded = fault.With("login.crowded", fmt.Errorf("%w: too many requests are waiting for a login", backend.ErrUnavailable))
	errUnread  = fault.With("request.unread", errors.New("too many answers that nobody reads: the connection was ended"))
)

// join makes x one of the crowd. It may be called again.
func (x *exchange) join() {
	if !x.crowding {
		x.crowding = true
		x.site.sites.crowd.now.Add(1)
		x.conn.undecided.Add(1)
	}
}

// leaveCrowd takes x out of the crowd, if it is in it.
func (x *exchange) leaveCrowd() {
	if x.crowding {
		x.crowding = false
		x.site.sites.crowd.now.Add(-1)
		x.conn.undecided.Add(-1)
	}
}

// isCrowded reports whether no backend is to be asked.
func (x *exchange) isCrowded() bool {
	return x.site.sites.crowd.now.Load() > int64(x.site.limits.undecided/2)
}

// endIfUnread ends the connection of x if it has more than a few refusals while there
// is no room for them.
func (x *exchange) endIfUnread() {
	k := &x.site.sites.crowd
	if k.now.Load() <= int64(x.site.limits.undecided) || x.conn.undecided.Load() <= fewUndecided {
		return
	}
	k.cut.Add(1)
	if s := socketOf(x.conn.conn); s != nil {
		s.reset()
	}
	x.abort(errUnread)
}
