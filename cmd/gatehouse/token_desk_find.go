package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gatehouse/backend"
	"gatehouse/backend/fault"
	"gatehouse/backend/owntoken"
	"gatehouse/cmd/gatehouse/assemble"
	"gatehouse/gateway/admin"
	"gatehouse/gateway/record"
)

// List implements [admin.Tokens].
func (t tokenDesk) List(ctx context.Context, w admin.Whose) ([]admin.ShownToken, error) {
	_, a, err := t.issuer()
	if err != nil {
		return nil, err
	}
	found, err := t.find(ctx, a, w)
	list := make([]admin.ShownToken, 0, len(found))
	for _, token := range found {
		if why := token.At(time.Now()); why == nil || w.All {
			list = append(list, judged(token, why))
		}
	}
	return list, err
}

// judged returns what there is to say of a token that does not count because of err, or
// does.
func judged(t owntoken.Token, err error) admin.ShownToken {
	s := admin.ShownToken{Token: t, Counts: err == nil}
	if err != nil {
		s.Code, s.Why, s.Unknown = string(fault.Of(err)), err.Error(), errors.Is(err, backend.ErrUnavailable)
	}
	return s
}

// find returns the tokens that w means, also those that have ended. Where w says nothing but
// w.All, these are all.
func (t tokenDesk) find(ctx context.Context, a *assemble.Assembly, w admin.Whose) ([]owntoken.Token, error) {
	all, err := t.d.own.journal.All(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	if w.User != "" {
		if names, err = a.Spellings(w.User); err != nil {
			return nil, fmt.Errorf("%w: %w", admin.ErrMalformed, err)
		}
	}
	for _, id := range w.IDs {
		if !slices.ContainsFunc(all, func(token owntoken.Token) bool { return token.ID == id }) {
			return nil, fault.With("token.own.unknown", fmt.Errorf("there is no such token: %s", id))
		}
	}
	return slices.DeleteFunc(all, func(token owntoken.Token) bool {
		return w.IDs != nil && !slices.Contains(w.IDs, token.ID) ||
			w.User != "" && !slices.Contains(names, token.Owner.User) ||
			w.Robot != "" && (token.Kind != owntoken.Robot || token.Name != w.Robot) ||
			w.Backend != "" && token.Owner.Backend != w.Backend
	}), nil
}

// Show implements [admin.Tokens].
func (t tokenDesk) Show(ctx context.Context, what string) (admin.ShownToken, error) {
	issuer, a, err := t.issuer()
	if err != nil {
		return admin.ShownToken{}, err
	}
	var found owntoken.Token
	if owntoken.Looks(what) {
		found, err = issuer.Find(ctx, what)
	} else {
		found, err = t.d.own.journal.ByID(ctx, what)
	}
	switch {
	case errors.Is(err, owntoken.ErrNone): // which says more than there is to say here
		return admin.ShownToken{}, fault.With("token.own.unknown", errors.New("there is no such token"))
	case err != nil:
		return admin.ShownToken{}, err
	}
	if err = found.At(time.Now()); err == nil {
		err = t.stands(ctx, a, found.Owner)
	}
	return judged(found, err), nil
}

// stands reports why the account that owns a token does not let it count, as a route says
// on which its users log in. Of a group nobody can tell more than the rules do.
func (t tokenDesk) stands(ctx context.Context, a *assemble.Assembly, o owntoken.Owner) error {
	if o.User == "" {
		return nil
	}
	for _, r := range a.Gateway.Routes {
		if slices.Contains(r.Backends, o.Backend) {
			_, err := backend.Extend(r.Backend).ConfirmAccount(ctx, o.Identity())
			return err
		}
	}
	return fault.With("token.other_host", fmt.Errorf("the backend %q, which vouched for the owner, is none of this configuration", o.Backend))
}

// Revoke implements [admin.Tokens]. What the gateway has issued to clients ends with the
// tokens of a user, and with all.
func (t tokenDesk) Revoke(ctx context.Context, by string, w admin.Whose) (done admin.Revoked, err error) {
	a := t.d.current.Load()
	if len(w.IDs) == 0 && w.User == "" && w.Robot == "" && w.Backend == "" && !w.All {
		return done, fmt.Errorf("%w: say which tokens are to end", admin.ErrMalformed)
	}
	done.User = w.User
	var errs []error
	if w.User != "" && w.Backend == "" || w.All {
		err := t.revokeIssued(a, w)
		done.Issued = !errors.Is(err, admin.ErrMalformed) && !errors.Is(err, errNoTokens)
		errs = append(errs, err)
	}
	if t.d.own != nil {
		own, err := t.revokeOwn(ctx, by, w)
		done.Own = own
		errs = append(errs, err)
	} else if !done.Issued && errors.Join(errs...) == nil {
		errs = append(errs, errNoStore)
	}
	err = errors.Join(errs...)
	t.d.log.Info("tokens revoked", "all", w.All, "user", w.User, "robot", w.Robot, "backend", w.Backend, "ids", w.IDs, "own", done.Own, "by", by, "error", err)
	return done, err
}

// errNoTokens says that there is nothing to revoke.
var errNoTokens = errors.New("this gateway has no tokens: its configuration has no [tokens]")

// revokeIssued ends the tokens that the gateway has issued to clients.
func (t tokenDesk) revokeIssued(a *assemble.Assembly, w admin.Whose) error {
	tokens := a.Gateway.Tokens
	switch {
	case tokens == nil:
		return errNoTokens
	case w.User == "":
		return unkept(tokens.Revoked.RevokeAll(time.Now()))
	}
	names, err := a.Spellings(w.User)
	if err != nil {
		return fmt.Errorf("%w: %w", admin.ErrMalformed, err)
	}
	return unkept(tokens.Revoked.RevokeUser(names, time.Now()))
}

// unkept says of an error that something is not kept, as an outage is.
func unkept(err error) error {
	if err != nil {
		return fmt.Errorf("%w: %w", backend.ErrUnavailable, err)
	}
	return nil
}

// revokeOwn ends tokens that accounts own, and returns how many had not ended.
func (t tokenDesk) revokeOwn(ctx context.Context, by string, w admin.Whose) (int, error) {
	issuer, a, err := t.issuer()
	if err != nil {
		return 0, err
	}
	found, err := t.find(ctx, a, w)
	var ids []string
	for _, token := range found {
		if token.At(time.Now()) == nil {
			ids = append(ids, token.ID)
		}
	}
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	audit, _ := t.d.currentAudit() // which may be full: what is revoked must not wait for it
	n, err := issuer.Revoke(ctx, by, ids...)
	t.d.recordAudit(auditPromise{audit, 0}, record.Administration{Event: "token.revoke", By: by, ID: newRequestID(), Tokens: ids}, err)
	return n, err
}
