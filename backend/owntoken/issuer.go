package owntoken

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"sync"
	"time"

	"gatehouse/backend"
)

// Config bounds the tokens that an [Issuer] makes.
type Config struct {
	// PerUser is how many tokens of a kind an owner can have that have not ended.
	PerUser int

	// MaxTTL is the longest time for which a token of a person is good, and RobotMaxTTL
	// that for one of a robot. No token is for ever.
	MaxTTL, RobotMaxTTL time.Duration

	// AllowDNAnchor lets accounts own tokens of which nothing is known but the name of
	// their entry. Whoever gets that name later gets the tokens, too.
	AllowDNAnchor bool
}

// maxTTL is the longest time for which a token of kind k is good.
func (c Config) maxTTL(k Kind) time.Duration {
	if k == Robot {
		return c.RobotMaxTTL
	}
	return c.MaxTTL
}

// Order is what somebody asks for who wants a token.
type Order struct {
	Kind   Kind
	Name   string
	Owner  Owner
	Limits Limits
	TTL    time.Duration // how long it is good; 0 is as long as possible

	By, Request string // see [Token]
}

// Issuer makes tokens, and ends them. Any number of goroutines may use one at once.
type Issuer struct {
	store  Store
	config Config
	now    func() time.Time

	mu *sync.Mutex // so that two at once do not get more tokens than one may have
}

// NewIssuer returns an Issuer of the tokens in s.
func NewIssuer(s Store, c Config) *Issuer {
	return &Issuer{store: s, config: c, now: time.Now, mu: new(sync.Mutex)}
}

// With returns an Issuer of the same tokens with other bounds. The two may be used at once.
func (i *Issuer) With(c Config) *Issuer {
	other := *i
	other.config = c
	return &other
}

// The errors that say why somebody gets no token.
var (
	// ErrName says that the owner has one of that name.
	ErrName = errors.New("there is a token of that name already: take another name, or rotate that one")

	// ErrTooMany says that the owner has as many as one may have.
	ErrTooMany = errors.New("there are as many tokens as one may have: revoke one that is not needed")

	// ErrTooOften says that the owner has made too many within a day, whatever became of
	// them: each of them is kept for a while.
	ErrTooOften = errors.New("too many tokens were made within a day: come back tomorrow")

	// ErrTwo says that one of that name takes the place of another already.
	ErrTwo = errors.New("there are two tokens of that name, of which one takes the place of the other: revoke the older one, or wait until it has ended")

	// ErrNoAnchor says that an account can own none, since a later one of the same name
	// could not be told from it.
	ErrNoAnchor = errors.New("the backend shows nothing that tells the account from a later one of the same name, which would get its tokens")

	// ErrDNAnchor says the same of an account of which the name of its entry is known.
	ErrDNAnchor = errors.New("the directory shows nothing of the account but the name of its entry, and whoever gets that name later would get its tokens: let the service account read the attribute that names an entry for good, or set allow_dn_anchor")
)

// CheckOwner reports why an account can own no tokens, nil if it can.
func (i *Issuer) CheckOwner(o Owner) error {
	switch {
	case o.User == "": // a group, which has no account
		return nil
	case o.Anchor == "":
		return ErrNoAnchor
	case o.IsKnownByDN() && !i.config.AllowDNAnchor:
		return ErrDNAnchor
	}
	return nil
}

// Bounds returns the bounds of the tokens that i makes.
func (i *Issuer) Bounds() Config { return i.config }

// List returns the tokens of an account that have not ended, of all kinds, the oldest first.
func (i *Issuer) List(ctx context.Context, o Owner) ([]Token, error) {
	all, err := i.store.ByOwner(ctx, o)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(t Token) bool {
		return t.Owner.Identity().SameAs(o.Identity()) != backend.Same || t.At(i.now()) != nil
	}), nil
}

// Create makes a token, and returns it with its secret, which nobody can be told a second
// time. The token outlasts a crash by then.
func (i *Issuer) Create(ctx context.Context, o Order) (Token, string, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	now := i.moment()
	t := Token{
		ID: newID(), Kind: o.Kind, Name: o.Name, Owner: o.Owner, Limits: o.Limits,
		Created: now, By: o.By, Request: o.Request,
	}
	if err := i.CheckOwner(o.Owner); err != nil {
		return Token{}, "", err
	}
	ttl, err := i.ttl(o)
	if err != nil {
		return Token{}, "", err
	}
	t.Expires = now.Add(ttl)
	if err := errors.Join(t.check(), i.checkRobot(ctx, t)); err != nil {
		return Token{}, "", err
	}
	others, err := i.live(ctx, t)
	c := Change{At: now, By: o.By}
	switch {
	case err != nil:
		return Token{}, "", err
	case o.Kind == Identity && len(others) >= i.config.PerUser: // nobody looks after these, who logs in again and again
		c.Revoke = []string{others[0].ID}
	case slices.ContainsFunc(others, func(other Token) bool { return other.Name == t.Name }):
		return Token{}, "", ErrName
	case len(others) >= i.config.PerUser:
		return Token{}, "", fmt.Errorf("%w (%d)", ErrTooMany, i.config.PerUser)
	}
	if err := i.checkOften(ctx, t); err != nil {
		return Token{}, "", err
	}
	return i.keep(ctx, t, c)
}

// moment is now as it is kept, without a clock of this process and parts of a second.
func (i *Issuer) moment() time.Time { return i.now().UTC().Truncate(time.Second) }

// ttl returns how long a token is good that somebody asks for.
func (i *Issuer) ttl(o Order) (time.Duration, error) {
	longest := i.config.maxTTL(o.Kind)
	switch {
	case o.TTL < 0 || o.TTL > 0 && o.TTL < time.Minute:
		return 0, errors.New("a token is good for a minute at least")
	case o.TTL > longest:
		return 0, fmt.Errorf("a token of this kind is good for %s at most", longest)
	case o.TTL == 0:
		return longest, nil
	}
	return o.TTL, nil
}

// dailyShare is how many times as many tokens an owner can make in a day as one may have.
const dailyShare = 5

// checkOften reports that the owner of t has made too many tokens of that kind since
// yesterday. Clients make those that they keep after a login, and have no such bound.
func (i *Issuer) checkOften(ctx context.Context, t Token) error {
	if t.Kind == Identity {
		return nil
	}
	all, err := i.store.ByOwner(ctx, t.Owner)
	if err != nil {
		return err
	}
	recent := 0
	for _, other := range all {
		if other.Kind == t.Kind && i.now().Sub(other.Created) < 24*time.Hour {
			recent++
		}
	}
	if recent >= dailyShare*i.config.PerUser {
		return ErrTooOften
	}
	return nil
}

// live returns the tokens of the same kind and owner as t that have not ended.
func (i *Issuer) live(ctx context.Context, t Token) ([]Token, error) {
	all, err := i.List(ctx, t.Owner)
	return slices.DeleteFunc(all, func(other Token) bool { return other.Kind != t.Kind }), err
}

// checkRobot refuses a robot of a name that another owner's has. Rules know robots by their
// names, whoever owns them.
func (i *Issuer) checkRobot(ctx context.Context, t Token) error {
	if t.Kind != Robot {
		return nil
	}
	all, err := i.store.All(ctx)
	if err != nil {
		return err
	}
	for _, other := range all {
		if other.Kind == Robot && other.Name == t.Name && other.Owner.key() != t.Owner.key() && other.At(i.now()) == nil {
			return fmt.Errorf("%w, of another owner (id %s)", ErrName, other.ID)
		}
	}
	return nil
}

// keep adds t to c, and has the store keep that.
func (i *Issuer) keep(ctx context.Context, t Token, c Change) (Token, string, error) {
	secret := newSecret(t.Kind)
	c.Add = []Added{{hashOf(secret), t}}
	if err := i.store.Change(ctx, c); err != nil {
		return Token{}, "", err
	}
	return t, secret, nil
}

// Rotate makes another token in place of the one with an ID, with the same name, limits and
// length of life. The old one is good for overlap longer, and no longer than it was. For so
// long neither of the two can be rotated, so that there are never more than two of a name,
// and whoever asks twice gets one.
func (i *Issuer) Rotate(ctx context.Context, id string, overlap time.Duration, by, request string) (Token, string, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	old, err := i.store.ByID(ctx, id)
	if err == nil {
		err = old.At(i.now())
	}
	var others []Token
	if err == nil {
		others, err = i.live(ctx, old)
	}
	switch {
	case err != nil:
		return Token{}, "", err
	case overlap < 0:
		return Token{}, "", errors.New("an overlap cannot be negative")
	case slices.ContainsFunc(others, func(other Token) bool { return other.Name == old.Name && other.ID != old.ID }):
		return Token{}, "", ErrTwo
	}
	if err := i.checkOften(ctx, old); err != nil {
		return Token{}, "", err
	}
	now := i.moment()
	t := old
	t.ID, t.Created, t.By, t.Request = newID(), now, by, request
	t.Expires = now.Add(min(old.Expires.Sub(old.Created), i.config.maxTTL(t.Kind)))
	t.Used, t.UsedFrom = Token{}.Used, Token{}.UsedFrom
	return i.keep(ctx, t, Change{At: now, By: by, Shorten: map[string]time.Time{old.ID: now.Add(overlap)}})
}

// Find returns the token whose secret is given, whether or not it has ended. Its error is
// or wraps [ErrNone] if there is none.
func (i *Issuer) Find(ctx context.Context, secret string) (Token, error) {
	if !isWhole(secret) {
		return Token{}, ErrNone
	}
	return i.store.Find(ctx, hashOf(secret))
}

// newID returns a random ID.
func newID() string {
	var id [8]byte
	rand.Read(id[:]) // never fails: without randomness it ends the process
	return hex.EncodeToString(id[:])
}
