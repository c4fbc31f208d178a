package ldap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend"
)

var (
	_ backend.Backend       = (*Backend)(nil)
	_ backend.Canonicalizer = (*Backend)(nil)
)

// Backend checks credentials against the directory of its [Config].
type Backend struct {
	config    Config
	filter    userFilter
	directory *directory
	memory    groupMemory
	own       memo[ownGroups] // by handle, of users who searched themselves
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
	return &Backend{
		config:    c,
		filter:    filter,
		directory: d,
		memory:    newGroupMemory(c),
		own:       newMemo[ownGroups](ownGroupsTTL),
	}, nil
}

// Close closes all connections. It returns nil.
func (b *Backend) Close() error {
	b.directory.close()
	return nil
}

// Authenticate looks the user up and binds as the entry found.
func (b *Backend) Authenticate(ctx context.Context, user, password string) (backend.Identity, error) {
	l, ok := parseLogin(user, b.config.Domains)
	switch {
	case ctx.Err() != nil:
		return backend.Identity{}, gaveUp(ctx)
	case !ok:
		return backend.Identity{}, fmt.Errorf("no name of a user can look like this: %w", backend.ErrUnknownUser)
	case !validPassword(password):
		return backend.Identity{}, fmt.Errorf("no password can look like this: %w", backend.ErrWrongPassword)
	}
	ctx, cancel := context.WithTimeout(ctx, b.config.LoginTimeout)
	defer cancel()
	bound, err := b.bindName(l)
	if err != nil {
		return backend.Identity{}, err
	}
	if b.asUser() {
		return b.bindThenFind(ctx, l, bound, password)
	}
	e, err := b.find(ctx, b.asService, l, bound)
	if err != nil {
		return backend.Identity{}, err
	}
	id, err := b.identity(e)
	if err != nil {
		return backend.Identity{}, err
	}
	name := cmp.Or(bound, e.DN)
	err = b.directory.bindAs(ctx, func(c *conn) error { return b.bind(ctx, c, name, password) })
	if err != nil {
		return backend.Identity{}, fmt.Errorf("user %q: %w", id.User, err)
	}
	return id, nil
}

// asUser reports whether users search with their own rights.
func (b *Backend) asUser() bool {
	return b.config.BindTemplate != "" && b.config.BindDN == "" && !b.config.SASLExternal
}

// bind checks a password, with one bind on a connection of its own.
func (b *Backend) bind(ctx context.Context, c *conn, name, password string) error {
	controls, err := c.bind(ctx, b.config.OperationTimeout, name, password)
	if err := bindError(controls, err); err != nil {
		return err
	}
	for _, control := range controls {
		if p, ok := control.(*ldap.ControlBeheraPasswordPolicy); ok && (p.Grace >= 0 || p.Expire >= 0) {
			b.config.Log.Info("the password of a user is about to expire", "dn", name, "seconds", p.Expire, "logins_left", p.Grace)
		}
	}
	return nil
}

// bindThenFind logs in where there is no service account: the user binds as
// name, and finds the own entry and groups.
func (b *Backend) bindThenFind(ctx context.Context, l login, name, password string) (id backend.Identity, err error) {
	err = b.directory.bindAs(ctx, func(c *conn) error {
		if err := b.bind(ctx, c, name, password); err != nil {
			return err
		}
		search := func(ctx context.Context, q query) ([]*ldap.Entry, error) {
			entries, err := c.search(ctx, b.config, q)
			return entries, searchError(err, q.base)
		}
		e, err := b.find(ctx, search, l, name)
		if errors.Is(err, backend.ErrUnknownUser) {
			return fmt.Errorf("the password is right, but user_bases and user_filter find no entry that the user may read: %v", err)
		}
		if err != nil {
			return err
		}
		if id, err = b.identity(e); err != nil {
			return err
		}
		asked := time.Now()
		r := &resolver{Backend: b, search: search, memory: newGroupMemory(b.config), dn: e.DN}
		names, err := r.groups(ctx)
		b.own.put(e.DN, ownGroups{names, err}, asked)
		return nil
	})
	if err != nil {
		return backend.Identity{}, fmt.Errorf("user %q: %w", fold(l.account), err)
	}
	return id, nil
}

// ownGroupsTTL is longer than any cache keeps a login, after which the groups
// are read again.
const ownGroupsTTL = 25 * time.Hour

// Groups returns the distinguished names of all groups of the user, and the
// short names of those that share theirs with no other group.
func (b *Backend) Groups(ctx context.Context, id backend.Identity) ([]string, error) {
	if ctx.Err() != nil {
		return nil, gaveUp(ctx)
	}
	if b.asUser() {
		own, known := b.own.get(id.Handle)
		if !known {
			return nil, fmt.Errorf("without a service account groups are read at a login alone: %w", backend.ErrUnavailable)
		}
		return slices.Clone(own.names), own.err
	}
	ctx, cancel := context.WithTimeout(ctx, b.config.LoginTimeout)
	defer cancel()
	r := &resolver{Backend: b, search: b.asService, memory: b.memory, dn: id.Handle}
	names, err := r.groups(ctx)
	if err != nil {
		return nil, fmt.Errorf("groups of user %q: %w", id.User, err)
	}
	return names, nil
}

// bindName returns the name that the template makes of what was typed, or
// nothing without one.
func (b *Backend) bindName(l login) (string, error) {
	if b.config.BindTemplate == "" {
		return "", nil
	}
	name := ldap.EscapeDN(l.account)
	if _, err := parseDN(b.config.BindTemplate); err != nil {
		name = l.account
		if strings.ContainsAny(name, `@\/`) { // would choose another domain
			return "", backend.ErrUnknownUser
		}
	}
	return strings.Replace(b.config.BindTemplate, "{user}", name, 1), nil
}
