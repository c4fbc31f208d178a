package assemble

import (
	"gatehouse/backend"
	"gatehouse/backend/watch"
	"gatehouse/cmd/gatehouse/config"
)

// A Stack is a backend with all that stands around it, from the inside to the outside. A
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
type Stack struct {
	Leaf   backend.Backend
	Shield *backend.Shield
	named  backend.Backend
	flood  *backend.Flood
	Cache  *backend.Cache
	floor  *backend.Floor
}

// guarded is the leaf, behind its shield if there is one.
func (s *Stack) guarded() backend.Backend {
	if s.Shield != nil {
		return s.Shield
	}
	return s.Leaf
}

// throttled is named, behind its flood control if there is one.
func (s *Stack) throttled() backend.Backend {
	if s.flood != nil {
		return s.flood
	}
	return s.named
}

// served is what routes use: the cache, behind its floor if there is one.
func (s *Stack) served() backend.Backend {
	if s.floor != nil {
		return s.floor
	}
	return s.Cache
}

// Stack returns that of the backend called name, which has no layer if there is no such
// backend, or if it could not be opened.
func (a *Assembly) Stack(name string) *Stack {
	if s := a.stacks[name]; s != nil {
		return s
	}
	return &Stack{}
}

// stackBefore is stack for the configuration of before, if there was one.
func (a *Assembly) stackBefore(name string) *Stack {
	if a.before == nil {
		return &Stack{}
	}
	return a.before.Stack(name)
}

// openInner makes the inner layers for the table c, whose source was read before. Without
// an error there may be none: what is wrong has been reported then.
func (a *Assembly) openInner(s *Stack, c config.Backend, t backendTable, source watch.Sum) error {
	leaf, err := kinds[c.Type()].open(c, t)
	if leaf == nil || err != nil {
		return err
	}
	s.Leaf = leaf
	a.hold(backendHolding(c.Name()), source, leaf)
	if s.Shield, err = a.shield(c, leaf); err != nil {
		return err
	}
	s.named = backend.Named(c.Name(), s.guarded())
	return nil
}

// openOuter makes the outer layers around the inner ones. What is wrong with one of them
// has been reported, and nothing is served then.
func (a *Assembly) openOuter(s *Stack, name string) {
	if source := a.cacheSource(name); a.takeOver(cacheHolding(name), source) {
		before := a.before.Stack(name)
		s.flood, s.Cache = before.flood, before.Cache
	} else {
		s.flood = a.flood(s.named)
		if s.Cache = a.cache(s.throttled()); s.Cache == nil {
			return
		}
		a.hold(cacheHolding(name), source, s.Cache)
	}
	s.floor = a.floor(name, s.Cache)
}

// served returns the backend called name as routes use it, nil if it could not be opened.
func (a *Assembly) served(name string) backend.Backend {
	s := a.Stack(name)
	if s.named != nil && s.Cache == nil {
		a.openOuter(s, name)
	}
	if s.Cache == nil {
		return nil
	}
	return s.served()
}
