package main

import (
	"cmp"
	"io"
	"log/slog"

	"gatehouse/backend"
)

// openBackends opens every [[backend]]. Those that are made of others come last,
// wherever they stand in the file.
func (a *assembly) openBackends(log *slog.Logger) {
	var single, composite []int
	for i, c := range a.config.Backends {
		switch {
		case !a.checkBackend(i, c):
		case !c.isComposite():
			single = append(single, i)
		default:
			composite = append(composite, i)
		}
	}
	for _, i := range append(single, composite...) {
		a.openBackend(i, log)
	}
}

// openBackend opens the backend at index i. Without a log, what it would log is
// in the report.
func (a *assembly) openBackend(i int, log *slog.Logger) {
	collected := &warningLog{}
	t := backendTable{log: log, origin: a.config.origin, index: i, report: &a.report, others: a.backends}
	if log == nil {
		t.log = slog.New(collected)
	}
	if err := a.open(a.config.Backends[i], t); err != nil {
		t.errorf("type", "%v", err)
	}
	for _, text := range collected.take() {
		a.report.warnf(t.at("type"), "%s", text)
	}
}

// open makes what c describes. All that a backend has around it wherever it is
// used, in a chain or by a route, is put there here; see cached for the rest.
func (a *assembly) open(c BackendConfig, t backendTable) error {
	b, err := kinds[c.Type()].open(c, t)
	if b == nil || err != nil {
		return err
	}
	if closer, ok := b.(io.Closer); ok {
		a.closers = append(a.closers, closer)
	}
	a.bare[c.Name()] = b
	a.backends[c.Name()] = backend.Named(c.Name(), b)
	return nil
}

// cached returns the backend called name behind the one cache that all routes
// share which use it, and nil if it could not be opened.
func (a *assembly) cached(name string) backend.Backend {
	b := a.backends[name]
	if b == nil {
		return nil
	}
	if c := a.caches[name]; c != nil {
		return c
	}
	c, err := backend.NewCache(b, a.config.cacheConfig())
	if err != nil {
		a.report.errorf(a.config.origin.at("cache"), "%v", err)
		return nil
	}
	a.caches[name] = c
	return c
}

// cacheConfig returns how the cache of every backend is made.
func (c *Config) cacheConfig() backend.CacheConfig {
	return backend.CacheConfig{
		Size:        c.Cache.Size,
		TTL:         c.Cache.TTL.Duration,
		GroupsTTL:   c.Cache.GroupsTTL.Duration,
		NegativeTTL: c.Cache.NegativeTTL.Duration,
		Stale:       c.Cache.Stale.Duration,
		Revalidate:  cmp.Or(c.Cache.Revalidate.Duration, -1),
		Timeout:     c.Timeouts.Login.Duration,
	}
}
