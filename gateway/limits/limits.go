// Package limits says how much of everything clients may have: connections, requests,
// streams, bytes of a head and of a body, and the memory that each of these takes.
//
// [Limits] is what the configuration says. [Limits.Bounded] cuts it down to what memory
// and file descriptors have room for. Whoever hands something out holds to it: the
// sockets, the crowd of undecided requests, the slots of upstreams. docs/limits.md is
// made from the constants.
package limits

import (
	"cmp"
	"log/slog"
	"syscall"
	"time"

	"gatehouse/gateway/upstream"
)

// Limits bound what clients can take, so that none of them can take the gateway
// away from the others.
type Limits struct {
	Connections int // of clients, in all; at most what memory and file descriptors allow; default 16384
	PerAddress  int // connections from one address, or one network (/64) of IPv6; default 1000
	Handshakes  int // of TLS that are under way; default 4096
	Streams     int // requests under way on one connection of HTTP/2; default 128
	HeadBytes   int // of the head of a request; default 32 KiB
	HeadFields  int // in the head of a request; default 100

	UpstreamConnections int // in use, to all upstreams; at most what memory and file descriptors allow; default 4096
	UpstreamPerClient   int // of these, for one user, or one address where no user is known; at most half of them; default 1024
	UpstreamQueue       int // requests that wait for one; default 1024

	BodyRate   int           // bytes a second that a client must send or take of a body, on average over BodyWindow; default 1024
	BodyWindow time.Duration // default 60 s
}

// Bounds are limits as far as there is room for them, and what follows from them.
type Bounds struct {
	Limits
	Undecided int // requests that no rule has allowed yet; see crowd
	PerUser   int // connections of clients that one user has
	Guests    int // connections of HTTP/2 on which nobody has logged in; see sockets.receive
	Wide      int // connections of HTTP/2 that have as many streams as the configuration says
	Slots     upstream.SlotLimits
	Idle      int // connections to upstreams that nobody uses
	reduced   []reduction
}

const (
	SlotPatience = 5 * time.Second  // of a request that waits for a connection to its upstream
	StuckAfter   = 30 * time.Second // without a byte, a client keeps its slot from nobody
)

// fewConnections is how many connections a user may have in any case.
const fewConnections = 16

// reduction says that there is less room for something than the configuration says.
type reduction struct {
	key, of             string
	configured, granted int
}

// SetDefaults gives each field that is 0 its default.
func (l *Limits) SetDefaults() {
	for _, d := range []struct {
		value *int
		or    int
	}{
		{&l.Connections, 16384}, {&l.PerAddress, 1000}, {&l.Handshakes, 4096}, {&l.Streams, 128},
		{&l.UpstreamConnections, 4096}, {&l.UpstreamPerClient, 1024}, {&l.UpstreamQueue, 1024},
		{&l.HeadBytes, 32 << 10}, {&l.HeadFields, 100}, {&l.BodyRate, 1 << 10},
	} {
		*d.value = cmp.Or(*d.value, d.or)
	}
	l.BodyWindow = cmp.Or(l.BodyWindow, time.Minute)
}

// Bounded returns what there is room for of l, which is complete.
func (l Limits) Bounded() Bounds {
	b := Bounds{Limits: l}
	files := sharedFiles()
	b.reduce("connections", &b.Connections, files/2, Affordable(ConnectionsPart, ConnectionMemory))
	b.PerUser = max(fewConnections, b.Connections/2)
	b.Guests = Affordable(GuestsPart, b.GuestMemory())
	b.Wide = Affordable(WidePart, b.WideMemory())
	b.Undecided = Affordable(UndecidedPart, b.UndecidedMemory())
	b.reduce("upstream_connections", &b.UpstreamConnections, files*2/5, Affordable(ExchangesPart, ExchangeMemory))
	total := b.UpstreamConnections
	b.Slots = upstream.SlotLimits{
		Total: total, Upstream: total, Client: min(b.UpstreamPerClient, max(1, total/2)),
		Queue: b.UpstreamQueue, Patience: SlotPatience, Stuck: StuckAfter,
	}
	b.Idle = max(1, total/4)
	return b
}

// UndecidedMemory is what a request takes before there is a decision about it.
func (l Limits) UndecidedMemory() int { return requestMemory + l.HeadBytes }

// GuestMemory is what a connection of HTTP/2 takes on which nobody has logged in, with
// all of its requests.
func (l Limits) GuestMemory() int { return ConnectionMemory/2 + NarrowStreams*l.UndecidedMemory() }

// WideMemory is what a wide connection of HTTP/2 takes, with all of its requests.
func (l Limits) WideMemory() int { return WideWindow + l.Streams*l.UndecidedMemory() }

// reduce makes a value what file descriptors and memory have room for.
func (b *Bounds) reduce(key string, value *int, files, memory int) {
	granted, of := files, "file descriptors"
	if memory < files {
		granted, of = memory, "memory"
	}
	if granted < *value {
		b.reduced = append(b.reduced, reduction{key, of, *value, granted})
		*value = granted
	}
}

// Tell writes what was reduced into the log.
func (b *Bounds) Tell(log *slog.Logger) {
	for _, r := range b.reduced {
		log.Warn("there is room for fewer connections than the configuration says", "key", "limits."+r.key,
			"configured", r.configured, "admitted", r.granted, "for_want_of", r.of)
	}
}

// An eighth of all descriptors, within these bounds, is neither for clients nor for
// upstreams. With these the gateway accepts, reads files, asks directories, writes logs
// and answers the admin listener.
const (
	minReserved = 24
	maxReserved = 512
)

// sharedFiles returns how many file descriptors there are for connections. Half of
// them are for clients, two fifths for the use of upstreams, and the rest is for
// connections to upstreams that nobody uses.
func sharedFiles() int {
	var files syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files) != nil {
		files.Cur = 1024
	}
	return SharedOf(int(min(files.Cur, 1<<30)))
}

// SharedOf returns how many of all descriptors are for connections.
func SharedOf(all int) int { return max(4, all-max(minReserved, min(all/8, maxReserved))) }
