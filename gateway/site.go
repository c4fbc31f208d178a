package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/backend"
	"gatehouse/gateway/limits"
	"gatehouse/gateway/record"
	"gatehouse/gateway/rules"
	"gatehouse/gateway/selfservice"
	"gatehouse/gateway/signing"
	"gatehouse/gateway/sockets"
	"gatehouse/gateway/upstream"
)

// site is what a gateway serves: all of its configuration that a request can
// meet. But for the count of its uses, it does not change.
type site struct {
	uses      atomic.Int64 // requests being carried out, and one more while it is the current site
	released  sync.Once
	sites     *sites
	onRelease func()

	door     door
	routes   []*route
	access   *record.AccessLog
	audit    *record.AuditLog // nil if nobody wants to know
	metrics  *Metrics         // nil if nobody counts
	unrouted *routeMetrics    // of requests that come to no route
	log      *slog.Logger
	cert     *certificate // nil for plain HTTP
	timeouts Timeouts
	limits   limits.Bounds
	slots    *upstream.Slots
	tokens   *Tokens           // nil if there are none
	page     *selfservice.Page // on which users make tokens; nil if there is none

	proxyProtocol bool
	auditRequired bool
	health        string // path under which it says whether it serves; empty for none
}

// route is a compiled [Route].
type route struct {
	name                 string // as metrics have it
	policy               *rules.Policy
	backend              backend.Backend
	upstream             *upstream.Pool
	signer               *signing.Signer // of tokens for the upstream; nil for none
	realm                string
	tokens               tokenDesk
	userHeader           string
	groups               groupsHeader
	fields               fieldFilter
	responseHeader       http.Header // that every answer has
	origins              origins
	path                 upstreamPath
	forwardAuthorization bool
	filtersCatalog       bool
	catalogTTL           time.Duration // 0 for a list that is asked for each time
	metrics              *routeMetrics // nil if nobody counts
}

// newSite compiles cfg. What it has in common with the site before it, if there is
// one, they share.
func newSite(cfg Config, before *site) (*site, error) {
	if err := errors.Join(checkHealth(cfg), checkSelfService(cfg)); err != nil {
		return nil, err
	}
	router, err := newRouter(cfg.Routes)
	if err != nil {
		return nil, err
	}
	page, err := newPage(cfg.Tokens)
	if err != nil {
		return nil, err
	}
	s := &site{
		door:      door{router: router, proxies: cfg.TrustedProxies, maxFields: cfg.Limits.HeadFields},
		log:       cfg.Log,
		timeouts:  cfg.Timeouts,
		limits:    cfg.Limits.Bounded(),
		onRelease: cfg.Released,
		metrics:   cfg.Metrics,
		tokens:    cfg.Tokens,
		health:    cfg.HealthPath,
	}
	if page != nil {
		s.page, s.door.pagePath = page, cfg.Tokens.SelfService
	}
	if s.slots = upstream.NewSlots(); before != nil {
		s.slots = before.slots
	}
	var errs []error
	for _, r := range cfg.Routes {
		compiled, err := s.newRoute(r, cfg.Routes, before)
		if err != nil {
			errs = append(errs, fmt.Errorf("route %q: %w", r.Name(), err))
			continue
		}
		s.routes = append(s.routes, compiled)
		s.door.takesTokens = append(s.door.takesTokens, compiled.tokens.Tokens != nil)
	}
	access, err := record.NewAccessLog(cfg.AccessLog, cfg.AccessOut)
	if err := errors.Join(append(errs, err)...); err != nil {
		s.close()
		return nil, err
	}
	s.access, s.audit, s.auditRequired = access, cfg.Audit, cfg.AuditRequired
	s.proxyProtocol = cfg.ProxyProtocol
	s.measure(cfg.Routes)
	s.shareSlots()
	return s, nil
}

// terms are on what connections are let in while s is the current site.
func (s *site) terms() sockets.Terms {
	return sockets.Terms{Limits: s.limits, Proxies: s.door.proxies, ProxyProtocol: s.proxyProtocol, Handshake: s.timeouts.Handshake, MakeRoom: s.slots.ShedAny}
}

// shareSlots leaves some connections to others where one of several upstreams hangs.
func (s *site) shareSlots() {
	l := &s.limits.Slots
	for _, r := range s.routes {
		if r.upstream.Address != s.routes[0].upstream.Address {
			l.Upstream = max(1, l.Total*3/4)
		}
	}
	s.slots.SetMaxIdle(s.limits.Idle)
}

func (s *site) newRoute(r Route, all []Route, before *site) (*route, error) {
	if r.Backend == nil {
		return nil, errors.New("it has no backend to check credentials")
	}
	policy, err := rules.NewPolicy(r.ForRules())
	if err != nil {
		return nil, err
	}
	if r.ForwardAuthorization && r.Upstream.HasCredentials() {
		return nil, errors.New("the upstream can get the client's credentials or its own, not both")
	}
	if err := errors.Join(r.CheckUpstreamTokens(), r.checkHeaders(), r.CheckCatalog(), r.CheckCatalogTTL()); err != nil {
		return nil, err
	}
	groups, err := newGroupsHeader(r)
	tokens, errTokens := newTokenDesk(r, all, s.tokens)
	if err := errors.Join(err, errTokens); err != nil {
		return nil, err
	}
	response, err := r.responseHeader()
	if err != nil {
		return nil, err
	}
	origins, err := r.origins()
	if err != nil {
		return nil, err
	}
	at, mapping, err := r.upstreamAt(r.Upstream.URL)
	if err != nil {
		return nil, err
	}
	r.Upstream.URL = at.WithoutPath()
	upstream, err := s.openUpstream(r.Upstream, before)
	if err != nil {
		return nil, err
	}
	return &route{
		name:   r.Name(),
		policy: policy, backend: r.Backend, upstream: upstream, signer: r.UpstreamTokens,
		realm:      cmp.Or(r.Realm, "Registry Authentication"),
		tokens:     tokens,
		userHeader: plainOf(r.UserHeader), groups: groups, fields: newFieldFilter(r),
		responseHeader:       response,
		origins:              origins,
		path:                 mapping,
		forwardAuthorization: r.ForwardAuthorization,
		filtersCatalog:       r.filtersCatalog(policy, all),
		catalogTTL:           r.CatalogTTL,
	}, nil
}

// openUpstream returns the upstream that cfg describes, with the connections that
// a route of s or of the site before it has to the same.
func (s *site) openUpstream(cfg upstream.Config, before *site) (*upstream.Pool, error) {
	fresh, err := upstream.NewPool(cfg, s.timeouts.upstream(), s.slots)
	if err != nil {
		return nil, err
	}
	routes := s.routes
	if before != nil {
		routes = slices.Concat(routes, before.routes)
	}
	for _, r := range routes {
		if r.upstream.SameAs(fresh) {
			return r.upstream.Share(), nil
		}
	}
	return fresh, nil
}

// close gives up what the routes hold.
func (s *site) close() {
	for _, r := range s.routes {
		r.upstream.Close()
	}
}
