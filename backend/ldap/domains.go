package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend"
)

// domains are the names that may stand beside the name of a user: those of the
// configuration, or in Active Directory what the forest itself calls the domains of the
// user bases, such as CORP.
type domains struct {
	own   []string // in use whatever can be read
	learn bool     // whether the forest is asked

	asking chan struct{} // holds a token while it is

	mu       sync.Mutex
	known    []string  // learnt
	suffixes []string  // learnt: of principal names, each of the whole forest
	until    time.Time // when it is to be asked again
	failure  error     // of asking the last time
}

func newDomains(c Config) *domains {
	return &domains{own: c.Domains, learn: c.learnDomains && (c.BindTemplate == "" || c.hasAccount()), asking: make(chan struct{}, 1)}
}

// How long it counts what a forest calls its domains, and how long the failure to read
// that.
const (
	domainsTTL   = time.Hour
	domainsRetry = time.Minute
)

// all returns the names, without asking anybody.
func (d *domains) all() (names, suffixes []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.known) == 0 {
		return d.own, d.suffixes
	}
	return slices.Concat(d.own, d.known), d.suffixes
}

// isDue reports whether the forest is to be asked.
func (d *domains) isDue() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.learn && !time.Now().Before(d.until)
}

// outage returns why it is not known whether a name has a domain that is none of all,
// nil if it is known. What the forest does not let be read is no outage.
func (d *domains) outage(typed string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !strings.Contains(typed, `\`) || !errors.Is(d.failure, backend.ErrUnavailable) {
		return nil
	}
	return fmt.Errorf("what the forest calls its domains is not known: %w", d.failure)
}

// parseLogin takes a typed name apart. Where a domain may stand beside it, the forest
// is asked first which there are, once in a while; see [Backend.learnDomains].
func (b *Backend) parseLogin(ctx context.Context, typed string) (login, bool) {
	if strings.ContainsAny(typed, `\@`) && validName(typed) && b.domains.isDue() {
		b.learnDomains(ctx)
	}
	names, suffixes := b.domains.all()
	l, ok := parseLogin(typed, names)
	if at := strings.LastIndexByte(l.user, '@'); ok && at > 0 && l.account == l.user && known(l.user[at+1:], suffixes) {
		l.account, l.bySuffix = l.user[:at], true
	}
	return l, ok
}

// learnDomains asks the forest for the names of its domains. Whoever comes meanwhile
// waits. What could be read last stays in use where it cannot be read again.
func (b *Backend) learnDomains(ctx context.Context) {
	d := b.domains
	select {
	case d.asking <- struct{}{}:
		defer func() { <-d.asking }()
	case <-ctx.Done():
		return
	}
	if !d.isDue() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, b.config.OperationTimeout)
	defer cancel()
	names, suffixes, err := b.readDomains(ctx)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.failure = err; err != nil {
		d.until = time.Now().Add(domainsRetry)
		b.config.Log.Info("what the forest calls its domains cannot be read; names such as CORP\\alice count only for domains of the key domains", "error", err)
		return
	}
	d.known, d.suffixes, d.until = names, suffixes, time.Now().Add(domainsTTL)
}

// readDomains reads the names of the domains that user bases are in, and the suffixes
// that principal names may have; [MS-ADTS], sections 6.1.1.2.1 and 5.1.1.1.1.
func (b *Backend) readDomains(ctx context.Context) (names, suffixes []string, err error) {
	entries, err := b.asService(ctx, query{scope: ldap.ScopeBaseObject, filter: "(objectClass=*)", attributes: []string{"configurationNamingContext"}})
	if err != nil {
		return nil, nil, err
	}
	if len(entries) != 1 || first(entries[0], "configurationNamingContext") == "" {
		return nil, nil, errors.New("the server names no configuration partition")
	}
	partitions := "CN=Partitions," + first(entries[0], "configurationNamingContext")
	entries, err = b.asService(ctx, query{
		base: partitions, scope: ldap.ScopeWholeSubtree, paged: true, filter: "(|(objectClass=crossRef)(objectClass=crossRefContainer))",
		attributes: []string{"nCName", "nETBIOSName", "dnsRoot", "uPNSuffixes"},
	})
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		suffixes = append(suffixes, values(e, "uPNSuffixes")...)
		// A partition without the name of a domain is that of the configuration, or of DNS.
		if first(e, "nETBIOSName") != "" && b.hasUsersIn(first(e, "nCName")) {
			names = append(append(names, values(e, "nETBIOSName")...), values(e, "dnsRoot")...)
		}
	}
	if len(names) == 0 {
		return nil, nil, fmt.Errorf("no domain of the user bases is to be seen below %s", partitions)
	}
	return names, suffixes, nil
}

// hasUsersIn reports whether a user base is in a domain.
func (b *Backend) hasUsersIn(domain string) bool {
	top, err := parseDN(domain)
	return err == nil && slices.ContainsFunc(b.config.UserBases, func(text string) bool {
		base, err := parseBase(text)
		return err == nil && (len(base) == 0 || base.isBelow(top))
	})
}
