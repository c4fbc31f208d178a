package gateway

import (
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"gatehouse/backend"
	"gatehouse/gateway/limits"
	"gatehouse/gateway/oci"
	"gatehouse/gateway/record"
	"gatehouse/gateway/rules"
	"gatehouse/gateway/signing"
	"gatehouse/gateway/upstream"
)

// Config is everything that a [Gateway] is made from. The zero value of a field
// that has a default means the default.
type Config struct {
	// Listen holds the addresses to accept clients on, as host:port.
	Listen []string

	// TLS is the certificate to end TLS with. Without it the gateway speaks
	// plain HTTP and New refuses any address that is not on the loopback
	// interface, since Basic credentials cross the wire readable.
	TLS *TLS

	// InsecurePlaintext lifts that refusal.
	InsecurePlaintext bool

	// Routes are the services behind the gateway, in any order: the one whose
	// host and longest path prefix match a request takes it.
	Routes []Route

	// HealthPath is the path under which load balancers are told whether the
	// gateway serves, at any host and before any route; see [CheckHealthPath].
	// Empty for none.
	HealthPath string

	Timeouts Timeouts
	Limits   limits.Limits

	// TrustedProxies are the networks of proxies that are believed about whom
	// they speak for: in X-Forwarded-For and X-Forwarded-Proto, and in the PROXY
	// protocol. Who speaks for nobody is a client like any other.
	TrustedProxies []netip.Prefix

	// ProxyProtocol has every connection of a trusted proxy begin with a header
	// of the PROXY protocol; one without is closed. From others none is read.
	ProxyProtocol bool

	// AccessLog is the form of the access record: "json" (default), "common",
	// "combined" (Apache's log formats of these names) or "off".
	AccessLog string

	// AccessOut takes the access records, whole lines at a time. Default:
	// standard output.
	AccessOut io.Writer

	// Audit takes a record of every decision. Default: there are none. It stays
	// the caller's to close, after Serve has returned.
	Audit *record.AuditLog

	// AuditRequired denies requests, as if no backend could be asked, while
	// Audit does not take records.
	AuditRequired bool

	// Tokens has the gateway take tokens in place of passwords, and issue them where
	// [Route.Challenge] asks for them. Nil: it takes passwords alone.
	Tokens *Tokens

	// Metrics counts what happens. Default: nothing is counted.
	Metrics *Metrics

	// Log takes everything else that there is to say. Default: nothing.
	Log *slog.Logger

	// Released, if it is set, is called when nobody uses what is named here any
	// more, the backends above all: after a Reload, when the last request has
	// ended that began before; else when Serve has carried out the last request.
	Released func()
}

// TLS names the files of the certificate that clients see. They are read again
// when they change; a pair that does not work leaves the old one in use.
type TLS struct {
	CertFile string
	KeyFile  string
}

// Timeouts bound how long a client or an upstream may be silent. There is no
// limit on how long a request takes in total: a layer of any size passes over a
// connection of any speed, as long as it moves.
type Timeouts struct {
	Handshake      time.Duration // of TLS; default 10 s
	Header         time.Duration // to receive a request head; default 30 s
	Idle           time.Duration // between requests of one connection; default 120 s
	BodyIdle       time.Duration // without progress of a body in either direction; default 5 min
	Connect        time.Duration // to connect to an upstream; default 10 s
	Response       time.Duration // until an upstream begins to answer; default 60 s
	UploadResponse time.Duration // the same for PUT, PATCH and POST, where a registry may hash a whole layer first; default 15 min
	Drain          time.Duration // for running requests to finish at the end; default 5 min
}

// upstream returns those of t that are about upstreams.
func (t Timeouts) upstream() upstream.Timeouts {
	return upstream.Timeouts{Connect: t.Connect, Response: t.Response, UploadResponse: t.UploadResponse, BodyIdle: t.BodyIdle}
}

// Route is one service behind the gateway.
type Route struct {
	// Hosts are the names that the route answers to, without a port; nil for any.
	// "*.b.example" stands for all names of one label more than "b.example". A
	// name goes before such a pattern, whatever the paths of the routes.
	Hosts []string

	// Path is the prefix of the paths that the route takes, in whole segments:
	// "/v2/" takes "/v2", "/v2/" and all below, and not "/v2x".
	Path string

	// Registry is the root of the registry that the route leads to: the path that
	// all requests to it begin with, whose last segment is "v2"; or [rules.NoRegistry].
	// Default: "/v2/" where the route takes any of that, else none.
	Registry string

	// Realm is what the challenge names. Default "Registry Authentication".
	Realm string

	// Challenge is what clients without credentials are asked for; default
	// [BasicChallenge]. A password and a token are taken in either case.
	Challenge Challenge

	// TokenURL is where clients are told to fetch tokens, if it is not where they
	// have asked.
	TokenURL string

	// Backend checks the credentials.
	Backend backend.Backend

	// Backends are the names by which a rule may qualify a user or group
	// ("user corp:alice"); only the names in this list are read as qualifiers.
	Backends []string

	// Rules decide who may do what. The first whose methods and paths match
	// decides alone; where none does, the request is denied.
	Rules []rules.Rule

	// Upstream is where requests go that are allowed.
	Upstream upstream.Config

	// UpstreamTokens signs tokens for a registry that has token authentication of its
	// own: for each request one for what was decided, in place of the client's
	// credentials. Nil for none.
	UpstreamTokens *signing.Signer

	// ForwardAuthorization passes the client's credentials to the upstream.
	ForwardAuthorization bool

	// UserHeader and GroupsHeader name headers that tell the upstream who the
	// user is; empty for none. What a client sends under these names, or under
	// any spelling of them, is removed in any case.
	UserHeader   string
	GroupsHeader string

	// GroupsHeaderForm says which names of the groups GroupsHeader has.
	GroupsHeaderForm GroupsForm

	// GroupsHeaderBytes bounds the value of GroupsHeader; default 8 KiB. The request
	// of a user whose groups do not fit is refused, or, with OmitLongGroups, passed on
	// without that header: never with some of the groups.
	GroupsHeaderBytes int
	OmitLongGroups    bool

	// RemoveHeaders are names of request fields that the upstream does not get,
	// besides those that tell it who somebody is or where a request comes from.
	// One * at the beginning or the end of a name stands for the rest of it.
	RemoveHeaders []string

	// KeepHeaders are exact names of request fields that the upstream gets as the
	// client sent them, although they tell it such things. Another spelling of
	// one is removed.
	KeepHeaders []string

	// ResponseHeaders are fields, as "Name: value", that every answer on the route
	// has: those of the upstream, where they replace its own of that name, and
	// those of the gateway, where they replace none. Fields that the gateway
	// manages, or that are about one answer, are refused.
	ResponseHeaders []string

	// CORSOrigins are the origins, as "https://ui.example", of pages whose scripts
	// may read every answer on the route and ask it anything, with the credentials
	// of whoever looks at them. The gateway answers their preflights itself, and the
	// upstream's own Access-Control fields are dropped. Nil leaves these to the
	// upstream.
	CORSOrigins []string

	// ImmutableTags is [rules.Rule.ImmutableTags] of the rules that have none.
	ImmutableTags []string

	// Catalog says which repositories the list of a registry shows; default: where a
	// rule for pull depends on the repository, or another route takes some of them,
	// [FilteredCatalog], else [WholeCatalog].
	Catalog Catalog

	// CatalogTTL is how long the registry's own list is kept, for all users, where what
	// they see of it is filtered; 0 to ask for it each time.
	CatalogTTL time.Duration
}

// Catalog is which repositories a list shows.
type Catalog string

const (
	// FilteredCatalog shows those that the user may pull.
	FilteredCatalog Catalog = "filtered"
	// WholeCatalog shows all, to whoever the rules let see the list.
	WholeCatalog Catalog = "all"
)

var errNoCatalog = errors.New("catalog is about the list of a registry, and the route leads to none: leave the key out, or set registry")

// CheckCatalog reports why r.Catalog cannot be.
func (r Route) CheckCatalog() error {
	if r.Catalog != "" && r.ForRules().RegistryRoot() == "" {
		return errNoCatalog
	}
	return nil
}

// filtersCatalog reports whether the list of repositories is filtered. The list has those
// below another route, too, which has rules of its own.
func (r Route) filtersCatalog(p *rules.Policy, all []Route) bool {
	if r.Catalog != "" {
		return r.Catalog == FilteredCatalog
	}
	root := p.Registry()
	return p.PullDependsOnRepository() || root != "" && slices.ContainsFunc(all, func(other Route) bool {
		_, below := oci.Below(root, other.Path)
		return below && strings.TrimSuffix(other.Path, "/") != strings.TrimSuffix(r.Path, "/")
	})
}

// ForRules returns what the rules of r have to know of it.
func (r Route) ForRules() rules.Route {
	return rules.Route{Path: r.Path, Registry: r.Registry, Backend: r.Backend, Backends: r.Backends, Rules: r.Rules, ImmutableTags: r.ImmutableTags, Bearer: r.Challenge == BearerChallenge}
}

// Name is what errors and metrics call the route.
func (r Route) Name() string { return strings.Join(r.Hosts, ",") + r.Path }
