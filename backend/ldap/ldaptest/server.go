// Package ldaptest is an LDAP directory inside the process, for tests and
// demonstrations.
//
// A [Server] speaks LDAP over TCP, TLS, StartTLS and a local socket, and
// evaluates what it is asked for real: filters, scopes, limits, pages, ranges
// of values, password policies. It keeps a record of every request, and does
// on command what no good server does: see [Fault].
package ldaptest

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
)

// Config is what a [Server] is made from.
type Config struct {
	// Entries is the content at the start. See [Server.Set] for changes.
	Entries []Entry

	// Anonymous lets clients search that are not bound.
	Anonymous bool

	// Readers are the only names that may search, where there are any.
	Readers []string

	// ActiveDirectory answers as that does: memberOf and tokenGroups are there
	// without being stored, and diagnostics carry its codes.
	ActiveDirectory bool

	// Domain is the name of the domain that the server is a controller of, which the
	// root DSE tells.
	Domain string

	// Catalog answers as the port of a global catalog does: there is a subtree of
	// everything, and tokenGroups and pwdLastSet have no value;
	// tokenGroupsGlobalAndUniversal leaves domain-local groups out.
	Catalog bool

	// Configuration is the name of the configuration partition, which the root DSE
	// tells. What is in it has to be among the Entries.
	Configuration string

	// SizeLimit is the greatest number of entries that one search returns,
	// all its pages together. 0 means no limit.
	SizeLimit int

	// MaxValues is the greatest number of values of an attribute that one
	// answer has; what follows is asked for by ranges. 0 means no limit.
	MaxValues int

	// External is the name that a SASL EXTERNAL bind of a client with a
	// certificate, or on the local socket, takes on.
	External string

	// Certificate is what the server shows. Default: one that [Server.CA]
	// signs, for localhost, 127.0.0.1 and directory.example.
	Certificate *tls.Certificate

	// MaxTLSVersion limits the protocol, for tests of old servers.
	MaxTLSVersion uint16

	// CipherSuites are those that the server has up to TLS 1.2. Default: those of Go.
	CipherSuites []uint16

	// LDAPS is the address to listen on for ldaps. Default: a free port of 127.0.0.1.
	LDAPS string

	// Socket is the path of a local socket to listen on as well.
	Socket string
}

// Server is a directory. All its methods may be called from any goroutine.
type Server struct {
	config    Config
	authority *Authority
	tls       *tls.Config
	addresses map[string]string // by scheme
	wg        sync.WaitGroup

	mu        sync.Mutex
	tree      tree
	removals  map[string]int // of entries, by their folded names
	listeners []net.Listener
	conns     map[*conn]bool
	opened    int
	requests  []Request
	fault     func(Request) Fault
	hidden    []string      // attributes that nobody may read
	released  chan struct{} // closed when hanging handlers are to end
}

// New starts a directory, on free ports of 127.0.0.1 unless c says where.
func New(c Config) (*Server, error) {
	authority, err := NewAuthority("directory test CA")
	if err != nil {
		return nil, err
	}
	s := &Server{
		config:    c,
		authority: authority,
		tree:      tree{},
		removals:  map[string]int{},
		conns:     map[*conn]bool{},
		addresses: map[string]string{"ldap": "127.0.0.1:0", "ldaps": "127.0.0.1:0"},
		fault:     func(Request) Fault { return Fault{} },
	}
	if c.LDAPS != "" {
		s.addresses["ldaps"] = c.LDAPS
	}
	if c.Socket != "" {
		s.addresses["ldapi"] = c.Socket
	}
	if c.Certificate == nil {
		cert, err := authority.Issue("localhost", "127.0.0.1", "directory.example")
		if err != nil {
			return nil, err
		}
		c.Certificate = &cert
	}
	s.tls = &tls.Config{
		Certificates: []tls.Certificate{*c.Certificate},
		ClientAuth:   tls.RequestClientCert,
		MaxVersion:   c.MaxTLSVersion,
		CipherSuites: c.CipherSuites,
		MinVersion:   tls.VersionTLS10,
	}
	for _, e := range c.Entries {
		if err := s.Set(e); err != nil {
			return nil, err
		}
	}
	return s, s.Start()
}

// Start listens again, on the addresses that the server had before [Server.Stop].
func (s *Server) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.released = make(chan struct{})
	for scheme, address := range s.addresses {
		network := "tcp"
		if scheme == "ldapi" {
			network = "unix"
		}
		l, err := net.Listen(network, address)
		if err != nil {
			return fmt.Errorf("listen on %s: %w", address, err)
		}
		s.addresses[scheme] = l.Addr().String()
		s.listeners = append(s.listeners, l)
		s.wg.Go(func() { s.accept(l, scheme) })
	}
	return nil
}

// Stop refuses new connections and closes those that there are.
func (s *Server) Stop() {
	s.mu.Lock()
	for _, l := range s.listeners {
		l.Close()
	}
	s.listeners = nil
	select {
	case <-s.released:
	default:
		close(s.released)
	}
	s.mu.Unlock()
	s.CloseConnections()
	s.wg.Wait()
}

// Close stops the server for good.
func (s *Server) Close() { s.Stop() }

// CloseConnections closes every connection that there is now.
func (s *Server) CloseConnections() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.raw.Close()
	}
}

// URL returns the address of the server for a scheme: ldap, ldaps or ldapi.
func (s *Server) URL(scheme string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if scheme == "ldapi" {
		return "ldapi://" + s.addresses[scheme]
	}
	return scheme + "://" + s.addresses[scheme]
}

// CA returns the authority that signed the server's certificate.
func (s *Server) CA() *Authority { return s.authority }

// OnRequest has f called with every request from now on, to say what is to go
// wrong. nil ends that.
func (s *Server) OnRequest(f func(Request) Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f == nil {
		f = func(Request) Fault { return Fault{} }
	}
	s.fault = f
}

// Requests returns all requests so far, in order.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Forget empties the record of requests.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = nil
}

// Count returns how many requests of a kind there were.
func (s *Server) Count(k Kind) int {
	n := 0
	for _, r := range s.Requests() {
		if r.Kind == k {
			n++
		}
	}
	return n
}

// Open returns how many connections are open.
func (s *Server) Open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

func (s *Server) accept(l net.Listener, scheme string) {
	for {
		raw, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		c := s.admit(raw, scheme)
		s.wg.Go(c.serve)
	}
}

func (s *Server) admit(raw net.Conn, scheme string) *conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened++
	c := &conn{server: s, raw: raw, net: raw, scheme: scheme, number: s.opened, released: s.released}
	s.conns[c] = true
	return c
}

// note records a request and returns what is to go wrong with it.
func (s *Server) note(r Request) Fault {
	s.mu.Lock()
	s.requests = append(s.requests, r)
	f := s.fault
	s.mu.Unlock()
	return f(r)
}
