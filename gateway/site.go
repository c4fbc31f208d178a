package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"gatehouse/backend"
)

// site is what a gateway serves: all of its configuration that a request can
// meet. But for the count, it does not change.
type site struct {
	running atomic.Int64 // requests being carried out

	router   *router
	routes   []*route
	access   accessLog
	log      *slog.Logger
	bodyIdle time.Duration
}

// route is a compiled [Route].
type route struct {
	policy               *Policy
	backend              backend.Backend
	upstream             *upstream
	realm                string
	userHeader           string
	groupsHeader         string
	forwardAuthorization bool
}

func newSite(cfg Config) (*site, error) {
	router, err := newRouter(cfg.Routes)
	if err != nil {
		return nil, err
	}
	s := &site{router: router, log: cfg.Log, bodyIdle: cfg.Timeouts.BodyIdle}
	var errs []error
	for _, r := range cfg.Routes {
		compiled, err := newRoute(r, cfg.Timeouts)
		if err != nil {
			errs = append(errs, fmt.Errorf("route %q: %w", r.Host+r.Path, err))
		}
		s.routes = append(s.routes, compiled)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	s.access, err = newAccessLog(cfg.AccessLog, cfg.AccessOut, cfg.Log)
	if _, ok := s.access.(*jsonAccess); !ok {
		s.access = withCauses{s.access, s.log}
	}
	return s, err
}

func newRoute(r Route, t Timeouts) (*route, error) {
	if r.Backend == nil {
		return nil, errors.New("it has no backend to check credentials")
	}
	policy, err := NewPolicy(r)
	if err != nil {
		return nil, err
	}
	upstream, err := newUpstream(r.Upstream, t)
	if err != nil {
		return nil, err
	}
	if r.ForwardAuthorization && upstream.authorization != "" {
		return nil, errors.New("the upstream can get the client's credentials or its own, not both")
	}
	return &route{
		policy: policy, backend: r.Backend, upstream: upstream,
		realm:      cmp.Or(r.Realm, "Registry Authentication"),
		userHeader: plainName(http.CanonicalHeaderKey(r.UserHeader)), groupsHeader: plainName(http.CanonicalHeaderKey(r.GroupsHeader)),
		forwardAuthorization: r.ForwardAuthorization,
	}, nil
}

// routeFor returns the route that takes requests for path at host, both canonical,
// or nil.
func (s *site) routeFor(host, path string) *route {
	if i := s.router.lookup(host, path); i >= 0 {
		return s.routes[i]
	}
	return nil
}

func (s *site) close() {
	for _, r := range s.routes {
		r.upstream.close()
	}
	s.access.close()
}
