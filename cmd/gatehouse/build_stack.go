package main

import (
	"gatehouse/backend"
	"gatehouse/backend/watch"
	"gatehouse/cmd/gatehouse/config"
)

// A stack is a backend with all that stands around it, from the inside to the outside. A
// layer that there is none of is nil.
//
//	leaf    as its kind has opened it; that of a chain asks the named of others
//	shield  keeps guesses from locking accounts
//	named   has identities say which backend vouched for them
//	flood   bounds how many logins fail
//	cache   remembers answers
//	floor   has all refusals take equally long
//
// Every backend has the inner three, since chains use them. One that routes name has the
// outer three, too, which these routes share.
type stack struct {
	leaf   backend.Backend
	shield *backend.Shield
	named  backend.Backend
	flood  *backend.Flood
	cache  *backend.Cache
	floor  *backend.Floor
}

// guarded is the leaf, behind its shield if there is one.
func (s *stack) guarded() backend.Backend {
	if s.shield != nil {
		return s.shield
	}
	return s.leaf
}

// throttled is named, behind its flood control if there is one.
func (s *stack) throttled() backend.Backend {
	if s.flood != nil {
		return s.flood
	}
	return s.named
}

// served is what routes use: the cache, behind its floor if there is one.
func (s *stack) served() backend.Backend {
	if s.floor != nil {
		return s.floor
	}
	return s.cache
}

// stack returns that of the backend called name, which has no layer if there is no such
// backend, or if it could not be opened.
func (a *assembly) stack(name string) *stack {
	if s := a.stacks[name]; s != nil {
		return s
	}
	return &stack{}
}

// stackBefore is stack for the configuration of before, if there was one.
func (a *assembly) stackBefore(name string) *stack {
	if a.before == nil {
		return &stack{}
	}
	return a.before.stack(name)
}

// openInner makes the inner layers for the table c, whose source was read before. Without
// an error there may be none: what is wrong has been reported then.
func (a *assembly) openInner(s *stack, c config.Backend, t backendTable, source watch.Sum) error {
	leaf, err := kinds[c.Type()].open(c, t)
	if leaf == nil || err != nil {
		return err
	}
	s.leaf = leaf
	a.hold(backendHolding(c.Name()), source, leaf)
	if s.shield, err = a.shield(c, leaf); err != nil {
		return err
	}
	s.named = backend.Named(c.Name(), s.guarded())
	return nil
}

// openOuter makes the outer layers around the inner ones. What is wrong with one of them
// has been reported, and nothing is served then.
func (a *assembly) openOuter(s *stack, name string) {
	if source := a.cacheSource(name); a.takeOver(cacheHolding(name), source) {
		before := a.before.stack(name)
		s.flood, s.cache = before.flood, before.cache
	} else {
		s.flood = a.flood(s.named)
		if s.cache = a.cache(s.throttled()); s.cache == nil {
			return
		}
		a.hold(cacheHolding(name), source, s.cache)
	}
	s.floor = a.floor(name, s.cache)
}

// served returns the backend called name as routes use it, nil if it could not be opened.
func (a *assembly) served(name string) backend.Backend {
	s := a.stack(name)
	if s.named != nil && s.cache == nil {
		a.openOuter(s, name)
	}
	if s.cache == nil {
		return nil
	}
	return s.served()
}
