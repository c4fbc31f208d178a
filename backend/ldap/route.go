package ldap

import (
	"context"
	"sync/atomic"
	"time"
)

// A route keeps all questions about one login at one server, where that can
// answer: others may not yet have what this one has, such as a new password.
type route struct{ to atomic.Pointer[server] }

type routeKey struct{}

// routeTTL is how long it is remembered which server a user was found at.
const routeTTL = time.Minute

func routeOf(ctx context.Context) *route {
	r, _ := ctx.Value(routeKey{}).(*route)
	return r
}

func (r *route) server() *server {
	if r == nil {
		return nil
	}
	return r.to.Load()
}

// took notes which server answered.
func (r *route) took(s *server) {
	if r != nil {
		r.to.Store(s)
	}
}

// startRoute returns a context for questions that go to one server, any.
func (b *Backend) startRoute(ctx context.Context) context.Context {
	if !b.config.Spread {
		return ctx
	}
	return context.WithValue(ctx, routeKey{}, &route{})
}

// keepRoute remembers the server at which the entry with a handle was found.
func (b *Backend) keepRoute(ctx context.Context, handle string) {
	if s := routeOf(ctx).server(); s != nil {
		b.routes.put(handle, s, time.Now())
	}
}

// sameRoute returns a context for questions that go to the server at which the
// entry with a handle was found.
func (b *Backend) sameRoute(ctx context.Context, handle string) context.Context {
	if !b.config.Spread || routeOf(ctx) != nil {
		return ctx
	}
	s, _ := b.routes.get(handle)
	r := &route{}
	r.took(s)
	return context.WithValue(ctx, routeKey{}, r)
}
