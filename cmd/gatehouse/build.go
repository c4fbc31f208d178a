package main

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

// assembly is what a configuration comes to.
type assembly struct {
	config  *config.Document
	gateway gateway.Config
	stacks  map[string]*stack   // of the backends, by their names
	held    map[string]*holding // all that it has open; see close
	before  *assembly           // to go on with what is unchanged; nil after assemble
	report  config.Report
}

// build opens what c names, and goes on with what is unchanged from the assembly before,
// which may be nil. It fails with a [*config.Error] that holds everything that is wrong
// with c, and logs what it warns of. The caller closes the assembly.
func build(c *config.Document, before *assembly, s surroundings) (*assembly, error) {
	a := assembleAfter(c, before, s)
	if err := a.report.Err(); err != nil {
		return nil, errors.Join(err, a.close())
	}
	if err := a.configureShields(); err != nil {
		return nil, errors.Join(err, a.close())
	}
	_, warnings := a.report.Split()
	for _, p := range warnings {
		s.log.Warn("configuration", "at", p.Place.String(), "problem", p.Message)
	}
	return a, nil
}

// open does the work of build for a program that does not run a gateway. The caller looks
// at the report, and closes. Without a log, what backends would log is in the report.
func open(c *config.Document, log *slog.Logger) *assembly {
	return assembleAfter(c, nil, surroundings{log: log})
}

// surroundings is what outlives a configuration.
type surroundings struct {
	log     *slog.Logger
	metrics *gateway.Metrics // nil if nobody counts
}

// newAssembly returns an assembly with nothing open.
func newAssembly(c *config.Document, before *assembly) *assembly {
	return &assembly{
		before: before,
		held:   map[string]*holding{},
		config: c,
		report: slices.Clone(c.Report),
		stacks: map[string]*stack{},
	}
}

func assembleAfter(c *config.Document, before *assembly, s surroundings) *assembly {
	a := newAssembly(c, before)
	t := c.Timeouts
	a.gateway = gateway.Config{
		Listen:            c.Listen,
		TLS:               a.certificate(),
		InsecurePlaintext: c.InsecurePlaintext,
		AccessLog:         c.AccessLog,
		Log:               s.log,
		Metrics:           s.metrics,
		Timeouts: gateway.Timeouts{
			Handshake:      t.Handshake.Duration,
			Header:         t.Header.Duration,
			Idle:           t.Idle.Duration,
			BodyIdle:       t.BodyIdle.Duration,
			Connect:        t.Connect.Duration,
			Response:       t.Response.Duration,
			UploadResponse: t.UploadResponse.Duration,
			Drain:          c.Drain.Duration,
		},
		Limits:         limits(c.Limits),
		TrustedProxies: a.trustedProxies(),
		ProxyProtocol:  c.ProxyProtocol,
		HealthPath:     c.Health.Path,
	}
	a.checkListen()
	a.checkAudit()
	a.checkAdmin()
	a.openBackends(s)
	a.warnOfStrangers()
	a.checkRefusals()
	a.checkRoutes()
	for i := range c.Routes {
		a.gateway.Routes = append(a.gateway.Routes, a.route(i))
	}
	a.checkHealth()
	a.expectGroups()
	a.before = nil // it has one before it, too
	// Without values that cannot be read, tests would ask other rules than those meant.
	if c.Report.Err() == nil {
		a.runTests()
	}
	a.report.KeepFirst(c.Report)
	return a
}

// route returns the route at index i, whose errors are in the report.
func (a *assembly) route(i int) gateway.Route {
	c, r := a.config, a.config.Routes[i]
	route := gateway.Route{
		Hosts:                r.Names(),
		Path:                 r.Path,
		Registry:             a.registry(i),
		Realm:                cmp.Or(r.Realm, config.DefaultRealm),
		Backend:              a.served(r.Backend),
		Backends:             c.Sources(r.Backend),
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
	if err := route.CheckCatalog(); err != nil {
		a.report.Errorf(a.at(i, "catalog"), "%v", err)
	}
	route.Rules = a.rules(i, route)
	return route
}

// upstreamPassword returns the password that the upstream is to be sent.
func (a *assembly) upstreamPassword(i int) string {
	r := a.config.Routes[i]
	source := config.SecretSource{
		Name:       "upstream_password",
		File:       a.config.Origin.Lead(r.UpstreamPasswordFile),
		Credential: r.UpstreamPasswordCredential,
		Variable:   r.UpstreamPasswordEnv,
	}
	switch {
	case r.UpstreamUser == "" && !source.IsSet():
		return ""
	case r.UpstreamUser == "":
		a.report.Errorf(a.at(i, source.Key()), "a password for the upstream without a user: set upstream_user too")
		return ""
	}
	password, err := source.Read()
	if err != nil {
		a.report.Errorf(a.at(i, cmp.Or(source.Key(), "upstream_user")), "%v", err)
	}
	return password.Reveal()
}

// at returns the place of a key of the route at index i.
func (a *assembly) at(i int, path ...any) config.Place {
	return a.config.Origin.At(append([]any{"route", i}, path...)...)
}

// upstreamURL returns the URL of the upstream, in which the path of a socket is
// relative to the configuration file, as other paths are.
func (a *assembly) upstreamURL(i int) string {
	url := a.config.Routes[i].Upstream.Reveal()
	if path := strings.TrimPrefix(strings.TrimPrefix(url, "unix:"), "//"); path != "" && strings.HasPrefix(url, "unix:") {
		path, err := filepath.Abs(a.config.Origin.File(path, "route", i, "upstream"))
		if err != nil {
			a.report.Errorf(a.at(i, "upstream"), "path of the socket: %v", err)
		}
		return "unix:" + path
	}
	return url
}
