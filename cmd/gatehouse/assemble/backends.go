package assemble

import (
	"cmp"
	"log/slog"

	"gatehouse/backend"
	"gatehouse/cmd/gatehouse/config"
)

// openBackends opens every [[backend]]. Those that are made of others come last,
// wherever they stand in the file.
func (a *Assembly) openBackends(s Surroundings) {
	var single, composite []int
	for i, c := range a.Config.Backends {
		switch {
		case !a.checkBackend(i, c):
		case !a.Config.IsComposite(c):
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
func (a *Assembly) openBackend(i int, s Surroundings) {
	collected := &warningLog{}
	t := backendTable{log: s.Log, origin: a.Config.Origin, index: i, report: &a.Report, other: func(name string) backend.Backend { return a.Stack(name).named }}
	if s.Log == nil {
		t.log = slog.New(collected)
	}
	if s.Metrics != nil {
		t.observe = s.Metrics.Operation(a.Config.Backends[i].Name())
	}
	if err := a.open(a.Config.Backends[i], t); err != nil {
		t.errorf("type", "%v", err)
	}
	for _, text := range collected.take() {
		a.Report.Warnf(t.at("type"), "%s", text)
	}
}

// open makes the inner layers of what c describes, or goes on with those of before.
func (a *Assembly) open(c config.Backend, t backendTable) error {
	name, source := c.Name(), a.source(t.index)
	s := a.stacks[name]
	if !a.takeOver(backendHolding(name), source) {
		return a.openInner(s, c, t, source)
	}
	before := a.before.Stack(name)
	s.Leaf, s.Shield, s.named = before.Leaf, before.Shield, before.named
	// What it follows by itself it might not have read yet, or not be able to.
	if r, ok := s.Leaf.(interface{ Reload() error }); ok {
		if err := r.Reload(); err != nil {
			kinds[c.Type()].report(t, err)
		}
	}
	return nil
}

// cache returns a cache in front of b, nil if it cannot be made, which is reported.
func (a *Assembly) cache(b backend.Backend) *backend.Cache {
	c, err := backend.NewCache(b, cacheConfig(a.Config))
	if err != nil {
		a.Report.Errorf(a.Config.Origin.At("cache"), "%v", err)
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
		DiesWith:    diesWith(c),
	}
}
