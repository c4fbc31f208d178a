package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend"
	"gatehouse/backend/fault"
)

// In a forest of several trees users are found in a global catalog, which has the users
// and groups of all domains, some attributes of each; [MS-ADTS], section 3.1.1.1.8. It
// does not have what is of one domain alone: which users are in domain-local groups, and
// much of the state of an account. For these a controller of the user's own domain is
// asked, where urls name one.

// isForest reports whether a base is that of everything.
func (c *Config) isForest() bool {
	return slices.Contains(c.UserBases, "") || slices.Contains(c.GroupBases, "")
}

// isCatalog reports whether an address is that of a global catalog.
func (a address) isCatalog() bool { return !a.isSRV() && (a.port == "3268" || a.port == "3269") }

// hasCatalog reports whether urls name a global catalog.
func (c Config) hasCatalog() bool {
	return slices.ContainsFunc(c.URLs, func(url string) bool {
		a, err := parseAddress(url)
		return err == nil && a.isCatalog()
	})
}

// parseBase is parseDN for a base of a search, which may be that of everything.
func parseBase(text string) (dn, error) {
	if text == "" {
		return dn{}, nil
	}
	return parseDN(text)
}

// domainOf returns the name of the domain that an entry is in, empty for none.
func domainOf(name string) string {
	d, err := parseDN(name)
	if err != nil {
		return ""
	}
	top := slices.IndexFunc(d, func(rdn string) bool { return strings.HasPrefix(rdn, "dc=") })
	if top < 0 {
		return ""
	}
	return d[top:].String()
}

// placeKey is the key of the domain whose controllers a question is for.
type placeKey struct{}

// at returns a context for a question about what is at or below an entry: controllers of
// its domain are asked, or a global catalog if there are none.
func (d *directory) at(ctx context.Context, name string) context.Context {
	if !d.config.isForest() {
		return ctx
	}
	if domain := domainOf(name); domain != "" && d.hasController(ctx, domain) {
		return context.WithValue(ctx, placeKey{}, domain)
	}
	return ctx
}

// fit returns those of the servers that a question in a forest is for.
func (d *directory) fit(ctx context.Context, servers []*server) []*server {
	if !d.config.isForest() {
		return servers
	}
	domain, _ := ctx.Value(placeKey{}).(string)
	return slices.DeleteFunc(slices.Clone(servers), func(s *server) bool {
		if domain == "" {
			return !s.address.isCatalog()
		}
		return s.address.isCatalog() || s.domainName() != domain
	})
}

// domainName returns the domain that the server is a controller of, empty while that is
// not known.
func (s *server) domainName() string {
	if name := s.domain.Load(); name != nil {
		return *name
	}
	return ""
}

// hasController reports whether a controller of a domain is among the servers. Those of
// which it is not known what they are controllers of are asked.
func (d *directory) hasController(ctx context.Context, domain string) bool {
	servers := slices.DeleteFunc(slices.Clone(d.all(ctx)), func(s *server) bool { return s.address.isCatalog() })
	var wg sync.WaitGroup
	for _, s := range servers {
		if s.domainName() == "" && s.breaker.state() == nil {
			wg.Go(func() {
				err := guarded(func() error { d.learnDomain(ctx, s); return nil })
				if err != nil {
					d.giveUp(s, s.label(err))
				}
			})
		}
	}
	wg.Wait()
	return slices.ContainsFunc(servers, func(s *server) bool { return s.domainName() == domain })
}

// learnDomain asks a server which domain it is a controller of. One that cannot be
// reached is left to the probes.
func (d *directory) learnDomain(ctx context.Context, s *server) {
	c, err := s.search.take(ctx)
	if err != nil {
		if isLost(err) && ctx.Err() == nil {
			d.giveUp(s, s.label(err))
		}
		return
	}
	err = s.ask(c, func(c *conn) error {
		found, err := c.search(ctx, &d.config, query{scope: ldap.ScopeBaseObject, filter: "(objectClass=*)", attributes: []string{"defaultNamingContext"}})
		if err == nil && len(found) == 1 {
			name := canonicalDN(first(found[0], "defaultNamingContext"))
			s.domain.Store(&name)
		}
		return err
	})
	if isLost(err) && ctx.Err() == nil {
		d.giveUp(s, err)
	}
}

// readInDomain returns an entry that was found in a forest as a controller of its domain
// has it, if there is one. The catalog does not have when the password was changed: later
// looks at the entry, which are at the controller, would find that it was since.
func (b *Backend) readInDomain(ctx context.Context, e *ldap.Entry) (*ldap.Entry, error) {
	if !b.config.isForest() || !b.directory.hasController(ctx, domainOf(e.DN)) {
		return e, nil
	}
	entries, err := b.asService(ctx, query{base: e.DN, scope: ldap.ScopeBaseObject, filter: "(objectClass=*)", attributes: b.atLogin})
	switch code, answered := codeOf(err); {
	case answered && code == ldap.LDAPResultNoSuchObject, err == nil && len(entries) != 1:
		return nil, fault.With("ldap.user.unreadable", fmt.Errorf("entry %q is in the global catalog, and a controller of its domain does not show it: %w", e.DN, backend.ErrUnavailable))
	case err != nil:
		return nil, err
	}
	return entries[0], nil
}

// doubtDomain notes that the groups of a user are those that the global catalog knows,
// where no controller of the user's domain is known.
func (r *resolver) doubtDomain(ctx context.Context) {
	if !r.config.isForest() || r.config.GroupMode == groupsNone {
		return
	}
	if domain := domainOf(r.dn); !r.directory.hasController(ctx, domain) {
		r.lack(false, otherDomain(domain))
	}
}

// otherDomain is the failure to know the groups of users of a domain.
func otherDomain(domain string) error {
	return fault.With("ldap.groups.other_domain", fmt.Errorf("no server of urls is known to be a controller of %s, and the global catalog does not have its domain-local groups: %w", domain, backend.ErrUnavailable))
}

// checkForest says what a forest takes.
func (c Config) checkForest(add adder) {
	switch {
	case !c.isForest():
	case c.Preset != "activedirectory":
		add("user_bases", "\"\" stands for all of a forest of Active Directory: set preset = \"activedirectory\", or name a base")
	case !c.hasCatalog():
		add("user_bases", "\"\" stands for all of a forest, which a global catalog alone has: name one in urls, as ldaps://HOST:3269, or name a base")
	case c.GroupMode != groupsTokens && c.GroupMode != groupsNone:
		add("group_mode", "%q: in a forest (a base of \"\") a global catalog does not have the members of most groups: want token_groups or none, or name a base", c.GroupMode)
	}
}

var errNoTokens = fault.With("ldap.groups.unreadable", errors.New("read tokenGroups of the user: the account may not; put it into the group Windows Authorization Access Group"))
