package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gatehouse/backend"
	"gatehouse/backend/owntoken"
	"gatehouse/backend/spell"
	"gatehouse/cmd/gatehouse/assemble"
	"gatehouse/gateway/admin"
	"gatehouse/gateway/rules"
	"gatehouse/gateway/strict"
)

// ownerOf returns whose token o asks for. The backend is asked who that is, so that a later
// account of the same name does not get the token.
func ownerOf(ctx context.Context, a *assemble.Assembly, o admin.TokenOrder) (owntoken.Owner, error) {
	switch {
	case o.Robot && (o.User != "" || o.Backend != "" || o.Owner == ""):
		return owntoken.Owner{}, fmt.Errorf("%w: a robot has an owner, such as \"group corp:team\", and no user", admin.ErrMalformed)
	case o.Robot:
		return robotOwner(ctx, a, o.Owner)
	case o.User == "" || o.Owner != "":
		return owntoken.Owner{}, fmt.Errorf("%w: a token that is not of a robot has a user, and no owner", admin.ErrMalformed)
	}
	return userOwner(ctx, a, o.Backend, o.User)
}

// robotOwner reads who answers for a robot, in the words of a rule.
func robotOwner(ctx context.Context, a *assemble.Assembly, text string) (owntoken.Owner, error) {
	const want = "want the owner of the robot as \"group BACKEND:NAME\" or \"user BACKEND:NAME\""
	requirement, err := rules.ParseRequire([]any{text})
	names := []rules.Name{}
	if err == nil {
		names = rules.Names(requirement)
	}
	word, _, _ := strings.Cut(text, " ")
	if err != nil || len(names) != 1 || word != "user" && word != "group" {
		return owntoken.Owner{}, errors.Join(fmt.Errorf("%w: %q: %s", admin.ErrMalformed, text, want), err)
	}
	source, name, qualified := strings.Cut(names[0].Name, ":")
	if !qualified || !slices.Contains(a.Config.BackendNames(), source) {
		source, name = "", names[0].Name
	}
	if !names[0].Group {
		return userOwner(ctx, a, source, name)
	}
	return groupOwner(a, source, name)
}

// groupOwner returns the owner that a group of a backend is.
func groupOwner(a *assemble.Assembly, source, group string) (owntoken.Owner, error) {
	sources, err := vouchers(a, source)
	if err != nil {
		return owntoken.Owner{}, err
	}
	if len(sources) != 1 {
		return owntoken.Owner{}, fmt.Errorf("%w: say of which backend the group is, such as \"group %s:%s\"", admin.ErrMalformed, sources[0], group)
	}
	b := backend.Extend(a.Named(sources[0]))
	group = b.Spelling(sources[0]).CanonicalGroup(group)
	if roster, ok := a.Stack(sources[0]).Leaf.(backend.Roster); ok {
		if known := roster.GroupNames(); !slices.Contains(known, group) {
			return owntoken.Owner{}, fmt.Errorf("the backend %q has no group %q%s", sources[0], group, spell.DidYouMean(group, known))
		}
	}
	return owntoken.Owner{Backend: sources[0], Group: group}, nil
}

// vouchers returns the backends that vouch for users, or the one that is named.
func vouchers(a *assemble.Assembly, source string) ([]string, error) {
	var all []string
	for _, table := range a.Config.Backends {
		if !a.Config.IsComposite(table) && a.Named(table.Name()) != nil {
			all = append(all, table.Name())
		}
	}
	switch {
	case source == "":
		return all, nil
	case slices.Contains(all, source):
		return []string{source}, nil
	}
	return nil, fmt.Errorf("%w: there is no backend %q that vouches for users by itself (known: %s)%s", admin.ErrMalformed, source, strings.Join(all, ", "), spell.DidYouMean(source, all))
}

// userOwner asks the backends who a user is. All of them have to answer: the one that does
// not might have an account of that name, too.
func userOwner(ctx context.Context, a *assemble.Assembly, source, user string) (owntoken.Owner, error) {
	name, err := strict.UserName(user)
	if err != nil {
		return owntoken.Owner{}, fmt.Errorf("%w: no login can have the name: %w", admin.ErrMalformed, err)
	}
	sources, err := vouchers(a, source)
	if err != nil {
		return owntoken.Owner{}, err
	}
	var found []backend.Identity
	var refusals []error
	for _, source := range sources {
		if !a.Follows(source) {
			refusals = append(refusals, fmt.Errorf("the backend %q cannot tell what becomes of an account, so that its users can have no tokens: it needs a service account (bind_dn)", source))
			continue
		}
		id, err := accountOf(ctx, a.Named(source), source, name)
		switch {
		case err == nil:
			found = append(found, id)
		case !backend.Refused(err):
			return owntoken.Owner{}, err
		default:
			refusals = append(refusals, err)
		}
	}
	switch {
	case len(found) == 0:
		return owntoken.Owner{}, fmt.Errorf("user %q can have no token: %w", name, errors.Join(refusals...))
	case len(found) > 1:
		return owntoken.Owner{}, fmt.Errorf("the backends %q and %q have a user %q each: say which is meant with --backend, or in the owner of a robot with \"user %s:%s\"", found[0].Source, found[1].Source, name, found[0].Source, name)
	}
	owner := owntoken.OwnerOf(found[0])
	if err := a.Gateway.Tokens.Own.CheckOwner(owner); err != nil {
		return owntoken.Owner{}, fmt.Errorf("user %q of the backend %q: %w", owner.User, owner.Backend, err)
	}
	return owner, nil
}

// accountOf returns who the user of a name is to a backend. One that looks nobody up by a name
// knows all of them by that.
func accountOf(ctx context.Context, b backend.Backend, source, name string) (backend.Identity, error) {
	id, err := backend.LookUp(ctx, b, name)
	if !errors.Is(err, errors.ErrUnsupported) {
		return id, err
	}
	e := backend.Extend(b)
	return e.Revalidate(ctx, backend.Identity{User: e.CanonicalUser(name), Source: source})
}
