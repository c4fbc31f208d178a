package ldap

import (
	"context"
	"log/slog"
	"slices"
	"time"
)

// Servers are looked up again after these times. A change of DNS counts within a
// minute, since housekeeping has a beat of its own.
const (
	resolveEvery = 45 * time.Second
	resolveAgain = time.Second // after a failure
)

func (d *directory) asksDNS() bool {
	return slices.ContainsFunc(d.config.URLs, func(url string) bool {
		a, err := parseAddress(url)
		return err == nil && a.isSRV()
	})
}

// resolve has DNS asked, once for all who wait, and returns the servers. No more
// than the wait for the answer ends with ctx: who goes away must not make the
// question fail for the others.
func (d *directory) resolve(ctx context.Context) []*server {
	answer := d.lookups.DoChan("", func() (any, error) { return nil, d.lookUp() })
	select {
	case <-answer:
	case <-ctx.Done():
	}
	return d.known()
}

// lookUp asks DNS. A failure leaves the servers as they were.
func (d *directory) lookUp() error {
	d.mu.Lock()
	recent := time.Since(d.resolved) <= resolveEvery
	d.mu.Unlock()
	if recent {
		return nil
	}
	ctx, cancel := context.WithTimeout(d.ctx, d.config.ConnectTimeout)
	defer cancel()
	addresses, err := d.addresses(ctx)
	if err != nil {
		d.config.Log.Warn("servers of the directory not looked up; those known stay in use", slog.Any("error", err))
		d.mu.Lock()
		defer d.mu.Unlock()
		d.resolved = time.Now().Add(resolveAgain - resolveEvery)
		return err
	}
	d.replace(addresses)
	return nil
}

func (d *directory) addresses(ctx context.Context) ([]address, error) {
	var all []address
	for _, url := range d.config.URLs {
		a, err := parseAddress(url)
		if err != nil {
			return nil, err
		}
		found := []address{a}
		if a.isSRV() {
			if found, err = a.resolve(ctx, d.lookup); err != nil {
				return nil, err
			}
		}
		for _, a := range found {
			if !slices.Contains(all, a) {
				all = append(all, a)
			}
		}
	}
	return all, nil
}

// replace puts new addresses to use. A server that is named again keeps its
// connections and its breaker.
func (d *directory) replace(addresses []address) {
	d.mu.Lock()
	old := d.servers
	d.resolved = time.Now()
	if d.ctx.Err() != nil {
		d.mu.Unlock()
		return
	}
	d.servers = nil
	for _, a := range addresses {
		i := slices.IndexFunc(old, func(s *server) bool { return s.address == a })
		if i >= 0 {
			d.servers = append(d.servers, old[i])
		} else {
			d.servers = append(d.servers, newServer(d.ctx, a, d.config, d.trust, d.account))
		}
	}
	servers := d.servers
	d.mu.Unlock()
	for _, s := range old {
		if !slices.Contains(servers, s) {
			s.close()
		}
	}
}
