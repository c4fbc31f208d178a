package ldap

import (
	"net"
	"syscall"
)

// isQuiet reports whether a connection on which nothing is asked is as it should
// be: open, and with nothing to read. It looks into the socket, because whoever
// reads from it may learn of its end a moment too late, when a bind that cannot
// be repeated has been sent.
func isQuiet(raw net.Conn) bool {
	socket, ok := raw.(syscall.Conn)
	if !ok {
		return true // a pipe, in tests
	}
	control, err := socket.SyscallConn()
	if err != nil {
		return false
	}
	quiet := false
	var peek [1]byte
	err = control.Control(func(fd uintptr) {
		_, _, err := syscall.Recvfrom(int(fd), peek[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		quiet = err == syscall.EAGAIN
	})
	return err == nil && quiet
}
