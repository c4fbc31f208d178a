package sockets

import "net"

// Why connections are closed before they have said anything.
const (
	refusedTotal     = iota // all that there may be have a request
	refusedAddress          // too many come from there
	refusedUnproxied        // a trusted proxy does not say for whom it is
	refusedUser             // a user has too many; it is told so
	refusedKinds     = iota
)

// refusedNames are the kinds as metrics have them.
var refusedNames = [refusedKinds]string{"total", "address", "proxy_header", "user"}

// Refused returns how many were closed before they had said anything, by the reason as
// metrics have it.
func (s *Set) Refused() map[string]uint64 {
	counts := make(map[string]uint64, len(refusedNames))
	for kind, name := range refusedNames {
		counts[name] = s.refusals[kind].Load()
	}
	return counts
}

func (s *Set) refuse(c net.Conn, kind int) {
	s.refusals[kind].Add(1)
	c.Close()
}
