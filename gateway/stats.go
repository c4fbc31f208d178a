package gateway

import (
	"net"
	"net/http"
	"slices"
	"time"

	"gatehouse/gateway/sockets"
)

// State is how far a gateway has come.
type State string

// The states of a gateway, one after the other.
const (
	StateStarting State = "starting" // it does not accept clients yet
	StateServing  State = "serving"  // it does
	StateDraining State = "draining" // it does not accept clients any more
)

// states are indexed by what sites.state holds.
var states = [...]State{StateStarting, isServing: StateServing, isDraining: StateDraining}

const (
	isServing  = 1
	isDraining = 2
)

// Stats is what a gateway is doing at one moment.
type Stats struct {
	State   State
	Running int // requests that are being carried out

	Connections       int // of clients, in all
	MaxConnections    int // that there may be
	Handshakes        int // connections whose TLS handshake is under way
	IdleConnections   int // of HTTP/1, between two requests
	ActiveConnections int // of HTTP/1, with a request
	HTTP2Connections  int

	Undecided    int // requests that no rule has allowed yet, and refusals that have not been taken
	MaxUndecided int // that there may be

	CrowdedRequests    uint64 // that were turned away because there were too many
	CrowdedConnections uint64 // that were ended for it

	UpstreamActive  int // connections to upstreams that are in use
	UpstreamIdle    int // that nobody uses
	UpstreamWaiting int // requests that wait for one
	MaxUpstream     int // that may be in use

	// UpstreamRefused counts the requests that got no connection, by what there
	// were too many of: "total", "upstream" or "client".
	UpstreamRefused map[string]uint64
	StuckClients    uint64 // requests that ended because their client moved nothing while others waited

	AcceptErrors  uint64 // connections that could not be accepted
	Shed          uint64 // connections that were closed to make room for others
	SlowBodies    uint64 // requests that were cut off because their client was too slow
	AccessDropped uint64 // access records that were lost
	AuditDropped  uint64 // audit records that were lost

	// Delayed counts how often connections have waited that ask for more than is theirs, by
	// what for: "handshake" or "requests".
	Delayed map[string]uint64

	// Refused counts the connections that were closed before they had said
	// anything, by reason: "total", "address" or "proxy_header".
	Refused map[string]uint64

	Certificates []CertificateStats // that clients see

	Routes []RouteStats // in the order of the configuration
}

// RouteStats names a route and its rules, as metrics do.
type RouteStats struct {
	Name  string
	Rules []string // in order; for a registry the built-in one is the last
}

// CertificateStats says what a certificate is for, and until when.
type CertificateStats struct {
	Names    []string // at least one
	NotAfter time.Time
}

// Stats returns what the gateway is doing. It asks nobody.
func (g *Gateway) Stats() Stats {
	s := Stats{
		State:            states[g.sites.state.Load()],
		Running:          int(g.sites.running()),
		HTTP2Connections: int(g.server.over2.Load()),
		AcceptErrors:     g.server.acceptErrors.Load(),
		AccessDropped:    g.access.Lost(),
		Shed:             g.server.sockets.Shed(),
		Refused:          g.server.sockets.Refused(),
		Delayed:          g.server.sockets.Delayed(),
	}
	s.Connections, s.Handshakes = g.server.sockets.Counts()
	k := &g.sites.crowd
	s.Undecided, s.MaxUndecided = int(k.now.Load()), g.sites.current().limits.Undecided
	s.CrowdedRequests, s.CrowdedConnections = k.turned.Load(), k.cut.Load()
	s.addSlots(g.sites.current())
	s.SlowBodies = g.sites.slowBodies.Load()
	s.MaxConnections = g.sites.current().limits.Connections
	s.AuditDropped = g.audits.lost()
	s.Routes = g.sites.current().routeStats()
	s.IdleConnections, s.ActiveConnections = g.server.http1.count()
	if g.sites.current().cert != nil {
		s.Certificates = g.sites.current().cert.stats()
	}
	return s
}

// addSlots says how the connections to upstreams are.
func (s *Stats) addSlots(now *site) {
	k := now.slots.Stats()
	s.UpstreamActive, s.UpstreamWaiting, s.UpstreamIdle, s.MaxUpstream = k.Used, k.Waiting, k.Idle, now.limits.Slots.Total
	s.StuckClients, s.UpstreamRefused = k.Shed, k.Refused
}

func (s *site) routeStats() []RouteStats {
	var all []RouteStats
	for _, r := range s.routes {
		all = append(all, RouteStats{Name: r.name, Rules: r.policy.RuleNames()})
	}
	return all
}

// stats describes the certificate for the next handshake.
func (c *certificate) stats() []CertificateStats {
	var all []CertificateStats
	for _, pair := range c.config.Load().Certificates {
		names := slices.Clone(pair.Leaf.DNSNames) // others append to it too
		for _, ip := range pair.Leaf.IPAddresses {
			names = append(names, ip.String())
		}
		if len(names) == 0 {
			names = []string{pair.Leaf.Subject.CommonName}
		}
		all = append(all, CertificateStats{Names: names, NotAfter: pair.Leaf.NotAfter})
	}
	return all
}

// count returns how many connections wait for a request, and how many have one.
func (s *http1Server) count() (idle, active int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		if c.isActive() {
			active++
		} else {
			idle++
		}
	}
	return idle, active
}

func (c *http1Conn) isActive() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.active
}

// countHTTP2 follows how many connections of HTTP/2 there are.
func (s *server) countHTTP2(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.over2.Add(1)
	case http.StateActive:
		sockets.Of(c).SetWaiting(false)
	case http.StateIdle:
		sockets.Of(c).SetWaiting(true)
	case http.StateClosed:
		s.over2.Add(-1)
		s.sites.arrivals.done(c)
	}
}
