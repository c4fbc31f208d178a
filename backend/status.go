package backend

import "time"

// Status is how a Backend is, for people and for monitoring. It names no user.
type Status struct {
	// Degraded says that questions are likely to fail.
	Degraded bool

	// Servers are those that the Backend asks, in the order of its configuration.
	Servers []ServerStatus
}

// ServerStatus is how one server of a Backend is.
type ServerStatus struct {
	Address   string
	Down      bool      // it is left alone for a while, because it failed
	InUse     int       // connections that carry a question
	Idle      int       // connections that wait for one
	LastError string    // what failed last; empty if nothing has
	LastFault time.Time // when
}

// An Operation is one thing that a Backend did with a server, as it is counted.
type Operation struct {
	Server string        // its address
	Name   string        // what was done, such as "search"
	Result string        // what came of it, in one word of a small set
	Took   time.Duration // how long it took
}
