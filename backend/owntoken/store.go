package owntoken

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"time"
)

// Store keeps tokens. Any number of goroutines may use one at once. Its errors wrap
// [backend.ErrUnavailable] if it could not be asked.
type Store interface {
	// Find returns the token whose secret has that hash; its error is or wraps ErrNone
	// if there is none.
	Find(ctx context.Context, h Hash) (Token, error)

	// ByID returns the token with that ID; its error is or wraps ErrNone if there is
	// none.
	ByID(ctx context.Context, id string) (Token, error)

	// ByOwner returns the tokens of accounts of that backend and name, the oldest first.
	// They may be of two accounts, one of which was made anew under the name of the
	// other.
	ByOwner(ctx context.Context, o Owner) ([]Token, error)

	// All returns all tokens, the oldest first.
	All(ctx context.Context) ([]Token, error)

	// Change makes all of c count. It has been kept, and outlasts a crash, when Change
	// returns nil. What c revokes is revoked even if it returns an error.
	Change(ctx context.Context, c Change) error

	// Note takes down that a token was used. It is kept when there is time for it.
	Note(id string, u Use)
}

// Change is what is done to tokens at once, and a line of the file that keeps them.
type Change struct {
	At time.Time `json:"at"`
	By string    `json:"by,omitempty"` // who did it

	Add     []Added              `json:"add,omitempty"`
	Shorten map[string]time.Time `json:"shorten,omitempty"` // tokens by ID, and when they end
	Revoke  []string             `json:"revoke,omitempty"`  // tokens by ID
	Why     string               `json:"why,omitempty"`     // they are revoked; empty for no reason
	Orphan  map[string]time.Time `json:"orphan,omitempty"`  // tokens by ID, and since when their owner is gone; the zero time for one who is back
	Used    map[string]Use       `json:"used,omitempty"`    // tokens by ID
}

// Added is a token that is new to a Store.
type Added struct {
	Hash  Hash `json:"hash"`
	Token      // as it is by then
}

// Use is when and from where a token was used.
type Use struct {
	At   time.Time  `json:"at"`
	From netip.Addr `json:"from,omitzero"`
}

// entry is a token in memory.
type entry struct {
	Token
	hash   Hash
	number uint64 // of those that were added: many are made within a second
}

// table is the tokens of a Store in memory. It needs a lock around it.
type table struct {
	byHash  map[Hash]*entry
	byID    map[string]*entry
	byOwner map[ownerKey][]*entry
	added   uint64
}

func newTable() *table {
	return &table{byHash: map[Hash]*entry{}, byID: map[string]*entry{}, byOwner: map[ownerKey][]*entry{}}
}

// errTwice says of a Change that it adds what is there.
var errTwice = errors.New("it adds a token that there is already")

// check reports why c cannot be done.
func (t *table) check(c *Change) error {
	if c.At.IsZero() {
		return errors.New("it does not say when it was made")
	}
	for i := range c.Add {
		a := &c.Add[i]
		if err := a.Token.check(); err != nil {
			return err
		}
		twice := slices.ContainsFunc(c.Add[:i], func(b Added) bool { return b.ID == a.ID || b.Hash == a.Hash })
		if twice || t.byID[a.ID] != nil || t.byHash[a.Hash] != nil {
			return errTwice
		}
	}
	for id := range c.Shorten {
		if t.byID[id] == nil {
			return errors.New("it shortens a token that there is not")
		}
	}
	for id := range c.Orphan {
		if t.byID[id] == nil {
			return errors.New("it says who owns a token that there is not")
		}
	}
	for _, id := range c.Revoke {
		if t.byID[id] == nil {
			return errors.New("it revokes a token that there is not")
		}
	}
	return nil
}

// do makes c count, which check has found nothing wrong with.
func (t *table) do(c *Change) {
	for i := range c.Add {
		t.add(&entry{Token: c.Add[i].Token, hash: c.Add[i].Hash})
	}
	for id, end := range c.Shorten {
		if e := t.byID[id]; end.Before(e.Expires) {
			e.Expires = end
		}
	}
	for id, since := range c.Orphan {
		t.byID[id].Orphaned = since
	}
	t.revoke(c)
	for i := range c.Add {
		if c.Add[i].Kind == Identity {
			t.forgetLogins(c.Add[i].Owner.key())
		}
	}
	for id, u := range c.Used {
		t.note(id, u)
	}
}

// maxRevokedLogins is how many tokens of past logins of an owner can still be seen.
const maxRevokedLogins = 50

// forgetLogins drops the oldest tokens that docker login kept and that are revoked, of an
// owner who has many of them. A program that logs in for each of its runs makes one each
// time, and ends another. Nothing is ever done to a token that is revoked, so that no later
// line names one that is dropped.
func (t *table) forgetLogins(owner ownerKey) {
	var revoked []*entry
	for _, e := range t.byOwner[owner] { // the oldest first
		if e.Kind == Identity && !e.Revoked.IsZero() {
			revoked = append(revoked, e)
		}
	}
	for _, e := range revoked[:max(0, len(revoked)-maxRevokedLogins)] {
		t.remove(e)
	}
}

func (t *table) add(e *entry) {
	t.added++
	e.number = t.added
	owned := t.byOwner[e.Owner.key()]
	if len(owned) > 0 && e.Owner == owned[0].Owner {
		e.Owner = owned[0].Owner // which has the texts in memory once
	}
	if len(owned) > 0 && e.By == owned[0].By {
		e.By = owned[0].By
	}
	t.byHash[e.hash], t.byID[e.ID] = e, e
	t.byOwner[e.Owner.key()] = append(owned, e)
}

// remove takes a token out.
func (t *table) remove(e *entry) {
	delete(t.byHash, e.hash)
	delete(t.byID, e.ID)
	owned := slices.DeleteFunc(t.byOwner[e.Owner.key()], func(o *entry) bool { return o == e })
	if t.byOwner[e.Owner.key()] = owned; len(owned) == 0 {
		delete(t.byOwner, e.Owner.key())
	}
}

func (t *table) revoke(c *Change) {
	for _, id := range c.Revoke {
		if e := t.byID[id]; e != nil && e.Revoked.IsZero() {
			e.Revoked, e.RevokedFor = c.At, c.Why
		}
	}
}

// note takes down the last use of a token.
func (t *table) note(id string, u Use) {
	if e := t.byID[id]; e != nil && u.At.After(e.Used) {
		e.Used, e.UsedFrom = u.At, u.From
	}
}

// all returns all tokens, the oldest first.
func (t *table) all() []Token { return sorted(slices.Collect(maps.Values(t.byID))) }

// sorted returns the tokens of entries, the oldest first.
func sorted(entries []*entry) []Token {
	entries = slices.SortedFunc(slices.Values(entries), func(a, b *entry) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.number, b.number))
	})
	tokens := make([]Token, 0, len(entries))
	for _, e := range entries {
		tokens = append(tokens, e.Token)
	}
	return tokens
}
