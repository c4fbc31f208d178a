package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"gatehouse/backend/fault"
	"gatehouse/backend/owntoken"
	"gatehouse/cmd/gatehouse/assemble"
	"gatehouse/gateway/admin"
	"gatehouse/gateway/record"
	"gatehouse/gateway/rules"
	"gatehouse/gateway/strict"
)

// tokenDesk makes and ends tokens for those who run the gateway.
type tokenDesk struct{ d *daemon }

var _ admin.Tokens = tokenDesk{}

// errNoStore says why there are no tokens that accounts own.
var errNoStore = errors.New("this gateway keeps no tokens of people and robots: set store_file under [tokens], and restart it")

// issuer returns the Issuer of the configuration in use.
func (t tokenDesk) issuer() (*owntoken.Issuer, *assemble.Assembly, error) {
	a := t.d.current.Load()
	if t.d.own == nil {
		return nil, a, errNoStore
	}
	return a.Gateway.Tokens.Own, a, nil
}

// Create implements [admin.Tokens].
func (t tokenDesk) Create(ctx context.Context, by string, o admin.TokenOrder) (admin.MadeToken, error) {
	issuer, a, err := t.issuer()
	if err != nil {
		return admin.MadeToken{}, err
	}
	order, err := orderOf(o)
	if err != nil {
		return admin.MadeToken{}, fmt.Errorf("%w: %w", admin.ErrMalformed, err)
	}
	order.By, order.Request = by, newRequestID()
	if order.Owner, err = ownerOf(ctx, a, o); err != nil {
		return admin.MadeToken{}, err
	}
	r := record.Administration{Event: "token.create", By: by, ID: order.Request, Kind: string(order.Kind), Name: order.Name, Owner: ownerText(order.Owner)}
	return t.make(a, r, func() (owntoken.Token, string, error) {
		return issuer.Create(ctx, order)
	})
}

// Rotate implements [admin.Tokens].
func (t tokenDesk) Rotate(ctx context.Context, by, name string, overlap time.Duration) (admin.MadeToken, error) {
	issuer, a, err := t.issuer()
	if err != nil {
		return admin.MadeToken{}, err
	}
	old, err := t.named(ctx, name)
	if err != nil {
		return admin.MadeToken{}, err
	}
	id := newRequestID()
	return t.make(a, record.Administration{Event: "token.rotate", By: by, ID: id, Replaces: old.ID, Kind: string(old.Kind), Name: old.Name, Owner: ownerText(old.Owner)}, func() (owntoken.Token, string, error) {
		return issuer.Rotate(ctx, old.ID, overlap, by, id)
	})
}

// make has a token made, and takes down that it was. Where decisions must be recorded and
// this one cannot be, there is no token.
func (t tokenDesk) make(a *assemble.Assembly, r record.Administration, issue func() (owntoken.Token, string, error)) (admin.MadeToken, error) {
	promised, err := t.d.promiseAudit()
	if err != nil {
		return admin.MadeToken{}, err
	}
	made, secret, err := issue()
	if err == nil {
		r.Tokens = []string{made.ID}
	}
	t.d.recordAudit(promised, r, err)
	if err != nil {
		return admin.MadeToken{}, err
	}
	m := admin.MadeToken{Token: made, Secret: secret, Login: made.Owner.User, Hosts: a.HostsOf(made.Owner.Backend)}
	if made.Kind == owntoken.Robot {
		m.Login = made.Name
	}
	return m, nil
}

// orderOf reads what somebody asks for who wants a token, but for its owner. The limits are
// read as rules read theirs.
func orderOf(o admin.TokenOrder) (order owntoken.Order, err error) {
	order = owntoken.Order{Kind: owntoken.Personal, Name: o.Name, TTL: o.TTL}
	if o.Robot {
		order.Kind = owntoken.Robot
	}
	errs := []error{owntoken.CheckName(o.Name)}
	for _, text := range o.Repositories {
		errs = append(errs, rules.CheckRepository(text))
	}
	for _, name := range o.Actions {
		errs = append(errs, rules.CheckAction(name))
	}
	var from []netip.Prefix
	for _, text := range o.From {
		network, err := strict.ParseNetwork(text)
		from, errs = append(from, network), append(errs, err)
	}
	order.Limits = owntoken.Limits{Repositories: listOf(o.Repositories), Actions: listOf(o.Actions), From: listOf(from)}
	return order, errors.Join(errs...)
}

// listOf returns list, each item once, and nil for no items.
func listOf[T comparable](list []T) []T {
	var once []T
	for _, item := range list {
		if !slices.Contains(once, item) {
			once = append(once, item)
		}
	}
	return once
}

// ownerText names the owner of a token as rules do.
func ownerText(o owntoken.Owner) string {
	if o.Group != "" {
		return "group " + o.Backend + ":" + o.Group
	}
	return "user " + o.Backend + ":" + o.User
}

// newRequestID returns what logs have something under that was asked for at the socket.
func newRequestID() string { return rand.Text()[:8] }

// named returns the token with an ID, or the one of that name that has not ended. Of two
// of an owner, one of which takes the place of the other, it is the later.
func (t tokenDesk) named(ctx context.Context, name string) (owntoken.Token, error) {
	if found, err := t.d.own.journal.ByID(ctx, name); err == nil {
		return found, nil
	}
	all, err := t.d.own.journal.All(ctx)
	if err != nil {
		return owntoken.Token{}, err
	}
	now := time.Now()
	all = slices.DeleteFunc(all, func(other owntoken.Token) bool {
		return other.Name != name || other.Kind == owntoken.Identity || other.At(now) != nil
	})
	if len(all) == 0 {
		return owntoken.Token{}, fault.With("token.own.unknown", fmt.Errorf("no token that has not ended is called %q or has that ID", name))
	}
	last := all[len(all)-1]
	var texts []string
	for _, other := range all {
		texts = append(texts, fmt.Sprintf("%s of %s", other.ID, ownerText(other.Owner)))
	}
	if slices.ContainsFunc(all, func(other owntoken.Token) bool {
		return other.Owner.Identity() != last.Owner.Identity() || other.Owner.Group != last.Owner.Group || other.Kind != last.Kind
	}) {
		return owntoken.Token{}, fmt.Errorf("several tokens are called %q: give the ID of the one that is meant: %s", name, strings.Join(texts, ", "))
	}
	return last, nil
}
