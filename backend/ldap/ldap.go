package ldap

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"

	"gatehouse/backend"
	"gatehouse/backend/fault"
)

var (
	_ backend.Guarded       = (*Backend)(nil)
	_ backend.Canonicalizer = (*Backend)(nil)
	_ backend.Revalidator   = (*Backend)(nil)
	_ backend.Prober        = (*Backend)(nil)

	_ backend.NamesakeFinder = (*Backend)(nil)
)

// Backend checks credentials against the directory of its [Config].
type Backend struct {
	config    Config
	filter    userFilter
	atLogin   []string // attributes that a login reads of the entry of a user
	ownNames  []string // of attributes; see ownAttributes
	directory *directory
	domains   *domains
	schemas   *schemas
	memory    groupMemory
	own       memo[ownGroups]    // by handle, of users who searched themselves
	routes    memo[*server]      // by handle
	shares    memo[share]        // by handle
	states    memo[accountState] // by handle, where it counts after the bind
	bases     memo[struct{}]     // that the service account sees
	blind     *blindness
	metAD     atomic.Bool    // see isAD
	warned    memo[struct{}] // by handle, of users whose groups are not all known
}

// ownGroups is what a user found of the own groups.
type ownGroups struct {
	names []string
	err   error
}

// boundPackets sets the library's bound on the length of a message, which is a
// variable of the package.
var boundPackets = sync.OnceFunc(func() { ber.MaxPacketLengthBytes = packetMax })

// New checks c and returns a Backend for it. It asks no server anything: the
// others' users can log in while the directory is down. Each line of its error
// begins with the key that it is about.
func New(c Config) (*Backend, error) {
	c = c.complete()
	if err := c.validate(); err != nil {
		return nil, err
	}
	boundPackets()
	filter, err := parseUserFilter(c.UserFilter)
	if err != nil {
		return nil, err
	}
	d, err := newDirectory(c)
	if err != nil {
		return nil, err
	}
	warnOf(c)
	b := &Backend{
		config:    c,
		filter:    filter,
		ownNames:  ownAttributes(c, filter),
		directory: d,
		domains:   newDomains(c),
		schemas:   &schemas{asking: make(chan struct{}, 1)},
		blind:     &blindness{asking: make(chan struct{}, 1)},
		memory:    newGroupMemory(c),
		own:       newPartsMemo(ownGroupsTTL, func(o ownGroups) int { return len(o.names) }),
		routes:    newMemo[*server](routeTTL),
		shares:    newMemo[share](c.LoginTimeout),
		states:    newMemo[accountState](c.LoginTimeout),
		bases:     newMemo[struct{}](c.GroupTTL),
		warned:    newMemo[struct{}](warnEvery),
	}
	b.atLogin = b.entryAttributes(b.enforcedAttributes())
	return b, nil
}

// Reload reads the files of certificates again, which are followed anyway. Its error
// begins with the key of a file that cannot be used, which is its path too; the last good ones stay in use then.
func (b *Backend) Reload() error { return b.directory.trust.load() }

// Close closes all connections. It returns nil.
func (b *Backend) Close() error {
	b.directory.close()
	return nil
}

// warnEvery is how often the log says of one user that groups are missing.
const warnEvery = time.Hour

// ownGroupsTTL is longer than any cache keeps a login, after which the groups
// are read again.
const ownGroupsTTL = 25 * time.Hour

// Groups returns the distinguished names of all groups of the user, and the
// short names of those that share theirs with no other group. Right after a login
// it has no more time than that has left of LoginTimeout.
func (b *Backend) Groups(ctx context.Context, id backend.Identity) ([]string, error) {
	if ctx.Err() != nil {
		return nil, gaveUp(ctx)
	}
	if b.asUser() {
		own, known := b.own.get(id.Handle)
		if !known {
			return nil, fmt.Errorf("user %q: %w", id.User, backend.ErrForgotten)
		}
		return slices.Clone(own.names), own.err
	}
	ctx, cancel := context.WithTimeout(ctx, b.rest(id.Handle))
	defer cancel()
	ctx = b.sameRoute(ctx, id.Handle)
	r := b.resolver(id, b.memory)
	names, err := r.groups(ctx)
	switch missing := backend.IncompleteOf(err); {
	case missing != nil && missing.Cause == nil:
		return names, fmt.Errorf("groups of user %q: %w", id.User, err)
	case missing != nil:
		b.warnOfMissing(id, missing)
		return names, fmt.Errorf("groups of user %q: %w", id.User, err)
	case err != nil:
		return nil, fmt.Errorf("groups of user %q: %w", id.User, err)
	}
	return names, nil
}

// warnOfMissing says in the log, once in a while for each user, that groups are
// missing.
func (b *Backend) warnOfMissing(id backend.Identity, missing *backend.Incomplete) {
	about := id.Handle
	if fault.Of(missing.Cause) == "ldap.groups.other_domain" {
		about = missing.Cause.Error() // of all users of the domain
	}
	if _, said := b.warned.get(about); said {
		return
	}
	b.warned.put(about, struct{}{}, time.Now())
	b.config.Log.Warn("not all groups of a user are known; rules that need one of the others cannot be decided",
		"user", id.User, "dn", id.Handle, fault.Attr, string(fault.Of(missing.Cause)), "error", missing.Cause)
}
