package gateway

import (
	"errors"
	"fmt"
	"sync/atomic"

	"gatehouse/backend"
	"gatehouse/backend/fault"
	"gatehouse/gateway/sockets"
)

// crowd counts the requests that no rule has allowed yet, and the refusals that their
// clients have not read. Anybody can cause these, and each takes memory: Limits.undecided
// bounds their sum. From half of it on, no backend is asked any more, and only users who
// are remembered are let in. Refusing the others takes no time, so that only answers that
// nobody reads fill the second half. Beyond the whole of it, connections end that have
// more than a few of these.
type crowd struct {
	now    atomic.Int64
	turned atomic.Uint64 // requests that were refused because it was half full
	cut    atomic.Uint64 // connections that were ended because it was full
}

// fewUndecided is how many requests of one connection may be undecided or unread even
// where there is no room for more.
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
	return x.site.sites.crowd.now.Load() > int64(x.site.limits.Undecided/2)
}

// endIfUnread ends the connection of x if it has more than a few refusals while there
// is no room for them.
func (x *exchange) endIfUnread() {
	k := &x.site.sites.crowd
	if k.now.Load() <= int64(x.site.limits.Undecided) || x.conn.undecided.Load() <= fewUndecided {
		return
	}
	k.cut.Add(1)
	if s := sockets.Of(x.conn.conn); s != nil {
		s.Reset()
	}
	x.abort(errUnread)
}
