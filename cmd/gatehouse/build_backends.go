package main

import (
	"cmp"
	"log/slog"

	"gatehouse/backend"
)

// openBackends opens every [[backend]]. Those that are made of others come last,
// wherever they stand in the file.
func (a *assembly) openBackends(s surroundings) {
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
		a.openBackend(i, s)
	}
}

// openBackend opens the backend at index i. Without a log, what it would log is
// in the report.
func (a *assembly) openBackend(i int, s surroundings) {
	collected := &warningLog{}
	t := backendTable{log: s.log, origin: a.config.origin, index: i, report: &a.report, others: a.backends}
	if s.log == nil {
		t.log = slog.New(collected)
	}
	if s.metrics != nil {
		t.observe = s.metrics.Operation(a.config.Backends[i].Name())
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
	name, source := c.Name(), a.source(t.index)
	if a.takeOver(backendHolding(name), source) {
		a.bare[name], a.backends[name] = a.before.bare[name], a.before.backends[name]
		if s, ok := a.before.shields[name]; ok {
			a.shields[name] = s
		}
		// What it follows by itself it might not have read yet, or not be able to.
		if r, ok := a.bare[name].(interface{ Reload() error }); ok {
			if err := r.Reload(); err != nil {
				t.reportFiles(err)
			}
		}
		return nil
	}
	b, err := kinds[c.Type()].open(c, t)
	if b == nil || err != nil {
		return err
	}
	a.hold(backendHolding(name), source, b)
	a.bare[name] = b
	if b, err = a.shield(c, b); err != nil {
		return err
	}
	a.backends[name] = backend.Named(name, b)
	return nil
}

// cached returns the one cache in front of the backend called name, which is open.
func (a *assembly) cached(name string) *backend.Cache {
	b := a.backends[name]
	if c := a.caches[name]; c != nil {
		return c
	}
	source := a.cacheSource(name)
	if a.takeOver(cacheHolding(name), source) {
		a.caches[name] = a.before.caches[name]
		if f, ok := a.before.floods[name]; ok {
			a.floods[name] = f
		}
		return a.caches[name]
	}
	b, err := a.limit(name, b)
	if err != nil {
		a.report.errorf(a.config.origin.at("flood"), "%v", err)
		return nil
	}
	c, err := backend.NewCache(b, a.config.cacheConfig())
	if err != nil {
		a.report.errorf(a.config.origin.at("cache"), "%v", err)
		return nil
	}
	a.hold(cacheHolding(name), source, c)
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
