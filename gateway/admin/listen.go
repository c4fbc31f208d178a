package admin

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"gatehouse/backend/fault"
)

// Listen opens the address and the socket.
func (s *Server) Listen() error {
	if s.cfg.Listen != "" {
		l, err := net.Listen("tcp", s.cfg.Listen)
		if err != nil {
			return fault.Listener(fmt.Errorf("admin: listen on %s: %w", s.cfg.Listen, err))
		}
		s.listeners = append(s.listeners, listener{l, l.Addr(), s.tcp})
	}
	if s.cfg.Socket == "" {
		return nil
	}
	l, err := s.listenSocket(s.cfg.Socket)
	if err != nil {
		return errors.Join(fault.Listener(fmt.Errorf("admin: listen on the socket %s: %w", s.cfg.Socket, err)), s.Close())
	}
	s.listeners = append(s.listeners, listener{l, &net.UnixAddr{Name: s.cfg.Socket, Net: "unix"}, s.unix})
	return nil
}

// socketMode lets the owner and the group of the socket in.
const socketMode = 0o660

// listenSocket makes the socket in a folder that nobody else can enter, and moves
// it to its place when it has its mode: in its place from the start, it would be
// open to whomever the umask lets in, for a moment.
func (s *Server) listenSocket(path string) (net.Listener, error) {
	if err := checkSocketPath(path); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), ".gatehouse-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	made := filepath.Join(dir, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: made, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // by then it has another name
	err = errors.Join(os.Chmod(made, socketMode), os.Rename(made, path))
	if err == nil {
		s.socket, err = os.Lstat(path)
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// answerTime is how long a process that serves a socket may take to accept.
const answerTime = time.Second

// checkSocketPath refuses a path where there is anything but a socket that nobody
// serves any more: one that a process left behind which was killed.
func checkSocketPath(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return fault.With("admin.socket_taken", errors.New("there is a file that is not a socket: move it away, or name another path"))
	}
	c, err := net.DialTimeout("unix", path, answerTime)
	switch {
	case err == nil:
		c.Close()
		return fault.With("admin.socket_taken", errors.New("another process serves it: stop that one, or name another path"))
	case errors.Is(err, syscall.ECONNREFUSED):
		return nil
	}
	return fmt.Errorf("find out whether a process serves it: %w", err)
}

// removeSocket removes the socket, unless by now another one is in its place.
func (s *Server) removeSocket() error {
	if s.socket == nil {
		return nil
	}
	info, err := os.Lstat(s.cfg.Socket)
	if err != nil || !os.SameFile(info, s.socket) {
		return nil
	}
	return os.Remove(s.cfg.Socket)
}
