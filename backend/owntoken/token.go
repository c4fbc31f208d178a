package owntoken

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"gatehouse/backend"
	"gatehouse/backend/fault"
)

// Token is what is kept of a token. Its secret is not.
type Token struct {
	// ID names the token in logs and commands. It is no secret.
	ID string `json:"id"`

	Kind Kind `json:"kind"`

	// Name is what its owner calls the token. An owner has one of a name, or two while
	// one takes the place of the other.
	Name string `json:"name"`

	Owner Owner `json:"owner"`

	Limits

	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`

	// By says who made the token, and Request is the ID under which logs have that.
	By      string `json:"by,omitempty"`
	Request string `json:"request,omitempty"`

	// Revoked is when the token was revoked, the zero value if it was not.
	Revoked time.Time `json:"revoked,omitzero"`

	// RevokedFor is why, empty where somebody revoked it who needs no reason.
	RevokedFor string `json:"revoked_for,omitempty"`

	// Orphaned is since when its owner is known to be gone, the zero value for one who is
	// there.
	Orphaned time.Time `json:"orphaned,omitzero"`

	// Used is when and from where the token was last used, to the hour.
	Used     time.Time  `json:"used,omitzero"`
	UsedFrom netip.Addr `json:"used_from,omitzero"`
}

// Owner is the account whose rights a token has.
type Owner struct {
	Backend string `json:"backend"` // which vouched for the user, Identity.Source
	User    string `json:"user,omitempty"`
	Handle  string `json:"handle,omitempty"`
	Anchor  string `json:"anchor,omitempty"`

	// Group owns a robot for which no single user answers.
	Group string `json:"group,omitempty"`
}

// OwnerOf returns the owner that id is.
func OwnerOf(id backend.Identity) Owner {
	return Owner{Backend: id.Source, User: id.User, Handle: id.Handle, Anchor: id.Anchor}
}

// Identity returns the account as its backend is asked about it.
func (o Owner) Identity() backend.Identity {
	return backend.Identity{User: o.User, Handle: o.Handle, Source: o.Backend, Anchor: o.Anchor}
}

// IsKnownByDN reports whether nothing tells the account from a later one but the name of its
// entry.
func (o Owner) IsKnownByDN() bool { return strings.HasPrefix(o.Anchor, "dn:") }

// key is what tokens of one owner are found by. An account that is moved keeps its tokens.
func (o Owner) key() ownerKey { return ownerKey{o.Backend, o.User, o.Group} }

type ownerKey struct{ backend, user, group string }

// Limits say what a token may be used for, out of what its owner may do. None of them is no
// limit.
type Limits struct {
	Repositories []string       `json:"repositories,omitempty"` // patterns, as in rules
	Actions      []string       `json:"actions,omitempty"`      // pull, push, delete, catalog, extension
	From         []netip.Prefix `json:"from,omitempty"`         // networks of clients
}

// LetsFrom reports whether the token may be used from an address.
func (l Limits) LetsFrom(addr netip.Addr) bool {
	return l.From == nil || slices.ContainsFunc(l.From, func(p netip.Prefix) bool { return p.Contains(addr.Unmap()) })
}

// The errors that say why a token lets nobody in. Each is a refusal, see [backend.Refused].
var (
	// ErrNone says that nobody has made such a token.
	ErrNone = fault.With("token.own.unknown", fmt.Errorf("there is no such token: %w", backend.ErrWrongPassword))

	// ErrOther says that somebody else owns it.
	ErrOther = fault.With("token.own.other_user", fmt.Errorf("the token is not of this user: %w", backend.ErrWrongPassword))

	// ErrExpired says that its time is over.
	ErrExpired = fault.With("token.own.expired", fmt.Errorf("the token has expired: %w", backend.ErrWrongPassword))

	// ErrRevoked says that it was revoked.
	ErrRevoked = fault.With("token.own.revoked", fmt.Errorf("the token was revoked: %w", backend.ErrWrongPassword))
)

// At returns why the token is not good at now, nil if it is.
func (t *Token) At(now time.Time) error {
	switch {
	case !t.Revoked.IsZero():
		return ErrRevoked
	case !now.Before(t.Expires):
		return ErrExpired
	}
	return nil
}

// maxName is the length of the longest name of a token, in bytes.
const maxName = 64

// CheckName reports why a token cannot be called name. Names stand in logs, commands and
// forms, where no shell and no page may take a part of them for its own.
func CheckName(name string) error {
	if name == "" || len(name) > maxName {
		return fmt.Errorf("a token needs a name of 1 to %d characters", maxName)
	}
	if strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != "" || strings.HasPrefix(name, "-") {
		return errors.New("a name of a token has letters, digits, \"-\", \"_\" and \".\", and does not begin with \"-\"")
	}
	return nil
}

// robotName matches the names that robots can have, which are those that a segment of the
// name of a repository can have.
var robotName = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*$`)

// check reports why t cannot be kept.
func (t *Token) check() error {
	if err := CheckName(t.Name); err != nil {
		return err
	}
	switch {
	case t.Kind == Robot && !robotName.MatchString(t.Name):
		return fmt.Errorf("%q is no name of a robot: it has lower-case letters and digits, with one of \".\", \"_\" and \"-\" between them, such as \"team-ci\"", t.Name)
	case t.ID == "":
		return errors.New("a token needs an id")
	case prefixes[t.Kind] == "":
		return fmt.Errorf("%q is no kind of token", t.Kind)
	case t.Owner.User == "" && t.Owner.Group == "":
		return errors.New("a token needs an owner")
	case t.Kind != Robot && t.Owner.User == "":
		return errors.New("a group can own the token of a robot alone")
	case t.Repositories != nil && len(t.Repositories) == 0, t.Actions != nil && len(t.Actions) == 0, t.From != nil && len(t.From) == 0:
		return errors.New("an empty list of repositories, actions or networks would be no limit: leave it out, or put something in")
	case t.Created.IsZero() || !t.Expires.After(t.Created):
		return errors.New("a token needs an end that is after its beginning")
	}
	return nil
}
