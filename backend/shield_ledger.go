package backend

import (
	"crypto/hmac"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"gatehouse/backend/fault"
)

// A ledger counts the guesses at the passwords of users. Only users that the
// Backend knows are in it, so that made-up names neither fill it nor push out
// anybody. An entry that counts is never pushed out: when there is no room,
// further users have no budget at all, since one guess too many locks an account
// and one too few does not. It takes Size users with a wrong password within a
// FailureWindow to get there.
type ledger struct {
	cfg ShieldConfig

	mu       sync.Mutex
	accounts *simplelru.LRU[Identity, *account] // the one whose last guess ended first is the oldest
	good     *simplelru.LRU[Identity, key]      // the password that was right last
	stats    ShieldStats
}

// ShieldStats are figures of a [Shield].
type ShieldStats struct {
	Passed   uint64 // passwords that were passed on
	Repeated uint64 // passwords that were not, since they had just been wrong
	Withheld uint64 // passwords that were not, for want of budget

	Spent int // users whose budget is used up
	Users int // users with a wrong password that counts
	Known int // users whose good password is known
}

// A guess is a password, as its key, for the user id.
type guess struct {
	id  Identity
	key key
}

// An account is what is known of wrong passwords of one user.
type account struct {
	attempts []*reservation // in the order in which they were made
	locked   time.Time      // when the Backend last said that the account may not log in
}

// A reservation is the part of a budget that a guess takes.
type reservation struct {
	guess
	state   guessState
	settled time.Time
}

type guessState int

const (
	pending guessState = iota // the answer is to come
	wrong
	unclear // no answer came, and the Backend may have counted
)

func newLedger(cfg ShieldConfig) (*ledger, error) {
	l := &ledger{cfg: cfg}
	var errs [2]error
	l.accounts, errs[0] = simplelru.NewLRU[Identity, *account](math.MaxInt, nil) // bounded by reserve
	l.good, errs[1] = simplelru.NewLRU[Identity, key](cfg.Size, nil)
	return l, errors.Join(errs[:]...)
}

func (l *ledger) configure(cfg ShieldConfig) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cfg = cfg
}

func (l *ledger) config() ShieldConfig {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cfg
}

// reserve takes a part of the user's budget for g, or returns the answer to give
// instead of passing it on.
func (l *ledger) reserve(g guess) (*reservation, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.expire(now)
	a, ok := l.accounts.Peek(g.id)
	if !ok {
		a = &account{}
	}
	a.expire(l.relevance(now))
	if !l.isGood(g) {
		if err := l.refusal(a, g, now); err != nil {
			return nil, fmt.Errorf("user %q: password not passed on: %w", g.id.User, err)
		}
	}
	r := &reservation{guess: g}
	a.attempts = append(a.attempts, r)
	l.accounts.Add(g.id, a)
	l.stats.Passed++
	return r, nil
}

// isGood reports whether g is the password that was right last.
func (l *ledger) isGood(g guess) bool {
	k, ok := l.good.Peek(g.id)
	return ok && hmac.Equal(k[:], g.key[:])
}

// refusal returns why g is not passed on, or nil if it may be.
func (l *ledger) refusal(a *account, g guess, now time.Time) error {
	used, hasUnclear := a.used(now.Add(-l.cfg.FailureWindow))
	last := a.lastWrong(g.key)
	switch {
	case now.Sub(a.locked) < l.cfg.NegativeTTL:
		l.stats.Repeated++
		return fault.With("shield.locked", fmt.Errorf("the answer was the same a moment ago: %w", ErrLocked))
	case last != nil && now.Sub(last.settled) < l.cfg.NegativeTTL:
		l.stats.Repeated++
		return fault.With("shield.repeated", fmt.Errorf("it was wrong a moment ago: %w", ErrWrongPassword))
	case last != nil && used >= l.cfg.MaxFailures-1:
		l.stats.Repeated++
		return fault.With("shield.repeated", fmt.Errorf("it was wrong before, and what is left of the budget is for another: %w", ErrWrongPassword))
	case used >= l.cfg.MaxFailures && hasUnclear:
		l.stats.Withheld++
		return fault.With("shield.unclear", fmt.Errorf("%d others got no answer or a wrong one within %v: %w", used, l.cfg.FailureWindow, ErrUnavailable))
	case used >= l.cfg.MaxFailures:
		l.stats.Withheld++
		return fault.With("shield.withheld", fmt.Errorf("%d others were wrong within %v, and the account must not be locked: %w", used, l.cfg.FailureWindow, ErrWrongPassword))
	case len(a.attempts) == 0 && l.accounts.Len() >= l.cfg.Size:
		l.stats.Withheld++
		return fault.With("shield.full", fmt.Errorf("there are wrong passwords of %d other users to be counted: %w", l.accounts.Len(), ErrWrongPassword))
	}
	return nil
}

// used returns how many guesses count if one does that ended before begin no more,
// and whether one of them got no answer: nobody must be told then that a password
// is wrong, only because the Backend was not able to answer in time.
//
// All of them count as long as the last one does. Active Directory, among others,
// sets its count back when there has been no wrong password for a whole window: two
// that are just within one, and a third that is within one of the second, are three.
func (a *account) used(begin time.Time) (n int, hasUnclear bool) {
	if !a.counts(begin) {
		return 0, false
	}
	return len(a.attempts), slices.ContainsFunc(a.attempts, func(r *reservation) bool { return r.state == unclear })
}

// counts reports whether a guess ended after begin, or not yet.
func (a *account) counts(begin time.Time) bool {
	return slices.ContainsFunc(a.attempts, func(r *reservation) bool {
		return r.state == pending || r.settled.After(begin)
	})
}

// lastWrong returns the last time that a password was wrong, or nil.
func (a *account) lastWrong(k key) *reservation {
	for _, r := range slices.Backward(a.attempts) {
		if r.state == wrong && hmac.Equal(r.key[:], k[:]) {
			return r
		}
	}
	return nil
}

// settle notes what came of a guess. It counts from now, not from when it was
// passed on: the Backend may have begun to count at any time in between.
func (l *ledger) settle(r *reservation, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a, ok := l.accounts.Get(r.id)
	if !ok {
		return // unreachable: nobody removes an account with a pending guess
	}
	r.settled = time.Now()
	switch {
	case err == nil:
		l.good.Add(r.id, r.key)
		a.remove(r)
	case errors.Is(err, ErrUntried):
		a.remove(r)
	case !lasting(err):
		r.state = unclear
		a.limit(r, l.cfg.MaxFailures)
	case errors.Is(err, ErrWrongPassword):
		r.state = wrong
		if l.isGood(r.guess) {
			l.good.Remove(r.id)
		}
	default:
		// A locked account is not locked by a guess, nor one that has gone.
		a.remove(r)
		if errors.Is(err, ErrLocked) {
			a.locked = r.settled
		}
	}
	if len(a.attempts) == 0 && a.locked.IsZero() {
		l.accounts.Remove(r.id)
	}
}

func (a *account) remove(r *reservation) {
	a.attempts = slices.DeleteFunc(a.attempts, func(other *reservation) bool { return other == r })
}

// limit removes an earlier guess like r if there are more than count: of the password
// that was right last, an outage may bring any number.
func (a *account) limit(r *reservation, count int) {
	if len(a.attempts) <= count {
		return
	}
	i := slices.IndexFunc(a.attempts, func(other *reservation) bool {
		return other != r && other.state == unclear && other.key == r.key
	})
	if i >= 0 {
		a.attempts = slices.Delete(a.attempts, i, i+1)
	}
}

// relevance is when an answer must have come to make a difference now.
func (l *ledger) relevance(now time.Time) time.Time {
	return now.Add(-max(l.cfg.FailureWindow, l.cfg.NegativeTTL))
}

// expire removes the accounts of which nothing counts any more.
func (l *ledger) expire(now time.Time) {
	for {
		id, a, ok := l.accounts.GetOldest()
		if !ok || !a.expire(l.relevance(now)) {
			return
		}
		l.accounts.Remove(id)
	}
}

// expire removes the guesses if all of them ended before begin, and reports whether
// nothing is left.
func (a *account) expire(begin time.Time) bool {
	if !a.counts(begin) {
		a.attempts = nil
	}
	return len(a.attempts) == 0 && !a.locked.After(begin)
}

// reset forgets the guesses at the password of user that have been answered.
func (l *ledger) reset(user string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range l.accounts.Keys() {
		if id.User != user {
			continue
		}
		a, _ := l.accounts.Peek(id)
		a.locked = time.Time{}
		a.attempts = slices.DeleteFunc(a.attempts, func(r *reservation) bool { return r.state != pending })
		if len(a.attempts) == 0 {
			l.accounts.Remove(id)
		}
	}
}

func (l *ledger) statistics() ShieldStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.expire(now)
	s := l.stats
	s.Users, s.Known = l.accounts.Len(), l.good.Len()
	for _, a := range l.accounts.Values() {
		if n, _ := a.used(now.Add(-l.cfg.FailureWindow)); n >= l.cfg.MaxFailures {
			s.Spent++
		}
	}
	return s
}
