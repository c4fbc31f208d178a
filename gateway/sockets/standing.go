package sockets

import (
	"net/netip"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// standing is what is remembered of the network that a connection comes from. Where there
// is no room for all, whoever has the better one goes first. It decides about nothing else.
type standing int

const (
	unwelcome standing = iota // nothing good came from there, or a user who has too many connections
	unknown
	welcome // somebody from there got what he asked for
)

const standings = int(welcome) + 1

// RememberedNetworks is how many networks of each standing are remembered. Of more, those
// are forgotten of which nothing was heard for longest.
const RememberedNetworks = 4096

// reputation remembers the standing of networks. Whoever uses it holds the lock of the set.
type reputation struct {
	good, bad *simplelru.LRU[netip.Prefix, struct{}]
}

func newReputation() reputation {
	list := func() *simplelru.LRU[netip.Prefix, struct{}] {
		l, err := simplelru.NewLRU[netip.Prefix, struct{}](RememberedNetworks, nil)
		if err != nil {
			panic(err) // of a size that is not positive alone
		}
		return l
	}
	return reputation{good: list(), bad: list()}
}

func (r reputation) of(network netip.Prefix) standing {
	switch {
	case r.good.Contains(network):
		return welcome
	case r.bad.Contains(network):
		return unwelcome
	}
	return unknown
}

// praise notes that somebody from there got what he asked for.
func (r reputation) praise(network netip.Prefix) {
	r.bad.Remove(network)
	r.good.Add(network, struct{}{})
}

// blame notes that a login from there was refused, or that a connection had its time and
// was of no use. One mistake does not count against a network from which others log in.
func (r reputation) blame(network netip.Prefix) {
	if !r.good.Contains(network) {
		r.bad.Add(network, struct{}{})
	}
}

// banish notes that a user there has too many connections.
func (r reputation) banish(network netip.Prefix) {
	r.good.Remove(network)
	r.bad.Add(network, struct{}{})
}
