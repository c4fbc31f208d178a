package assemble

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync/atomic"

	"gatehouse/backend/watch"
	"gatehouse/cmd/gatehouse/config"
)

// holding is something that is open, and shared by the assemblies that want the
// same: a reload goes on with it, with its connections and all that it remembers.
type holding struct {
	source watch.Sum
	thing  any
	users  atomic.Int64
}

// The names of holdings.
func backendHolding(name string) string { return "backend " + name }
func cacheHolding(name string) string   { return "cache " + name }

// hold notes that a has opened a thing, made from source, and has to close it.
func (a *Assembly) hold(name string, source watch.Sum, thing any) {
	h := &holding{source: source, thing: thing}
	h.users.Add(1)
	a.held[name] = h
}

// takeOver has a share what the assembly before it holds under name. It reports
// whether there is such a thing, and made from the same source.
func (a *Assembly) takeOver(name string, source watch.Sum) bool {
	if a.before == nil {
		return false
	}
	h := a.before.held[name]
	if h == nil || h.source != source {
		return false
	}
	h.users.Add(1)
	a.held[name] = h
	return true
}

// Close gives up what a holds. What no other assembly shares is closed, caches
// before the backends behind them.
func (a *Assembly) Close() error {
	var errs []error
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(a.held))) {
		h := a.held[name]
		if h.users.Add(-1) > 0 {
			continue
		}
		if closer, ok := h.thing.(io.Closer); ok {
			errs = append(errs, closer.Close())
		}
	}
	clear(a.held)
	return errors.Join(errs...)
}

// source returns the sum of all that the backend at index i is made from: its table,
// the files that this names, except for those that it follows itself, and the backends
// that it is made of, which are open.
func (a *Assembly) source(i int) watch.Sum {
	c := a.Config.Backends[i]
	h := sha256.New()
	fmt.Fprintf(h, "%#v\n", c)
	for _, path := range a.Config.FilesOf(i, config.Unfollowed) {
		fmt.Fprintf(h, "%q %x\n", path, watch.SumOf(path))
	}
	for _, m := range a.Config.Mentions(c) {
		if part := a.held[backendHolding(m.Name)]; part != nil {
			fmt.Fprintf(h, "%q %x\n", m.Name, part.source)
		}
	}
	return watch.Sum(h.Sum(nil))
}

// cacheSource returns the sum of all that the cache around the backend called name
// is made from.
func (a *Assembly) cacheSource(name string) watch.Sum {
	text := fmt.Sprintf("%#v %#v", cacheConfig(a.Config), a.Config.Flood)
	if inner := a.held[backendHolding(name)]; inner != nil {
		text += fmt.Sprintf(" %x", inner.source)
	}
	return sha256.Sum256([]byte(text))
}
