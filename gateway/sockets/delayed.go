package sockets

// What connections wait for that ask for more than is theirs.
const (
	delayedHandshake = iota // to begin it; see [Set.BeginHandshake]
	delayedRequests         // to be read from; see [Socket.Hold]
	delayedKinds     = iota
)

// delayedNames are the kinds as metrics have them.
var delayedNames = [delayedKinds]string{"handshake", "requests"}

// Delayed returns how often connections have waited, by what for as metrics have it.
func (s *Set) Delayed() map[string]uint64 {
	counts := make(map[string]uint64, len(delayedNames))
	for kind, name := range delayedNames {
		counts[name] = s.delayed[kind].Load()
	}
	return counts
}
