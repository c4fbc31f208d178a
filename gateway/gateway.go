package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"gatehouse/backend/fault"
	"gatehouse/gateway/record"
	"gatehouse/gateway/strict"
)

// Gateway is a running gateway. Make one with [New], give it addresses with
// [Gateway.Listen] and let it work with [Gateway.Serve].
type Gateway struct {
	cfg       Config // that New was given, with its defaults
	sites     *sites
	access    *record.Writer
	audits    auditLogs
	server    *server
	listeners []net.Listener

	reloading sync.Mutex // held by whoever replaces the site
	ended     bool       // there is no site any more
}

// New checks cfg and compiles it. It reports everything that is wrong with the
// routes at once. The backends stay the caller's to close, after Serve has
// returned or as Config.Released says.
func New(cfg Config) (*Gateway, error) {
	setDefaults(&cfg)
	if err := checkListen(cfg); err != nil {
		return nil, err
	}
	g := &Gateway{cfg: cfg, access: record.NewWriter(cfg.AccessOut, cfg.Log)}
	site, err := g.newSite(cfg, nil)
	if err != nil {
		g.access.Close()
		return nil, err
	}
	g.sites = newSites(site)
	g.server = newServer(g.sites, cfg.Log)
	if cfg.Metrics != nil {
		cfg.Metrics.gateway.Store(g)
	}
	return g, nil
}

// SetDefaults gives each field that is 0 its default.
func (t *Timeouts) SetDefaults() {
	for _, d := range []struct {
		value *time.Duration
		or    time.Duration
	}{
		{&t.Handshake, 10 * time.Second}, {&t.Header, 30 * time.Second}, {&t.Idle, 120 * time.Second},
		{&t.BodyIdle, 5 * time.Minute}, {&t.Connect, 10 * time.Second}, {&t.Response, time.Minute},
		{&t.UploadResponse, 15 * time.Minute}, {&t.Drain, 5 * time.Minute},
	} {
		*d.value = cmp.Or(*d.value, d.or)
	}
}

func setDefaults(cfg *Config) {
	cfg.Timeouts.SetDefaults()
	cfg.Limits.SetDefaults()
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.AccessOut == nil {
		cfg.AccessOut = os.Stdout
	}
}

// checkListen refuses to ask for passwords over a wire that others can read.
func checkListen(cfg Config) error {
	if len(cfg.Listen) == 0 {
		return errors.New("there is no address to listen on")
	}
	for _, address := range cfg.Listen {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return fmt.Errorf("listen address %q: give it as host:port or :port", address)
		}
		if cfg.TLS == nil && !cfg.InsecurePlaintext && !strict.IsLoopback(host) {
			return fmt.Errorf("listen address %q: passwords would cross the network readable: "+
				"configure a certificate, listen on 127.0.0.1, or accept it with insecure_plaintext = true", address)
		}
	}
	return nil
}

// Listen opens the configured addresses. It is separate from Serve so that a
// caller knows the addresses, which may have been given with port 0, and can give
// up privileges.
func (g *Gateway) Listen() error {
	for _, address := range g.cfg.Listen {
		l, err := net.Listen("tcp", address)
		if err != nil {
			for _, open := range g.listeners {
				open.Close()
			}
			return fault.Listener(fmt.Errorf("listen on %s: %w", address, err))
		}
		g.listeners = append(g.listeners, l)
	}
	return nil
}

// Inherit takes listeners that somebody else has opened, in place of Listen, and
// refuses those over which passwords would cross the network readable. A listener
// on a socket of the file system is as good as one on loopback.
func (g *Gateway) Inherit(listeners []net.Listener) error {
	for _, l := range listeners {
		if l.Addr().Network() == "unix" {
			continue
		}
		cfg := g.cfg
		cfg.Listen = []string{l.Addr().String()}
		if err := checkListen(cfg); err != nil {
			return fault.Listener(fmt.Errorf("inherited socket: %w", err))
		}
	}
	g.listeners = listeners
	return nil
}

// Addrs returns the addresses that Listen has opened, or Inherit has taken.
func (g *Gateway) Addrs() []net.Addr {
	addrs := make([]net.Addr, len(g.listeners))
	for i, l := range g.listeners {
		addrs[i] = l.Addr()
	}
	return addrs
}

// Serve carries out requests until ctx is done. From then on it accepts no new
// connection, and returns when the running requests have ended, which they may
// take Timeouts.Drain for; Close ends them at once. The error is nil if all of
// them ended by themselves.
func (g *Gateway) Serve(ctx context.Context) error {
	defer g.release()
	g.sites.current().limits.Tell(g.cfg.Log)
	return g.server.serve(ctx, g.listeners)
}

// Close ends all requests at once. It may be called at any time, also beside
// Serve, which then returns.
func (g *Gateway) Close() {
	for _, l := range g.listeners {
		l.Close()
	}
	g.server.close()
}

// release gives back what New has taken.
func (g *Gateway) release() {
	g.reloading.Lock()
	defer g.reloading.Unlock()
	if g.ended {
		return
	}
	g.ended = true
	site := g.sites.current()
	site.stopCertificate()
	site.leave()
	g.access.Close()
}
