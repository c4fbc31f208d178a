// Package admin serves what those who run a gateway want to know of it and do to
// it, apart from the traffic: metrics, health, a status page, and on a socket of
// its own whatever changes something or shows names.
//
// Over TCP there is only reading, GET and HEAD, and only what may be read by
// everybody who can connect:
//
//	/metrics      for Prometheus
//	/livez        200 as long as the program answers
//	/readyz       200 while it accepts clients, 503 before and after
//	/status       a page, and the same as JSON for those who prefer it
//	/status.json  the same as JSON
//
// The Unix socket, which only its owner and group can connect to, has all this
// and besides
//
//	POST /reload        reads the configuration again
//	POST /purge         forgets remembered logins, of all or of ?user=NAME
//	POST /revoke        ends tokens
//	POST /tokens        makes a token that an account owns, POST /tokens/rotate
//	                    another in its place; POST /tokens/list and /tokens/show
//	                    tell of those that there are
//	GET  /why/ID        explains a refusal
//	GET  /debug/pprof/  profiles, if they are switched on
//
// There is no password. TCP is for loopback therefore, unless InsecureRemote says
// otherwise, and a browser must not become a way around that: a request whose
// Host is not the listener's own is refused, so that no page on the web can give
// its own name this address and read (DNS rebinding), and no answer lets pages of
// other origins in (CORS).
package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"gatehouse/gateway"
	"gatehouse/gateway/strict"
)

// Config is what a [Server] is made from.
type Config struct {
	// Listen is the address for reading over TCP, as host:port; empty for none.
	Listen string

	// InsecureRemote lets Listen be an address that others than this machine
	// can reach.
	InsecureRemote bool

	// Hosts are the names, besides loopback and the address itself, by which the
	// listener may be asked.
	Hosts []string

	// Socket is the path of the Unix socket; empty for none.
	Socket string

	// PProf serves profiles, on the socket and on loopback.
	PProf bool

	// ShowUsers lets the status page name users.
	ShowUsers bool

	// Version is of the program.
	Version string

	// Gateway is the one to tell about, and Metrics are what it counts.
	Gateway Gateway
	Metrics *gateway.Metrics

	// Configuration describes the one that is in use. It must not block.
	Configuration func() Configuration

	// Reload reads the configuration again and returns when it is in use, or
	// with what is wrong with it. Purge forgets the remembered logins of a user,
	// or of all for an empty name, in so many caches. Probe tries the servers of
	// the backend called name and returns what is to be shown of that as JSON, Why
	// the same of the refusal with that id. A nil one is not served.
	Reload func(ctx context.Context) error
	Purge  func(user string) (int, error)
	Probe  func(ctx context.Context, name string) (any, bool)
	Why    func(id string) (any, bool)

	// Tokens are made and ended over the socket; nil: they are not.
	Tokens Tokens

	// Log takes what goes wrong. Default: nothing.
	Log *slog.Logger
}

// Gateway is what a [Server] has to know of a gateway.
type Gateway interface {
	Stats() gateway.Stats
	Addrs() []net.Addr
	LastRefusals(n int) []gateway.Refusal
}

var _ Gateway = (*gateway.Gateway)(nil)

// Server serves what a Config describes. Make one with [New], then call Listen
// and Serve.
type Server struct {
	cfg     Config
	started time.Time
	page    *page
	history history
	tcp     *http.Server
	unix    *http.Server

	listeners []listener
	socket    os.FileInfo // that Listen has made
}

type listener struct {
	net.Listener
	at     net.Addr
	server *http.Server
}

// New checks cfg.
func New(cfg Config) (*Server, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if err := checkListen(cfg.Listen, cfg.InsecureRemote); err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, started: time.Now(), page: newPage()}
	s.history.add(sampleOf(s.started, cfg.Metrics.Totals()))
	s.tcp = s.newServer(s.guardTCP(s.reading(s.loopback())))
	s.unix = s.newServer(s.everything())
	return s, nil
}

// checkListen refuses an address for TCP that is malformed, or that others than
// this machine can reach without insecureRemote. Empty is no address.
func checkListen(address string, insecureRemote bool) error {
	if address == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("admin address %q: write it as host:port", address)
	}
	if !strict.IsLoopback(host) && !insecureRemote {
		return fmt.Errorf("admin address %q: whoever can connect may read, without a password: "+
			"listen on 127.0.0.1, or accept it with insecure_remote = true", address)
	}
	return nil
}

// loopback reports whether only this machine can connect over TCP.
func (s *Server) loopback() bool {
	host, _, err := net.SplitHostPort(s.cfg.Listen)
	return err == nil && strict.IsLoopback(host)
}

// Bounds of a request. A profile takes half a minute, and a reload asks
// directories.
const (
	headerTimeout = 10 * time.Second
	writeTimeout  = 3 * time.Minute
	idleTimeout   = time.Minute
	maxHeader     = 16 << 10
)

func (s *Server) newServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       headerTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelError),
		ConnContext:       withPeer,
	}
}

// Serve answers until Close is called. The error is nil if nothing else ended it.
func (s *Server) Serve() error {
	ctx, end := context.WithCancel(context.Background())
	var remembering sync.WaitGroup
	defer remembering.Wait()
	defer end()
	remembering.Go(func() { s.remember(ctx) })
	ended := make(chan error, len(s.listeners))
	for _, l := range s.listeners {
		go func() { ended <- l.server.Serve(l.Listener) }()
	}
	var errs []error
	for range s.listeners {
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			errs = append(errs, fmt.Errorf("admin: %w", err))
		}
	}
	return errors.Join(errs...)
}

// Close ends everything at once and removes the socket.
func (s *Server) Close() error {
	errs := []error{s.tcp.Close(), s.unix.Close(), s.removeSocket()}
	for _, l := range s.listeners {
		errs = append(errs, ignoreClosed(l.Close())) // if Serve was not called
	}
	return errors.Join(errs...)
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Addrs returns the addresses that Listen has opened.
func (s *Server) Addrs() []net.Addr {
	var all []net.Addr
	for _, l := range s.listeners {
		all = append(all, l.at)
	}
	return all
}
