package upstream

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"os"
	"time"

	"gatehouse/backend/idle"
)

// conn is a connection to an upstream. It is used by one exchange at a
// time, but for Close, which may come at any moment.
type conn struct {
	net.Conn
	br     *bufio.Reader
	header http.Header // of the answer of the current exchange
	reused bool        // has carried an exchange before
	expiry *time.Timer // closes the connection when it has been idle for long

	tls    bool // bytes may wait between the socket and br
	socket *idle.Socket
}

func newConn(c, socket net.Conn) *conn {
	return &conn{
		Conn: c, header: make(http.Header, 16), br: bufio.NewReader(c),
		tls: c != socket, socket: idle.NewSocket(socket),
	}
}

// quiet reports whether an idle connection is still open and has nothing to
// say. Bytes that come unasked, such as the body of an answer that has none,
// would be taken for the answer to the next request, which is another user's.
func (c *conn) quiet() bool {
	return c.br.Buffered() == 0 && (!c.tls || c.quietRecords()) && c.socket.Quiet()
}

// quietRecords reports whether no TLS record that has been received holds more
// than was read of it. A read past its deadline does not reach the socket.
func (c *conn) quietRecords() bool {
	c.SetReadDeadline(time.Unix(1, 0))
	_, err := c.br.Peek(1)
	return errors.Is(err, os.ErrDeadlineExceeded)
}
