package gateway

import (
	"cmp"
	"syscall"
	"time"
)

// Limits bound what clients can take, so that none of them can take the gateway
// away from the others.
type Limits struct {
	Connections int // of clients, in all; at most three quarters of the file descriptors that there may be; default 16384
	PerAddress  int // connections from one address, or one network (/64) of IPv6; default 1000
	Handshakes  int // of TLS that are under way; default 4096
	Streams     int // requests under way on one connection of HTTP/2; default 128
	HeadBytes   int // of the head of a request; default 32 KiB
	HeadFields  int // in the head of a request; default 100

	BodyRate   int           // bytes a second that a client must send or take of a body, on average over BodyWindow; default 1024
	BodyWindow time.Duration // default 60 s

	undecided int // requests that no rule has allowed yet; see crowd
}

func (l *Limits) setDefaults() {
	for _, d := range []struct {
		value *int
		or    int
	}{
		{&l.Connections, 16384}, {&l.PerAddress, 1000}, {&l.Handshakes, 4096}, {&l.Streams, 128},
		{&l.HeadBytes, 32 << 10}, {&l.HeadFields, 100}, {&l.BodyRate, 1 << 10},
	} {
		*d.value = cmp.Or(*d.value, d.or)
	}
	l.BodyWindow = cmp.Or(l.BodyWindow, time.Minute)
	l.Connections = min(l.Connections, affordableConnections(), affordable(connectionsPart, connectionMemory))
	l.undecided = affordable(requestsPart, requestMemory+l.HeadBytes)
}

// affordableConnections leaves a quarter of the file descriptors to everything but
// clients: upstreams, backends, logs and those who ask the gateway how it is.
func affordableConnections() int {
	var files syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files) != nil {
		return 256
	}
	return max(1, int(min(files.Cur, 1<<30)/4*3))
}
