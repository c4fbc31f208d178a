package admin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"gatehouse/backend"
)

// peerKey is that of the user who has connected, in the context of a connection.
type peerKey struct{}

// withPeer takes down which user of the machine has opened a connection to the socket.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	unix, ok := c.(*net.UnixConn)
	if !ok {
		return ctx
	}
	raw, err := unix.SyscallConn()
	if err != nil {
		return ctx
	}
	var peer *syscall.Ucred
	_ = raw.Control(func(fd uintptr) {
		peer, err = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if peer == nil || err != nil {
		return ctx
	}
	return context.WithValue(ctx, peerKey{}, peer.Uid)
}

// peerOf returns who asks, as logs name that. No name is looked up: that might ask the
// directory which is out of order.
func peerOf(ctx context.Context) (string, error) {
	uid, ok := ctx.Value(peerKey{}).(uint32)
	if !ok {
		return "", fmt.Errorf("%w: %w", backend.ErrUnavailable, errors.New("the system does not tell which user asks, who would stand in the logs"))
	}
	return fmt.Sprintf("uid %d at the admin socket", uid), nil
}
