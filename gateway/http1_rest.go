package gateway

import (
	"errors"
	"os"
	"time"
)

// restAfter is how long a client sends nothing before its connection rests. Clients ask
// for one thing after the other within less; what stays open for longer waits for minutes.
const restAfter = 2 * time.Second

// beforeRest returns how long a request is waited for at first, where idle is the time
// that an idle connection is kept.
func beforeRest(idle time.Duration) time.Duration { return min(idle, restAfter) }

// mayRest reports whether err is the end of the first wait alone. A connection over which
// a part of a request has come does not rest.
func (c *http1Conn) mayRest(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) && !c.rested && len(c.in) == 0 &&
		!c.server.draining.Load() && c.server.sites.current().timeouts.Idle > restAfter
}

// rest gives up what a connection needs for requests alone, which is half of what it
// takes. A new goroutine waits on: its stack is small, while that of a request stays as
// large as it has become.
func (c *http1Conn) rest() {
	c.rested = true
	c.http1Work, c.in, c.buf = nil, nil, nil
	c.idle.Idle, c.idle.Next = c.server.sites.current().timeouts.Idle-restAfter, time.Time{}
}
