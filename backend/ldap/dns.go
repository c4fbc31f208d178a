package ldap

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"gatehouse/backend/fault"
)

// DNS is asked again after these times. For how long an answer of it holds, the
// resolver of Go does not tell.
const (
	resolveEvery = time.Minute
	resolveSoon  = 5 * time.Second // after the start, and after a failure
	resolveAgain = time.Second     // between one question and the next, at least
)

// record is what DNS said of a name.
type record struct {
	answer  []address
	failure string // of the last question; empty if it was answered
}

// isNamed reports whether DNS says where any of the servers is.
func (d *directory) isNamed() bool { return slices.ContainsFunc(d.configured, address.isNamed) }

// followDNS has DNS asked until the directory is closed: now and then, and at once
// where a server has failed, since another one may have its name by now.
func (d *directory) followDNS() {
	for {
		wait := resolveSoon
		if d.isResolved() {
			wait = resolveEvery
		}
		select {
		case <-d.ctx.Done():
			return
		case <-d.outdated:
		case <-time.After(wait):
		}
		d.guard(func() { d.resolve(d.ctx) })
	}
}

// isResolved reports whether DNS answered all questions when it was last asked.
func (d *directory) isResolved() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.asked.IsZero() && !d.incomplete
}

// resolve has DNS asked, once for all who wait and unless it was asked a moment ago,
// and returns the servers. No more than the wait for the answer ends with ctx: who
// goes away must not make the question fail for the others.
func (d *directory) resolve(ctx context.Context) []*server {
	d.mu.Lock()
	recent := time.Since(d.asked) < resolveAgain
	d.mu.Unlock()
	if !recent && d.isNamed() {
		answer := d.lookups.DoChan("", func() (any, error) { d.guard(d.lookUp); return nil, nil })
		select {
		case <-answer:
		case <-ctx.Done():
		}
	}
	return d.known()
}

// resolveNow is resolve for a question that all known servers have failed: it waits no
// longer than finding out about a server may take.
func (d *directory) resolveNow(ctx context.Context) []*server {
	ctx, cancel := context.WithTimeout(ctx, d.config.aliveTimeout)
	defer cancel()
	return d.resolve(ctx)
}

// lookUp asks DNS about all names. One that it says nothing about keeps the servers
// that it had.
func (d *directory) lookUp() {
	ctx, cancel := context.WithTimeout(d.ctx, d.config.ConnectTimeout)
	defer cancel()
	d.mu.Lock()
	d.incomplete = false
	d.mu.Unlock()
	d.replace(inParallel(d.configured, func(a address) []address {
		if !a.isSRV() {
			return d.lookUpHost(ctx, a)
		}
		targets := d.record(ctx, a, d.config.names.servers)
		return inParallel(targets, func(a address) []address { return d.lookUpHost(ctx, a) })
	}))
}

// inParallel returns what f makes of all addresses, in their order and each once.
func inParallel(of []address, f func(address) []address) []address {
	found := make([][]address, len(of))
	var wg sync.WaitGroup
	for i, a := range of {
		wg.Go(func() { found[i] = f(a) })
	}
	wg.Wait()
	var all []address
	for _, a := range slices.Concat(found...) {
		if !slices.Contains(all, a) {
			all = append(all, a)
		}
	}
	return all
}

// lookUpHost returns the addresses of a server. One that never had any is asked by
// its name, so that its failure shows where failures of servers do.
func (d *directory) lookUpHost(ctx context.Context, a address) []address {
	if !a.isNamed() {
		return []address{a}
	}
	if found := d.record(ctx, a, d.hostAddresses); len(found) > 0 {
		return found
	}
	return []address{a}
}

// hostAddresses asks DNS for the addresses of a server. It tells them in turn: those
// that are known keep their order, so that connections are not given up for others
// every minute.
func (d *directory) hostAddresses(ctx context.Context, a address) ([]address, error) {
	found, err := d.config.names.addresses(ctx, a)
	d.mu.Lock()
	known := d.records[a].answer
	d.mu.Unlock()
	rank := func(a address) int {
		if i := slices.Index(known, a); i >= 0 {
			return i
		}
		return len(known)
	}
	slices.SortStableFunc(found, func(a, b address) int { return rank(a) - rank(b) })
	return found, err
}

// record asks DNS about one name, and returns what it says, or what it said last
// where it says nothing.
func (d *directory) record(ctx context.Context, of address, ask func(context.Context, address) ([]address, error)) []address {
	var answer []address
	err := guarded(func() (err error) { answer, err = ask(ctx, of); return err })
	d.mu.Lock()
	defer d.mu.Unlock()
	old := d.records[of]
	if err == nil {
		d.records[of] = record{answer: answer}
		return answer
	}
	d.incomplete = true
	if text := err.Error(); text != old.failure && d.ctx.Err() == nil {
		d.config.Log.Warn("servers of the directory not looked up; those known stay in use",
			slog.Any("error", err), slog.String(fault.Attr, string(fault.Of(err))))
		d.records[of] = record{old.answer, text}
	}
	return old.answer
}

// replace puts new addresses to use. A server that is named again keeps its
// connections and its breaker.
func (d *directory) replace(addresses []address) {
	d.mu.Lock()
	old := d.servers
	d.asked = time.Now()
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
			d.servers = append(d.servers, d.newServer(a))
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
