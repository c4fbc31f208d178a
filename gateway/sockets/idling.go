package sockets

import (
	"net"
	"sync"
	"time"
)

// idling ends a connection of HTTP/2 that has had no request for a while. net/http would do
// that, too. But when a connection ends with requests under way, its timer begins anew and
// keeps all memory of the connection until it fires: some hundred KiB for minutes, which
// strangers who come and go would fill the memory with.
type idling struct {
	conn  net.Conn // with TLS
	after time.Duration

	mu    sync.Mutex
	timer *time.Timer
	idle  bool
	told  bool // the client, that it is to open another connection
	ended bool
}

// goAway is a frame by which a server says that it will take no further streams, with no
// error, and with the highest stream there can be: those that the client has opened
// meanwhile are served (RFC 9113, section 6.8).
const goAway = "\x00\x00\x08\x07\x00\x00\x00\x00\x00" + "\x7f\xff\xff\xff" + "\x00\x00\x00\x00"

// goAwayPatience is how long a client may take to read that.
const goAwayPatience = time.Second

// EndIdle has c, the TLS connection of HTTP/2 above s, end when no request has been on it
// for that long. [Socket.SetWaiting] says whether there is one.
func (s *Socket) EndIdle(c net.Conn, after time.Duration) {
	if s == nil {
		return
	}
	i := &idling{conn: c, after: after, idle: true}
	i.timer = time.AfterFunc(after, i.fire)
	s.idling.Store(i)
}

// set says whether there is no request on the connection.
func (i *idling) set(idle bool) {
	if i == nil {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.idle = idle; idle && !i.ended {
		i.timer.Reset(i.after)
	} else {
		i.timer.Stop()
	}
}

// end says that the connection is over.
func (i *idling) end() {
	if i == nil {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.ended = true
	i.timer.Stop()
}

// fire first tells the client, and closes the connection if it is still idle a moment
// later.
func (i *idling) fire() {
	i.mu.Lock()
	over, told := i.ended || !i.idle, i.told
	i.told = i.told || !over
	i.mu.Unlock()
	switch {
	case over:
	case told:
		i.conn.Close()
	default:
		i.conn.SetWriteDeadline(time.Now().Add(goAwayPatience))
		i.conn.Write([]byte(goAway)) // if that fails, the connection is closed below
		i.conn.SetWriteDeadline(time.Time{})
		i.again()
	}
}

// again has the timer fire once more if there is still no request.
func (i *idling) again() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.idle && !i.ended {
		i.timer.Reset(goAwayPatience)
	}
}
