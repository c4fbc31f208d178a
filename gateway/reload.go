package gateway

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"gatehouse/backend/fault"
)

// ErrNeedsRestart is wrapped by the errors of [Gateway.Reload] about what only a new
// process can change.
var ErrNeedsRestart = fault.Kind("reload.needs_restart", "needs a restart")

// Reload puts cfg in the place of the configuration that g has, all of it at once:
// requests that begin after Reload has returned are carried out under cfg, those
// that run already end under what they began with, and none under a mixture. No
// connection is closed. If Reload fails, nothing has changed.
//
// Upstreams that are described as before keep their connections. The certificate is
// read anew. AccessOut and Log stay those that New was given. A change of Listen, or
// from TLS to none or back, is refused with [ErrNeedsRestart]. Timeouts of HTTP/2 are
// those of the time when its connection was made.
//
// Reload may be called at any time and from any goroutine.
func (g *Gateway) Reload(cfg Config) error {
	g.reloading.Lock()
	defer g.reloading.Unlock()
	if g.ended {
		return fault.With("reload.stopping", errors.New("reload: the gateway has ended"))
	}
	setDefaults(&cfg)
	cfg.AccessOut, cfg.Log = g.cfg.AccessOut, g.cfg.Log
	if err := errors.Join(checkFixed(g.cfg, cfg), checkListen(cfg)); err != nil {
		return err
	}
	before := g.sites.current()
	next, err := g.newSite(cfg, before)
	if err != nil {
		return err
	}
	g.sites.replace(next)
	if next.cert != before.cert {
		before.stopCertificate()
	}
	return nil
}

// checkFixed refuses changes of what has been done when New and Listen returned.
func checkFixed(old, new Config) error {
	var errs []error
	if a, b := slices.Sorted(slices.Values(old.Listen)), slices.Sorted(slices.Values(new.Listen)); !slices.Equal(a, b) {
		errs = append(errs, fmt.Errorf("changing listen from %s to %s %w", strings.Join(a, " "), strings.Join(b, " "), ErrNeedsRestart))
	}
	switch {
	case old.TLS == nil && new.TLS != nil:
		errs = append(errs, fmt.Errorf("changing from plain HTTP to TLS %w", ErrNeedsRestart))
	case old.TLS != nil && new.TLS == nil:
		errs = append(errs, fmt.Errorf("changing from TLS to plain HTTP %w", ErrNeedsRestart))
	}
	return errors.Join(errs...)
}

// newSite compiles cfg, with what stays from the site before it, which is nil the
// first time.
func (g *Gateway) newSite(cfg Config, before *site) (*site, error) {
	cfg.AccessOut = g.access
	next, err := newSite(cfg, before)
	if err != nil {
		return nil, err
	}
	if err := next.openCertificate(cfg.TLS, before); err != nil {
		next.close()
		return nil, err
	}
	g.audits.add(cfg.Audit)
	return next, nil
}

// openCertificate gives s its certificate. One of the same files is taken over from
// the site before, and has the new content for the next handshake.
func (s *site) openCertificate(files *TLS, before *site) (err error) {
	switch {
	case files == nil:
		return nil
	case before == nil || before.cert.files != *files:
		s.cert, err = newCertificate(*files, s.log)
		return err
	}
	s.cert = before.cert
	return s.cert.load()
}

func (s *site) stopCertificate() {
	if s.cert != nil {
		s.cert.stop()
	}
}
