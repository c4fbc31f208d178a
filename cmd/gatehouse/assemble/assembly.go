// Package assemble puts together what a configuration describes: backends, what is wrapped
// around them, routes and their rules.
//
// It opens the backends, wraps each in its [Stack], reads the rules, and makes of it all the
// configuration of a gateway.
// [Build] does that for a program that serves, and goes on with what is unchanged from the
// [Assembly] before it. [Open] does it for a command. All that is wrong is in the report of
// the assembly, with the place of each value.
//
// The kinds of backends are named here and nowhere else; see [Kinds].
package assemble

import (
	"cmp"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"

	"gatehouse/cmd/gatehouse/config"
	"gatehouse/gateway"
	"gatehouse/gateway/upstream"
)

// Assembly is what a configuration comes to.
type Assembly struct {
	// Config is what it is made from.
	Config *config.Document

	// Gateway is all that a gateway is told, but where to write its logs.
	Gateway gateway.Config

	// Report has what is wrong with Config, and with the files that it names.
	Report config.Report

	stacks map[string]*Stack   // of the backends, by their names
	held   map[string]*holding // all that it has open; see Close
	before *Assembly           // to go on with what is unchanged; nil when it is complete
}

// Build opens what c names, and goes on with what is unchanged from the assembly before,
// which may be nil. It fails with a [*config.Error] that holds everything that is wrong
// with c, and logs what it warns of. The caller closes the assembly.
func Build(c *config.Document, before *Assembly, s Surroundings) (*Assembly, error) {
	a := assembleAfter(c, before, s)
	if err := a.Report.Err(); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	if err := a.configureShields(); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	_, warnings := a.Report.Split()
	for _, p := range warnings {
		s.Log.Warn("configuration", "at", p.Place.String(), "problem", p.Message)
	}
	return a, nil
}

// Open does the work of build for a program that does not run a gateway. The caller looks
// at the report, and closes. Without a log, what backends would log is in the report.
func Open(c *config.Document, log *slog.Logger) *Assembly {
	return assembleAfter(c, nil, Surroundings{Log: log})
}

// Surroundings is what outlives a configuration.
type Surroundings struct {
	Log     *slog.Logger
	Metrics *gateway.Metrics // nil if nobody counts
}

// newAssembly returns an assembly with nothing open.
func newAssembly(c *config.Document, before *Assembly) *Assembly {
	return &Assembly{
		before: before,
		held:   map[string]*holding{},
		Config: c,
		Report: slices.Clone(c.Report),
		stacks: map[string]*Stack{},
	}
}

func assembleAfter(c *config.Document, before *Assembly, s Surroundings) *Assembly {
	a := newAssembly(c, before)
	a.Gateway = gateway.Config{
		Listen:            c.Listen,
		TLS:               a.certificate(),
		InsecurePlaintext: c.InsecurePlaintext,
		AccessLog:         c.AccessLog,
		Log:               s.Log,
		Metrics:           s.Metrics,
		Timeouts:          timeoutsOf(&c.Settings),
		Limits:            limitsOf(c.Limits),
		TrustedProxies:    a.trustedProxies(),
		ProxyProtocol:     c.ProxyProtocol,
		HealthPath:        c.Health.Path,
	}
	a.checkListen()
	a.checkAudit()
	a.checkAdmin()
	a.Gateway.Tokens = a.tokens()
	a.openBackends(s)
	a.warnOfStrangers()
	a.checkRefusals()
	a.checkRoutes()
	for i := range c.Routes {
		a.Gateway.Routes = append(a.Gateway.Routes, a.route(i))
	}
	a.checkChallenges()
	a.checkSigners()
	a.checkHealth()
	a.checkOwnTokens()
	a.expectGroups()
	a.before = nil // it has one before it, too
	// Without values that cannot be read, tests would ask other rules than those meant.
	if c.Report.Err() == nil {
		a.runTests()
	}
	a.Report.KeepFirst(c.Report)
	return a
}

// route returns the route at index i, whose errors are in the report.
func (a *Assembly) route(i int) gateway.Route {
	c, r := a.Config, a.Config.Routes[i]
	route := gateway.Route{
		Hosts:                r.Names(),
		Path:                 r.Path,
		Registry:             a.registry(i),
		Realm:                cmp.Or(r.Realm, config.DefaultRealm),
		Challenge:            gateway.Challenge(cmp.Or(r.Challenge, config.DefaultChallenge)),
		TokenURL:             r.TokenURL.Reveal(),
		Backend:              a.served(r.Backend),
		Backends:             c.Sources(r.Backend),
		UpstreamTokens:       a.signer(i),
		ForwardAuthorization: r.ForwardAuthorization,
		UserHeader:           r.UserHeader,
		GroupsHeader:         r.GroupsHeader,
		GroupsHeaderForm:     gateway.GroupsForm(r.GroupsHeaderForm),
		GroupsHeaderBytes:    r.GroupsHeaderBytes,
		OmitLongGroups:       r.GroupsHeaderOver == "omit",
		RemoveHeaders:        r.RemoveHeaders,
		ResponseHeaders:      r.ResponseHeaders,
		CORSOrigins:          r.CORSOrigins,
		Catalog:              gateway.Catalog(r.Catalog),
		CatalogTTL:           r.CatalogTTL.Duration,
		ImmutableTags:        a.immutableTags(i),
		KeepHeaders:          r.KeepHeaders,
		Upstream: upstream.Config{
			URL:         a.upstreamURL(i),
			CAFile:      c.Origin.File(r.UpstreamCAFile),
			ServerName:  r.UpstreamServerName,
			CertFile:    c.Origin.File(r.UpstreamCertFile),
			KeyFile:     c.Origin.File(r.UpstreamKeyFile.Reveal()),
			User:        r.UpstreamUser,
			Password:    a.upstreamPassword(i),
			IdleTimeout: cmp.Or(r.UpstreamIdleTimeout.Duration, config.DefaultUpstreamIdleTimeout),
			Timeouts: upstream.Timeouts{
				Connect:        r.Timeouts.Connect.Duration,
				Response:       r.Timeouts.Response.Duration,
				UploadResponse: r.Timeouts.UploadResponse.Duration,
			},
		},
	}
	if err := route.CheckCatalogTTL(); err != nil {
		a.Report.Errorf(a.at(i, "catalog_ttl"), "%v", err)
	}
	if err := route.CheckCatalog(); err != nil {
		a.Report.Errorf(a.at(i, "catalog"), "%v", err)
	}
	route.Rules = a.rules(i, route)
	return route
}

// upstreamPassword returns the password that the upstream is to be sent.
func (a *Assembly) upstreamPassword(i int) string {
	r := a.Config.Routes[i]
	source := config.SecretSource{
		Name:       "upstream_password",
		File:       a.Config.Origin.Lead(r.UpstreamPasswordFile),
		Credential: r.UpstreamPasswordCredential,
		Variable:   r.UpstreamPasswordEnv,
	}
	switch {
	case r.UpstreamUser == "" && !source.IsSet():
		return ""
	case r.UpstreamUser == "":
		a.Report.Errorf(a.at(i, source.Key()), "a password for the upstream without a user: set upstream_user too")
		return ""
	}
	password, err := source.Read()
	if err != nil {
		a.Report.Add(err, a.Config.Origin, []any{"route", i}, "upstream_user")
	}
	return password.Reveal()
}

// at returns the place of a key of the route at index i.
func (a *Assembly) at(i int, path ...any) config.Place {
	return a.Config.Origin.At(append([]any{"route", i}, path...)...)
}

// upstreamURL returns the URL of the upstream, in which the path of a socket is
// relative to the configuration file, as other paths are.
func (a *Assembly) upstreamURL(i int) string {
	url := a.Config.Routes[i].Upstream.Reveal()
	if path := strings.TrimPrefix(strings.TrimPrefix(url, "unix:"), "//"); path != "" && strings.HasPrefix(url, "unix:") {
		path, err := filepath.Abs(a.Config.Origin.File(path, "route", i, "upstream"))
		if err != nil {
			a.Report.Errorf(a.at(i, "upstream"), "path of the socket: %v", err)
		}
		return "unix:" + path
	}
	return url
}
