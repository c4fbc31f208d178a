package backend

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// ShieldConfig says how many guesses a [Shield] passes on. The zero value of a
// field means its default.
type ShieldConfig struct {
	// MaxFailures is how many wrong passwords of one user are passed on within
	// FailureWindow. It must be less than it takes to lock the account.
	// Default 2.
	MaxFailures int

	// FailureWindow is at least as long as the Backend counts a wrong password
	// after which no other comes. Default 30 min.
	FailureWindow time.Duration

	// NegativeTTL is how soon the same wrong password may be passed on again.
	// Default 30 s.
	NegativeTTL time.Duration

	// Size bounds the number of users with wrong passwords, and that of users
	// whose good password is known, each by itself. Default 100,000.
	Size int

	// Timeout bounds one question to the Backend. Default 10 s.
	Timeout time.Duration
}

// A Shield stands before a Backend that locks an account after some wrong
// passwords. It keeps strangers from locking out people. It passes on fewer wrong
// passwords of a user than lock the account, and refuses the others itself.
//
//   - Resolve tells users apart, so all spellings of a name share one budget. The
//     budget belongs to the account. It does not matter who guesses.
//   - A password is counted before it is passed on. Many guesses at once therefore
//     have no more budget than guesses one after the other. A password no longer
//     counts if it was right, or if the Backend has certainly counted nothing. It
//     counts for FailureWindow if it was wrong, or if a failure leaves open
//     whether the Backend has counted it.
//   - A wrong password is not passed on again within NegativeTTL. Later it is passed
//     on only if a guess is left for another password. A machine that still sends
//     an old password therefore does not shut out its owner, who uses the new one.
//   - The password that was right last is always passed on. A stranger who has used
//     up the budget therefore shuts out nobody who has logged in to this process.
//     The password is remembered as an HMAC, with a key that ends with the process.
//     If it turns out to be wrong, it counts like any other and is forgotten. After
//     a change of password there may be one failure more than MaxFailures.
//
// A successful login does not restore the budget, although it may reset the count
// of the Backend. A directory of several servers has a count on each, and a success
// at one server does not reset the others. A stranger may also guess between two
// logins of the owner.
//
// One limit remains. While the budget is used up, a user who has not logged in since
// the process began is refused even with the right password. This ends when the
// last guess is older than FailureWindow, or with [Shield.ResetUser]. Each process
// has a budget of its own: several processes before one directory share what the
// directory allows.
type Shield struct {
	inner
	guarded   Guarded // which it wraps
	keys      *keyer
	ledger    *ledger
	questions flights
	shared    atomic.Uint64 // who waited for the answer to an equal question
}

var _ Backend = (*Shield)(nil)

// NewShield returns a Shield for b that has seen no guesses. It fails if a value
// in cfg is negative.
func NewShield(b Guarded, cfg ShieldConfig) (*Shield, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, fmt.Errorf("make a lock-out shield: %w", err)
	}
	l, err := newLedger(cfg)
	if err != nil {
		return nil, fmt.Errorf("make a lock-out shield: %w", err)
	}
	return &Shield{inner: Extend(b), guarded: b, keys: newKeyer(), ledger: l}, nil
}

// Around returns a Shield for b, which has the same accounts as the Backend of s and
// takes its place. Both share what s is made from, has counted and remembers, or a
// stranger could guess anew after each change of a setting.
func (s *Shield) Around(b Guarded) *Shield {
	return &Shield{inner: Extend(b), guarded: b, keys: s.keys, ledger: s.ledger}
}

// Configure makes cfg count from the next call on, also for what has been counted.
// The number of good passwords that are remembered stays as it is. It fails, and
// changes nothing, if a value in cfg is negative.
func (s *Shield) Configure(cfg ShieldConfig) error {
	cfg, err := cfg.complete()
	if err != nil {
		return fmt.Errorf("configure a lock-out shield: %w", err)
	}
	s.ledger.configure(cfg)
	return nil
}

// Config returns what s is made from, with the defaults filled in.
func (s *Shield) Config() ShieldConfig { return s.ledger.config() }

// complete returns cfg with its defaults.
func (cfg ShieldConfig) complete() (ShieldConfig, error) {
	if cfg.MaxFailures < 0 || cfg.FailureWindow < 0 || cfg.NegativeTTL < 0 || cfg.Size < 0 || cfg.Timeout < 0 {
		return cfg, fmt.Errorf("%d failures in %v, negative TTL %v, size %d, timeout %v: none may be negative; 0 means the default",
			cfg.MaxFailures, cfg.FailureWindow, cfg.NegativeTTL, cfg.Size, cfg.Timeout)
	}
	cfg.MaxFailures = cmp.Or(cfg.MaxFailures, 2)
	cfg.FailureWindow = cmp.Or(cfg.FailureWindow, 30*time.Minute)
	cfg.NegativeTTL = cmp.Or(cfg.NegativeTTL, 30*time.Second)
	cfg.Size = cmp.Or(cfg.Size, 100_000)
	cfg.Timeout = cmp.Or(cfg.Timeout, 10*time.Second)
	return cfg, nil
}

// Authenticate finds out whose password is to be checked and passes it on, unless
// that could lock the account.
func (s *Shield) Authenticate(ctx context.Context, user, password string) (Identity, error) {
	if err := ctx.Err(); err != nil {
		return Identity{}, fmt.Errorf("%w: not asked: %w", ErrUnavailable, err)
	}
	id, err := s.guarded.Resolve(ctx, user)
	verify := s.guarded.Verify
	if errors.Is(err, errors.ErrUnsupported) {
		// The name is all that there is to tell users apart by.
		id, err = Identity{User: s.CanonicalUser(user)}, nil
		verify = func(ctx context.Context, _ Identity, password string) (Identity, error) {
			return s.guarded.Authenticate(ctx, user, password)
		}
	}
	if err != nil {
		return Identity{}, err
	}
	g := s.guess(id, password)
	f := flight[Identity]{&s.questions, string(g.key[:]), s.ledger.config().Timeout, &s.shared}
	return f.ask(ctx, func(ctx context.Context) (Identity, error) {
		return s.ask(g, func() (Identity, error) { return verify(ctx, id, password) })
	})
}

// guess returns what stands for a password of a user. The name and the password
// cannot be had from its key.
func (s *Shield) guess(id Identity, password string) guess {
	id = id.account()
	whole := string(appendParts(nil, id.parts()...))
	return guess{id, s.keys.login(whole, password)}
}

// ask passes a guess on if it may be. However that ends, its budget is settled: a
// panic leaves open what the Backend made of it.
func (s *Shield) ask(g guess, verify func() (Identity, error)) (Identity, error) {
	r, err := s.ledger.reserve(g)
	if err != nil {
		return Identity{}, err
	}
	outcome := ErrUnavailable
	defer func() { s.ledger.settle(r, outcome) }()
	id, err := verify()
	outcome = err
	if err != nil {
		return Identity{}, err
	}
	return id, nil
}

// ResetUser gives user, in any spelling, the whole budget again, but for guesses
// whose answer is still to come. It is for an operator who knows that the Backend
// has forgotten them too.
func (s *Shield) ResetUser(user string) { s.ledger.reset(s.CanonicalUser(user)) }

// Stats returns what the Shield has done and what it holds.
func (s *Shield) Stats() ShieldStats { return s.ledger.statistics() }
