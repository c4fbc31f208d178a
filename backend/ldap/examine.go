package ldap

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend"
)

var _ backend.Examiner = (*Backend)(nil)

// Examine tries each server by itself, then the bases, then a user.
func (b *Backend) Examine(ctx context.Context, user, password string, report func(backend.Finding)) {
	e := &examination{b, ctx, report}
	servers := b.directory.all(ctx)
	if len(servers) == 0 {
		e.step("servers", strings.Join(b.config.URLs, " "), func() (string, error) { return "", errors.New("DNS names no server") })
		return
	}
	works := false
	for _, s := range servers {
		works = e.server(s.address) || works
	}
	if !works {
		return
	}
	for _, base := range b.config.UserBases {
		e.base("user base", base)
	}
	for _, base := range b.config.GroupBases {
		if b.config.GroupMode != groupsNone && !slices.Contains(b.config.UserBases, base) {
			e.base("group base", base)
		}
	}
	if user != "" {
		e.user(user, password)
	}
}

// examination is one call of Examine.
type examination struct {
	*Backend
	ctx    context.Context
	report func(backend.Finding)
}

// step does one step, reports it, and reports back whether it went well.
func (e *examination) step(name, subject string, f func() (string, error)) bool {
	start := time.Now()
	text, err := f()
	finding := backend.Finding{Step: name, Subject: subject, Text: text, Took: time.Since(start)}
	if err != nil {
		finding.Failed = true
		finding.Text = err.Error()
		finding.Advice = adviceFor(name, err)
	}
	e.report(finding)
	return err == nil
}

// server tries an address from the bottom up.
func (e *examination) server(a address) bool {
	addresses := []string{a.host}
	if a.scheme != "ldapi" && net.ParseIP(a.host) == nil && !e.step("name", a.host, func() (text string, err error) {
		addresses, err = net.DefaultResolver.LookupHost(e.ctx, a.host)
		return strings.Join(addresses, " "), err
	}) {
		return false
	}
	for _, ip := range addresses {
		one := a
		one.host = ip
		e.step("connection", one.String(), func() (string, error) {
			raw, err := e.directory.trust.connect(e.ctx, one)
			if err == nil {
				raw.Close()
			}
			return "", err
		})
	}
	ctx, cancel := context.WithTimeout(e.ctx, e.config.ConnectTimeout)
	defer cancel()
	raw, err := e.directory.trust.connect(ctx, a)
	if err != nil {
		return false // reported above
	}
	defer raw.Close()
	var stream net.Conn
	if !e.step("encryption", a.String(), func() (string, error) {
		stream, err = e.directory.trust.encrypt(ctx, raw, a)
		return describe(stream), err
	}) {
		return false
	}
	c := newConn(raw, stream)
	defer c.close()
	e.step("kind of server", a.String(), func() (string, error) { return e.vendor(c) })
	return e.step("service account", cmp.Or(e.config.BindDN, "anonymous"), func() (string, error) {
		return "", e.directory.account.bind(e.ctx, c)
	})
}

// describe says how a connection is encrypted.
func describe(stream net.Conn) string {
	t, ok := stream.(*tls.Conn)
	if !ok {
		return "none"
	}
	state := t.ConnectionState()
	cert := state.PeerCertificates[0]
	names := slices.Clone(cert.DNSNames)
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	return fmt.Sprintf("%s, certificate for %s until %s by %s", tls.VersionName(state.Version),
		strings.Join(names, " "), cert.NotAfter.Format(time.DateOnly), cert.Issuer)
}

// The capability by which Active Directory is known; [MS-ADTS], section 3.1.1.3.4.3.
const capabilityAD = "1.2.840.113556.1.4.800"

// errPreset is the finding that the preset is for another kind of directory.
var errPreset = errors.New("the preset is for another kind of directory")

// vendor says what a server tells of itself.
func (e *examination) vendor(c *conn) (string, error) {
	entries, err := c.search(e.ctx, e.config, query{filter: "(objectClass=*)",
		attributes: []string{"vendorName", "vendorVersion", "supportedCapabilities", "defaultNamingContext", "namingContexts"}})
	if err != nil || len(entries) != 1 {
		return "it does not say", nil
	}
	isAD := slices.Contains(values(entries[0], "supportedCapabilities"), capabilityAD)
	text := strings.Join(slices.Concat(values(entries[0], "vendorName"), values(entries[0], "vendorVersion"), values(entries[0], "namingContexts")), ", ")
	switch {
	case isAD && e.config.Preset != "activedirectory" && e.config.Preset != "":
		return text, fmt.Errorf("%w: this is Active Directory", errPreset)
	case !isAD && e.config.Preset == "activedirectory":
		return text, fmt.Errorf("%w: this is not Active Directory", errPreset)
	}
	return text, nil
}

func (e *examination) base(name, base string) {
	e.step(name, base, func() (string, error) {
		entries, err := e.asService(e.ctx, query{base: base, scope: ldap.ScopeBaseObject, filter: "(objectClass=*)", attributes: []string{"1.1"}})
		if err == nil && len(entries) != 1 {
			err = errors.New("it is there, and the account may not read it")
		}
		return "", err
	})
}

// user looks for a user, the groups, and checks the password once.
func (e *examination) user(typed, password string) {
	var id backend.Identity
	l, ok := parseLogin(typed, e.config.Domains)
	if !e.step("user", typed, func() (string, error) {
		if !ok {
			return "", errors.New("no name of a user can look like this")
		}
		entry, err := e.find(e.ctx, e.asService, l, "")
		if err != nil {
			return "", fmt.Errorf("%w; the same question: %s", err, e.ldapsearch(l))
		}
		id, err = e.identity(entry)
		return fmt.Sprintf("user %q, entry %q", id.User, id.Handle), err
	}) {
		return
	}
	e.step("groups", id.User, func() (string, error) {
		groups, err := e.Groups(e.ctx, id)
		return fmt.Sprintf("%d names: %s", len(groups), strings.Join(groups, "; ")), err
	})
	e.step("why", id.User, func() (string, error) { return e.paths(id) })
	e.step("load", id.User, func() (string, error) { return e.load(l) })
	if password == "" {
		return
	}
	e.step("password", id.User, func() (string, error) {
		_, err := e.Authenticate(e.ctx, typed, password)
		return "", err
	})
}

// paths says of each group through which others the user is in it. It asks for
// the parents of each group by itself, which takes longer than a login may. The
// modes in which the server walks the groups do not tell.
func (e *examination) paths(id backend.Identity) (string, error) {
	r := &resolver{Backend: e.Backend, search: e.asService, memory: newGroupMemory(e.config), dn: id.Handle}
	if err := r.readEntry(e.ctx); err != nil {
		return "", err
	}
	level, err := r.direct(e.ctx)
	if err != nil {
		return "", err
	}
	path := map[string]string{}
	for _, g := range level {
		path[g.key()] = g.key()
	}
	flat := e.config.GroupMode == groupsTokens || e.config.GroupMode == groupsInChain
	for depth := 1; depth < e.config.GroupDepth && len(level) > 0 && !flat; depth++ {
		var next []group
		for _, g := range level {
			parents, err := r.parents(e.ctx, []group{g})
			if err != nil {
				return "", err
			}
			for _, p := range parents {
				if _, known := path[p.key()]; !known {
					path[p.key()] = path[g.key()] + " -> " + p.key()
					next = append(next, p)
				}
			}
		}
		level = next
	}
	return strings.Join(slices.Sorted(maps.Values(path)), "; "), nil
}

// load asks for the user again and again, and says how long that takes.
func (e *examination) load(l login) (string, error) {
	const times = 20
	var took []time.Duration
	for range times {
		start := time.Now()
		if _, err := e.find(e.ctx, e.asService, l, ""); err != nil {
			return "", err
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	return fmt.Sprintf("%d searches: half within %v, all within %v", times,
		took[times/2].Round(10*time.Microsecond), took[times-1].Round(10*time.Microsecond)), nil
}

// ldapsearch returns the command that asks for a user as this package does.
func (e *examination) ldapsearch(l login) string {
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
	account := ""
	if e.config.BindDN != "" {
		account = " -D " + quote(e.config.BindDN) + " -W"
	}
	return fmt.Sprintf("ldapsearch -x -H %s%s -b %s %s", quote(e.config.URLs[0]), account, quote(e.config.UserBases[0]), quote(e.filter.filter(l)))
}

// adviceFor says what to do about the failure of a step.
func adviceFor(step string, err error) string {
	code, _ := codeOf(err)
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		return "check the name in urls and the resolver of this machine"
	case errors.Is(err, context.DeadlineExceeded):
		return "nothing answers: a firewall may drop the packets, or the address is dead; take it out of urls or DNS"
	case step == "connection":
		return "check the port in urls, and that the directory listens on it"
	case step == "encryption":
		return "see the end of the error; a server that speaks TLS only after StartTLS takes ldap:// and start_tls = true"
	case errors.Is(err, errPreset):
		return "set the preset that fits: activedirectory, openldap, rfc2307, freeipa or 389ds"
	case step == "service account":
		return "check bind_dn and the file with its password; one wrong password was counted by the directory"
	case code == ldap.LDAPResultNoSuchObject:
		return "check the spelling of the base, and that the account may read it"
	case errors.Is(err, errAmbiguous):
		return "narrow user_bases or user_filter until one entry is left"
	case errors.Is(err, backend.ErrUnknownUser):
		return "check user_filter and user_bases with the command above"
	case errors.Is(err, backend.ErrLocked):
		return "unlock the account in the directory, or have the password changed"
	}
	return ""
}
