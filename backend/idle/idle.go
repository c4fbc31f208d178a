// Package idle tells whether a connection that is kept for later can still be used.
package idle

import (
	"net"
	"syscall"
)

// A Socket is looked into without reading from it. Whoever reads may learn of the end
// of a connection a moment too late, when a request that cannot be repeated has been
// sent. It is used by one goroutine at a time.
type Socket struct {
	raw   syscall.RawConn // nil where there is none
	peek  func(fd uintptr)
	quiet bool // what the last look saw
}

// NewSocket returns the socket of conn, without any TLS on it.
func NewSocket(conn net.Conn) *Socket {
	s := &Socket{quiet: true} // a pipe, in tests
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return s
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		s.quiet = false
		return s
	}
	s.raw, s.peek = raw, s.look
	return s
}

// Quiet reports whether the socket is open and has nothing to read.
func (s *Socket) Quiet() bool {
	if s.raw == nil {
		return s.quiet
	}
	return s.raw.Control(s.peek) == nil && s.quiet
}

func (s *Socket) look(fd uintptr) {
	var b [1]byte
	_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	s.quiet = err == syscall.EAGAIN
}
