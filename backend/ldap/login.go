package ldap

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend"
	"gatehouse/backend/fault"
)

// Authenticate looks the user up and binds as the entry found.
func (b *Backend) Authenticate(ctx context.Context, user, password string) (backend.Identity, error) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, b.config.LoginTimeout)
	defer cancel()
	l, err := b.parse(ctx, user)
	if err != nil {
		return backend.Identity{}, err
	}
	if !backend.CanBePassword(password) {
		return backend.Identity{}, errNoPassword
	}
	ctx = b.startRoute(ctx)
	id, err := b.resolve(ctx, l)
	if err != nil {
		return backend.Identity{}, err
	}
	return b.verify(ctx, id, password, began)
}

// Resolve looks the user up, with one search. Where users search with their own
// rights nobody can, and the Identity has the name that the user is bound as.
func (b *Backend) Resolve(ctx context.Context, user string) (backend.Identity, error) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, b.config.LoginTimeout-b.verifyTimeout())
	defer cancel()
	l, err := b.parse(ctx, user)
	if err != nil {
		return backend.Identity{}, err
	}
	id, err := b.resolve(b.startRoute(ctx), l)
	if err == nil {
		b.using(id.Handle, began)
	}
	return id, err
}

// Verify binds as the entry of id, once. Together with Resolve it takes no longer
// than a login may.
func (b *Backend) Verify(ctx context.Context, id backend.Identity, password string) (backend.Identity, error) {
	switch {
	case ctx.Err() != nil:
		return backend.Identity{}, gaveUp(ctx)
	case strings.TrimSpace(id.Handle) == "":
		// The name of nobody, as whom every password is right; RFC 4513, section 5.1.
		return backend.Identity{}, fmt.Errorf("user %q has no entry: %w", id.User, backend.ErrUnknownUser)
	case !backend.CanBePassword(password):
		return backend.Identity{}, errNoPassword
	}
	ctx, cancel := context.WithTimeout(ctx, b.verifyTimeout())
	defer cancel()
	return b.verify(b.sameRoute(ctx, id.Handle), id, password, b.began(id.Handle))
}

// verifyTimeout is the part of a login's time that is kept for the bind. What is
// left for the search is enough to find out that one server is dead and to ask
// another.
func (b *Backend) verifyTimeout() time.Duration {
	return min(b.config.OperationTimeout, b.config.LoginTimeout/2)
}

var errNoPassword = fmt.Errorf("no password can look like this: %w", backend.ErrWrongPassword)

// parse takes what was typed apart, unless nobody waits for the answer.
func (b *Backend) parse(ctx context.Context, user string) (login, error) {
	if ctx.Err() != nil {
		return login{}, gaveUp(ctx)
	}
	l, ok := b.parseLogin(ctx, user)
	if !ok {
		if ctx.Err() != nil {
			return login{}, gaveUp(ctx)
		}
		if err := b.domains.outage(user); err != nil {
			return login{}, err
		}
		return login{}, fmt.Errorf("no name of a user can look like this: %w", backend.ErrUnknownUser)
	}
	return l, nil
}

func (b *Backend) resolve(ctx context.Context, l login) (backend.Identity, error) {
	began := time.Now()
	bound, err := b.bindName(l)
	if err != nil {
		return backend.Identity{}, err
	}
	if b.asUser() {
		return backend.Identity{User: fold(l.account), Handle: bound}, nil
	}
	e, err := b.find(ctx, b.asService, l, bound)
	if errors.Is(err, errAmbiguous) && l.bySuffix {
		l.account = l.user // one has it for a principal name, and another is called so
		e, err = b.find(ctx, b.asService, l, bound)
	}
	if err != nil {
		return backend.Identity{}, err
	}
	own, err := b.readInDomain(ctx, e)
	if err != nil {
		return backend.Identity{}, err
	}
	id, err := b.identity(own)
	if err != nil {
		return backend.Identity{}, err
	}
	asked, err := b.asksForName(ctx, l, id.User)
	if err == nil && !asked {
		err = b.isOnlyOne(ctx, e)
	}
	if err != nil {
		return backend.Identity{}, fmt.Errorf("user %q: %w", id.User, err)
	}
	if b.enforcesStates() {
		if state, err := b.accountState(ctx, own, began); err == nil {
			b.states.put(id.Handle, state, began)
		}
	}
	b.keepRoute(ctx, id.Handle)
	return id, nil
}

// verify ends a login that has begun at a moment.
func (b *Backend) verify(ctx context.Context, id backend.Identity, password string, began time.Time) (backend.Identity, error) {
	tried := false
	var said bindNews
	err := b.directory.bindAs(ctx, func(c *conn) (err error) {
		tried = true
		start := time.Now()
		said, err = b.bind(ctx, c, id.Handle, password)
		if err == nil && b.asUser() {
			id, err = b.findOwn(ctx, c, id)
		}
		if id.OnGrace = said.onGrace; id.Expires == "" && !said.end.IsZero() {
			id.Expires = b.soonExpires(said.end, time.Now())
		}
		if err == nil {
			b.warnOfExpiry(c, id.Handle, id.Expires, start)
		}
		return err
	})
	switch {
	case err != nil && !tried:
		return backend.Identity{}, fmt.Errorf("user %q: %w: %w", id.User, backend.ErrUntried, err)
	case err != nil:
		return backend.Identity{}, fmt.Errorf("user %q: %w", id.User, err)
	}
	if err := b.enforceState(ctx, id); err != nil {
		return backend.Identity{}, err
	}
	b.using(id.Handle, began)
	return b.afterWarning(ctx, id, said.end), nil
}

// enforceState fails for a user whose password is right and whose account may not be
// used, where the directory does not see to that. It goes by what the login found in the
// entry, so that it takes no other question.
func (b *Backend) enforceState(ctx context.Context, id backend.Identity) error {
	if !b.enforcesStates() {
		return nil
	}
	switch state, known := b.states.get(id.Handle); {
	case !known:
		_, err := b.Revalidate(ctx, id)
		return err
	case state.text != "":
		return fmt.Errorf("user %q: %w", id.User, state.refusal())
	}
	return nil
}

// asUser reports whether users search with their own rights.
func (b *Backend) asUser() bool {
	return b.config.BindTemplate != "" && !b.config.hasAccount()
}

// bindName returns the name that the template makes of a login, or nothing
// without one. All spellings of a login have the same, so that they count as
// one to whoever counts guesses.
func (b *Backend) bindName(l login) (string, error) {
	if b.config.BindTemplate == "" {
		return "", nil
	}
	account := fold(l.account)
	name := ldap.EscapeDN(account)
	if _, err := parseDN(b.config.BindTemplate); err != nil {
		name = account
		if strings.ContainsAny(name, `@\/`) { // would choose another domain
			return "", backend.ErrUnknownUser
		}
	}
	return strings.Replace(b.config.BindTemplate, "{user}", name, 1), nil
}

// bindNews is what a directory says beside that a password is right.
type bindNews struct {
	onGrace bool      // it has expired, and this was one of the logins that are left
	end     time.Time // when it expires, if the directory warns
}

// bind checks a password, with one bind on a connection of its own.
func (b *Backend) bind(ctx context.Context, c *conn, name, password string) (said bindNews, err error) {
	start := time.Now()
	controls, err := c.bind(ctx, b.config.OperationTimeout, name, password)
	c.meter.count(opBind, start, err)
	if err != nil {
		return said, err
	}
	for _, control := range controls {
		switch p := control.(type) {
		case *ldap.ControlVChuPasswordWarning:
			said.end = start.Add(time.Duration(p.Expire) * time.Second)
		case *ldap.ControlBeheraPasswordPolicy:
			switch {
			case p.Grace >= 0:
				c.meter.count(opGrace, start, nil)
				b.config.Log.Warn(fmt.Sprintf("the password of a user has expired, %d grace logins left", p.Grace), "dn", name, "logins_left", p.Grace, fault.Attr, "ldap.user.grace")
				if b.config.RefuseGraceLogins {
					return said, lockedError(statePasswordExpired)
				}
				said.onGrace = true
			case p.Expire >= 0:
				b.config.Log.Info("the password of a user is about to expire", "dn", name, "seconds", p.Expire)
				said.end = start.Add(time.Duration(p.Expire) * time.Second)
			}
		}
	}
	return said, nil
}

// findOwn returns who a user is that was bound on c by the template, and
// remembers the user's groups, which nobody can ask for later.
func (b *Backend) findOwn(ctx context.Context, c *conn, bound backend.Identity) (backend.Identity, error) {
	var search searcher
	bases := newMemo[struct{}](b.config.GroupTTL) // another user may see others
	search = func(ctx context.Context, q query) ([]*ldap.Entry, error) {
		entries, err := c.search(ctx, &b.config, q)
		if err != nil {
			return nil, searchError(err, q.base)
		}
		return entries, b.finish(ctx, search, bases, q, entries)
	}
	e, err := b.find(ctx, search, loginOf(bound), bound.Handle)
	if errors.Is(err, backend.ErrUnknownUser) {
		return bound, fault.With("ldap.user.hidden", fmt.Errorf("the password is right, but user_bases and user_filter find no entry that the user may read: %v", err))
	}
	if err != nil {
		return bound, err
	}
	id, err := b.identity(e)
	if err != nil {
		return bound, err
	}
	asked := time.Now()
	r := &resolver{Backend: b, search: search, alone: true, memory: newGroupMemory(b.config), dn: e.DN}
	names, err := r.groups(ctx)
	b.own.put(e.DN, ownGroups{names, err}, asked)
	id.Source = bound.Source
	return id, nil
}

// loginOf returns the login that a template made a principal name or another
// name of.
func loginOf(bound backend.Identity) login {
	l := login{user: bound.User, account: bound.User}
	if _, err := parseDN(bound.Handle); err != nil && strings.Contains(bound.Handle, "@") {
		l.user = bound.Handle
	}
	return l
}
