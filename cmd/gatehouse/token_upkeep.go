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
)

const (
	// endsSoon is how long before its end a token is warned of, once a day.
	endsSoon = 7 * 24 * time.Hour

	// askEvery is how often an owner is asked for whose token nobody uses.
	askEvery = 24 * time.Hour

	// orphanTime is how long the owner of a token may be gone before it ends for good. Until
	// then it is asleep: no backend lets an account in that is gone.
	orphanTime = 30 * 24 * time.Hour

	// maxWarned bounds how many tokens are named at once that end soon.
	maxWarned = 100
)

// upkeepName is who does what nobody asked for.
const upkeepName = "gatehouse"

// tokenUpkeep looks after the tokens that accounts own.
type tokenUpkeep struct {
	d      *daemon
	warned map[string]time.Time         // tokens by ID, and when they were warned of
	asked  map[owntoken.Owner]time.Time // and when the owner was asked for
}

func newTokenUpkeep(d *daemon) *tokenUpkeep {
	return &tokenUpkeep{d, map[string]time.Time{}, map[owntoken.Owner]time.Time{}}
}

// run does what is due at now.
func (u *tokenUpkeep) run(ctx context.Context, now time.Time) {
	u.warnOfEnds(ctx, now)
	u.askOwners(ctx, now)
	if err := errors.Join(u.d.own.journal.Flush(), u.d.own.journal.Tidy()); err != nil {
		u.d.log.Error("the last uses of tokens are not kept", "error", err)
	}
}

// live returns the tokens that have not ended at now.
func (u *tokenUpkeep) live(ctx context.Context, now time.Time) []owntoken.Token {
	all, err := u.d.own.journal.All(ctx)
	if err != nil {
		u.d.log.Error("looking after tokens", "error", err)
	}
	return slices.DeleteFunc(all, func(t owntoken.Token) bool { return t.At(now) != nil })
}

// warnOfEnds warns of tokens that end soon and in whose place there is none yet. What
// docker login keeps ends often, and is made anew by the next one.
func (u *tokenUpkeep) warnOfEnds(ctx context.Context, now time.Time) {
	live := u.live(ctx, now)
	type place struct {
		owner owntoken.Owner
		kind  owntoken.Kind
		name  string
	}
	last := map[place]time.Time{}
	for _, t := range live {
		if p := (place{t.Owner, t.Kind, t.Name}); t.Expires.After(last[p]) {
			last[p] = t.Expires
		}
	}
	warned := map[string]time.Time{}
	more := 0
	for _, t := range live {
		if t.Kind == owntoken.Identity || t.Expires.Sub(now) > endsSoon || t.Expires.Before(last[place{t.Owner, t.Kind, t.Name}]) {
			continue
		}
		if before, ok := u.warned[t.ID]; ok && now.Sub(before) < 24*time.Hour {
			warned[t.ID] = before
			continue
		}
		warned[t.ID] = now
		if len(warned) > maxWarned {
			more++
			continue
		}
		u.d.log.Warn("a token ends soon: rotate it, or make another one", fault.Attr, "token.own.ends_soon", "token", t.ID, "name", t.Name, "owner", ownerText(t.Owner), "ends", t.Expires)
	}
	if u.warned = warned; more > 0 {
		u.d.log.Warn("more tokens end soon: gatehouse token list has them", "number", more)
	}
}

// askOwners asks for the owners of tokens, and ends what belongs to nobody any more. A
// backend that does not answer says nothing of anybody, and is not asked again this time.
func (u *tokenUpkeep) askOwners(ctx context.Context, now time.Time) {
	of := map[owntoken.Owner][]owntoken.Token{}
	for _, t := range u.live(ctx, now) {
		of[t.Owner] = append(of[t.Owner], t)
	}
	asked, silent := map[owntoken.Owner]time.Time{}, map[string]bool{}
	for owner, tokens := range of {
		if before, ok := u.asked[owner]; ok && now.Sub(before) < askEvery {
			asked[owner] = before
			continue
		}
		if silent[owner.Backend] || ctx.Err() != nil {
			continue
		}
		gone, err := u.isGone(ctx, owner)
		if err != nil {
			silent[owner.Backend] = errors.Is(err, backend.ErrUnavailable)
			continue
		}
		asked[owner] = now
		if err := u.follow(ctx, tokens, gone, now); err != nil {
			u.d.log.Error("what becomes of the tokens of an owner is not kept", "owner", ownerText(owner), "error", err)
		}
	}
	u.asked = asked
}

// isGone reports whether there is no such account or group any more. Its error says that
// nobody can tell.
func (u *tokenUpkeep) isGone(ctx context.Context, o owntoken.Owner) (bool, error) {
	a := u.d.current.Load()
	if o.User == "" {
		roster, ok := a.Stack(o.Backend).Leaf.(backend.Roster)
		if !ok {
			return false, errors.ErrUnsupported
		}
		return !slices.Contains(roster.GroupNames(), o.Group), nil
	}
	err := tokenDesk{u.d}.stands(ctx, a, o)
	switch standing := backend.StandingOf(err); {
	case standing == backend.Gone, standing == backend.Replaced:
		return true, nil
	case err == nil, backend.Refused(err):
		return false, nil
	}
	return false, err
}

// follow takes down whether the owner of tokens is gone, and ends those of an owner who has
// been so for long.
func (u *tokenUpkeep) follow(ctx context.Context, tokens []owntoken.Token, gone bool, now time.Time) error {
	var news, over []string
	since := time.Time{}
	for _, t := range tokens {
		switch {
		case gone == t.Orphaned.IsZero():
			news = append(news, t.ID)
		case gone && now.Sub(t.Orphaned) >= orphanTime:
			over, since = append(over, t.ID), t.Orphaned
		}
	}
	owner := ownerText(tokens[0].Owner)
	var errs []error
	if len(news) > 0 {
		at := time.Time{}
		if gone {
			at = now.UTC().Truncate(time.Second)
			u.d.log.Warn("the owner of tokens is gone; they end for good in 30 days", fault.Attr, "token.own.orphaned", "owner", owner, "tokens", news)
		}
		errs = append(errs, u.d.own.issuer.Orphan(ctx, at, upkeepName, news...))
	}
	if len(over) > 0 {
		why := fmt.Sprintf("its owner is gone since %s", since.Format(time.DateOnly))
		_, err := u.d.own.issuer.RevokeFor(ctx, why, upkeepName, over...)
		u.d.log.Warn("tokens ended, whose owner is gone for 30 days", fault.Attr, "token.own.orphaned", "owner", owner, "tokens", over, "error", err)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
