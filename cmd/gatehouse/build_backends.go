package main

import (
	"cmp"
	"log/slog"

	"gatehouse/backend"
	"gatehouse/cmd/gatehouse/config"
)

// openBackends opens every [[backend]]. Those that are made of others come last,
// wherever they stand in the file.
func (a *assembly) openBackends(s surroundings) {
	var single, composite []int
	for i, c := range a.config.Backends {
		switch {
		case !a.checkBackend(i, c):
		case !a.config.IsComposite(c):
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
	t := backendTable{log: s.log, origin: a.config.Origin, index: i, report: &a.report, other: func(name string) backend.Backend { return a.stack(name).named }}
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
		a.report.Warnf(t.at("type"), "%s", text)
	}
}

// open makes the inner layers of what c describes, or goes on with those of before.
func (a *assembly) open(c config.Backend, t backendTable) error {
	name, source := c.Name(), a.source(t.index)
	s := a.stacks[name]
	if !a.takeOver(backendHolding(name), source) {
		return a.openInner(s, c, t, source)
	}
	before := a.before.stack(name)
	s.leaf, s.shield, s.named = before.leaf, before.shield, before.named
	// What it follows by itself it might not have read yet, or not be able to.
	if r, ok := s.leaf.(interface{ Reload() error }); ok {
		if err := r.Reload(); err != nil {
			kinds[c.Type()].report(t, err)
		}
	}
	return nil
}

// cache returns a cache in front of b, nil if it cannot be made, which is reported.
func (a *assembly) cache(b backend.Backend) *backend.Cache {
	c, err := backend.NewCache(b, cacheConfig(a.config))
	if err != nil {
		a.report.Errorf(a.config.Origin.At("cache"), "%v", err)
		return nil
	}
	return c
}

// cacheConfig returns how the cache of every backend is made.
func cacheConfig(c *config.Document) backend.CacheConfig {
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
