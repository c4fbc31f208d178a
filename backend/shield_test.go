package backend_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/backend"
)

// A strict backend counts wrong passwords, and knows a user by several names.
type strict struct {
	*fake
	verify func(context.Context) error // instead of an answer, if it is not nil

	mu      sync.Mutex
	guesses []strictGuess
}

type strictGuess struct {
	user, password string
	wrong          bool
	at             time.Time
}

func newStrict() *strict { return &strict{fake: newFake(people())} }

// spellings are names of one user.
func spellings(user string) []string {
	return []string{user, strings.ToUpper(user), user + "@corp.example", `CORP\` + user, strings.ToUpper(user[:1]) + user[1:] + "@CORP.EXAMPLE"}
}

func (s *strict) CanonicalUser(name string) string {
	name = strings.TrimPrefix(strings.ToLower(name), `corp\`)
	return strings.TrimSuffix(name, "@corp.example")
}

func (s *strict) Resolve(ctx context.Context, user string) (backend.Identity, error) {
	if err := s.question(ctx); err != nil {
		return backend.Identity{}, err
	}
	name := s.CanonicalUser(user)
	if _, ok := s.account(name); !ok {
		return backend.Identity{}, backend.ErrUnknownUser
	}
	return backend.Identity{User: name, Handle: "uid=" + name}, nil
}

func (s *strict) Verify(ctx context.Context, id backend.Identity, password string) (backend.Identity, error) {
	a, _ := s.account(id.User)
	g := strictGuess{id.User, password, a.password != password, time.Now()}
	s.mu.Lock()
	s.guesses = append(s.guesses, g)
	s.mu.Unlock()
	if s.verify != nil {
		if err := s.verify(ctx); err != nil {
			return backend.Identity{}, err
		}
	}
	switch {
	case a.locked:
		return backend.Identity{}, backend.ErrLocked
	case g.wrong:
		return backend.Identity{}, backend.ErrWrongPassword
	}
	return id, nil
}

func (s *strict) Authenticate(ctx context.Context, user, password string) (backend.Identity, error) {
	id, err := s.Resolve(ctx, user)
	if err != nil {
		return backend.Identity{}, err
	}
	return s.Verify(ctx, id, password)
}

// wrong returns how many wrong passwords of user came.
func (s *strict) wrong(user string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, g := range s.guesses {
		if g.user == user && g.wrong {
			n++
		}
	}
	return n
}

func (s *strict) wantWrong(t *testing.T, user string, want int) {
	t.Helper()
	if got := s.wrong(user); got != want {
		t.Errorf("%d wrong passwords of %s were passed on, want %d", got, user, want)
	}
}

func (s *strict) wantAsked(t *testing.T, want int) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if got := len(s.guesses); got != want {
		t.Errorf("%d passwords were passed on, want %d", got, want)
	}
}

func newShield(tb testing.TB, b backend.Guarded, cfg backend.ShieldConfig) *backend.Shield {
	tb.Helper()
	s, err := backend.NewShield(b, cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func guessed(i int) string { return fmt.Sprint("guess-", i) }

func TestShieldRefusesNegativeSettings(t *testing.T) {
	for _, cfg := range []backend.ShieldConfig{{MaxFailures: -1}, {FailureWindow: -1}, {NegativeTTL: -1}, {Size: -1}, {Timeout: -1}} {
		if _, err := backend.NewShield(newStrict(), cfg); err == nil {
			t.Errorf("NewShield(%+v): got no error, want one", cfg)
		}
	}
}

func TestShieldIsConfiguredAnewWithoutForgetting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newStrict()
		s := newShield(t, b, backend.ShieldConfig{FailureWindow: time.Hour})
		for i := range 5 {
			login(t, s, "bob", guessed(i), "wrong password")
		}
		if err := s.Configure(backend.ShieldConfig{MaxFailures: -1}); err == nil {
			t.Error("a negative setting was taken")
		}
		if err := s.Configure(backend.ShieldConfig{MaxFailures: 3, FailureWindow: 10 * time.Minute}); err != nil {
			t.Fatal(err)
		}
		for i := range 5 {
			login(t, s, "bob", guessed(10+i), "wrong password")
		}
		b.wantWrong(t, "bob", 3)
		time.Sleep(10 * time.Minute)
		login(t, s, "bob", "bob-5ecret", "")
	})
}

func TestShieldGoesOnAroundAnother(t *testing.T) {
	before, after := newStrict(), newStrict()
	s := newShield(t, before, backend.ShieldConfig{})
	login(t, s, "bob", "bob-5ecret", "")
	login(t, s, "bob", "guess-1", "wrong password")
	next := s.Around(after)
	login(t, next, "bob", "guess-2", "wrong password")
	login(t, next, "bob", "guess-3", "wrong password")
	login(t, s, "bob", "guess-4", "wrong password")
	before.wantWrong(t, "bob", 1)
	after.wantWrong(t, "bob", 1)
	login(t, next, "bob", "bob-5ecret", "")
}

func TestShieldPassesOnFewWrongPasswords(t *testing.T) {
	for _, most := range []int{1, 2, 5} {
		b := newStrict()
		s := newShield(t, b, backend.ShieldConfig{MaxFailures: most})
		for i := range 100 {
			login(t, s, spellings("bob")[i%5], guessed(i), "wrong password")
		}
		b.wantWrong(t, "bob", most)
		login(t, s, "alice", "alice-5ecret", "") // has a budget of her own
	}
}

func TestShieldReservesTheBudgetOfConcurrentGuesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newStrict()
		b.verify = func(context.Context) error { time.Sleep(time.Second); return nil }
		s := newShield(t, b, backend.ShieldConfig{})
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() { login(t, s, spellings("bob")[i%5], guessed(i), "wrong password") })
		}
		wg.Wait()
		b.wantWrong(t, "bob", 2)
	})
}

func TestShieldAsksEqualGuessesOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newStrict()
		b.verify = func(context.Context) error { time.Sleep(time.Second); return nil }
		s := newShield(t, b, backend.ShieldConfig{})
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() { login(t, s, spellings("bob")[i%5], "wrong", "wrong password") })
			wg.Go(func() { login(t, s, spellings("alice")[i%5], "alice-5ecret", "") })
		}
		wg.Wait()
		b.wantWrong(t, "bob", 1)
		b.wantAsked(t, 2)
	})
}

// A caller who leaves takes nothing from the others who wait for the same answer.
func TestShieldOutlivesItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newStrict()
		b.verify = func(context.Context) error { time.Sleep(time.Second); return nil }
		s := newShield(t, b, backend.ShieldConfig{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := s.Authenticate(ctx, "bob", "bob-5ecret"); verdict(err) != "unavailable" {
				t.Errorf("got %v, want ErrUnavailable", err)
			}
		})
		synctest.Wait()
		wg.Go(func() { login(t, s, "bob", "bob-5ecret", "") })
		wg.Wait()
		b.wantAsked(t, 1)
	})
}

func TestShieldWindowBeginsAnewWithEachGuess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newStrict()
		s := newShield(t, b, backend.ShieldConfig{FailureWindow: 30 * time.Minute})
		login(t, s, "bob", "guess-1", "wrong password")
		time.Sleep(20 * time.Minute)
		login(t, s, "bob", "guess-2", "wrong password")
		time.Sleep(30*time.Minute - 1)
		login(t, s, "bob", "bob-5ecret", "wrong password") // which nobody knows yet
		b.wantAsked(t, 2)
		time.Sleep(time.Nanosecond)
		login(t, s, "bob", "bob-5ecret", "")
		login(t, s, "bob", "guess-3", "wrong password")
		login(t, s, "bob", "guess-4", "wrong password")
		b.wantWrong(t, "bob", 4)
	})
}

// Whatever happens, the count of a directory never gets higher than it may: it begins
// anew only when there has been no wrong password for a window. The good password
// never changes here.
func TestShieldKeepsTheCountOfTheDirectoryLow(t *testing.T) {
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) { checkWindows(t, rand.New(rand.NewPCG(seed, 1))) })
	}
}

func checkWindows(t *testing.T, r *rand.Rand) {
	cfg := backend.ShieldConfig{MaxFailures: 1 + r.IntN(4), FailureWindow: 10 * time.Minute, NegativeTTL: time.Duration(1+r.IntN(900)) * time.Second}
	b := newStrict()
	b.verify = func(ctx context.Context) error {
		time.Sleep(rand.N(11 * time.Second)) // and some take longer than anybody waits
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("%w: %w", backend.ErrUnavailable, err)
		}
		return nil
	}
	s := newShield(t, b, cfg)
	var wg sync.WaitGroup
	for range 300 {
		password := guessed(r.IntN(6))
		if r.IntN(8) == 0 {
			password = "bob-5ecret"
		}
		wg.Go(func() { s.Authenticate(t.Context(), spellings("bob")[len(password)%5], password) })
		time.Sleep(time.Duration(r.IntN(40)) * time.Second)
	}
	wg.Wait()
	time.Sleep(time.Minute)
	b.mu.Lock()
	defer b.mu.Unlock()
	var wrong []time.Time
	for _, g := range b.guesses {
		if g.wrong {
			wrong = append(wrong, g.at)
		}
	}
	count := 0
	for i := range wrong {
		if count++; i > 0 && wrong[i].Sub(wrong[i-1]) > cfg.FailureWindow {
			count = 1
		}
		if count > cfg.MaxFailures {
			t.Errorf("%+v: the directory counts %d wrong passwords at %v", cfg, count, wrong[i])
		}
	}
	if len(wrong) <= cfg.MaxFailures {
		t.Errorf("%+v: only %d wrong passwords were passed on", cfg, len(wrong))
	}
}

func TestStrangerShutsOutNobodyWhoIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newStrict()
		s := newShield(t, b, backend.ShieldConfig{})
		login(t, s, "bob", "bob-5ecret", "")
		for i := range 500 {
			login(t, s, "bob", guessed(i), "wrong password")
			login(t, s, spellings("bob")[i%5], "bob-5ecret", "")
			time.Sleep(10 * time.Second)
		}
		if n := b.wrong("bob"); n > 2*3 { // in 83 minutes
			t.Errorf("%d wrong passwords were passed on", n)
		}
	})
}

// A directory may forget its count at a good login. Its owner's logins must not
// give a stranger more guesses all the same.
func TestSuccessRestoresNoBudget(t *testing.T) {
	b := newStrict()
	s := newShield(t, b, backend.ShieldConfig{})
	for i := range 10 {
		login(t, s, "bob", "bob-5ecret", "")
		login(t, s, "bob", guessed(i), "wrong password")
	}
	b.wantWrong(t, "bob", 2)
}

func TestSuccessCostsNoBudget(t *testing.T) {
	b := newStrict()
	s := newShield(t, b, backend.ShieldConfig{MaxFailures: 1})
	for i := range 10 {
		password := guessed(i)
		b.set("bob", account{password: password})
		login(t, s, "bob", password, "")
	}
	b.wantAsked(t, 10)
}

// The machine that goes on with the password of yesterday is why accounts get
// locked, and must not use up what its owner needs.
func TestStalePasswordLeavesTheOwnerAGuess(t *testing.T) {
	for name, seen := range map[string]bool{"password seen before": true, "never seen": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newStrict()
				s := newShield(t, b, backend.ShieldConfig{})
				if seen {
					login(t, s, "bob", "bob-5ecret", "")
				}
				b.set("bob", account{password: "changed"})
				for i := range 200 { // more than an hour and a half
					login(t, s, "bob", "bob-5ecret", "wrong password")
					if i == 100 {
						login(t, s, "bob", "changed", "")
					}
					time.Sleep(29 * time.Second)
				}
				if n := b.wrong("bob"); n > 4 {
					t.Errorf("the old password was passed on %d times", n)
				}
				login(t, s, "bob", "changed", "")
			})
		})
	}
}

// With a larger budget the same password is tried again, not sooner than said.
func TestWrongPasswordIsAskedOncePerNegativeTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newStrict()
		s := newShield(t, b, backend.ShieldConfig{MaxFailures: 5, NegativeTTL: 30 * time.Second})
		for range 30 {
			login(t, s, "bob", "later", "wrong password")
			time.Sleep(time.Second)
		}
		b.wantWrong(t, "bob", 1)
		b.set("bob", account{password: "later"})
		login(t, s, "bob", "later", "")
	})
}

func TestChangedPasswordCountsLikeAnyOther(t *testing.T) {
	b := newStrict()
	s := newShield(t, b, backend.ShieldConfig{})
	login(t, s, "bob", "bob-5ecret", "")
	b.set("bob", account{password: "changed"})
	login(t, s, "bob", "bob-5ecret", "wrong password")
	login(t, s, "bob", "bob-5ecret", "wrong password")
	b.wantWrong(t, "bob", 1)
	login(t, s, "bob", "guess", "wrong password")
	login(t, s, "bob", "guess-2", "wrong password")
	b.wantWrong(t, "bob", 2)
}

func TestFirstLoginDuringAnAttackIsRefusedUntilReset(t *testing.T) {
	b := newStrict()
	s := newShield(t, b, backend.ShieldConfig{})
	for i := range 5 {
		login(t, s, "bob", guessed(i), "wrong password")
		login(t, s, "alice", guessed(i), "wrong password")
	}
	login(t, s, "bob", "bob-5ecret", "wrong password")
	if got := s.Stats().Spent; got != 2 {
		t.Errorf("%d users have used up their budget, want 2", got)
	}
	s.ResetUser("nobody")
	login(t, s, "bob", "bob-5ecret", "wrong password")
	s.ResetUser(`CORP\Bob`)
	login(t, s, "bob", "bob-5ecret", "")
	login(t, s, "alice", "alice-5ecret", "wrong password")
}

func TestResetLeavesGuessesThatArePending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newStrict()
		b.verify = func(context.Context) error { time.Sleep(time.Second); return nil }
		s := newShield(t, b, backend.ShieldConfig{})
		var wg sync.WaitGroup
		for i := range 2 {
			wg.Go(func() { login(t, s, "bob", guessed(i), "wrong password") })
		}
		synctest.Wait()
		s.ResetUser("bob")
		login(t, s, "bob", "guess-3", "wrong password")
		wg.Wait()
		b.wantAsked(t, 2)
	})
}

// When nobody knows whether the backend counted a guess, it counts. Who has the
// right password must not be told meanwhile that it is wrong.
func TestGuessWithoutAnAnswerCounts(t *testing.T) {
	for name, outcome := range map[string]func(context.Context) error{
		"unavailable": func(context.Context) error { return fmt.Errorf("connection lost: %w", backend.ErrUnavailable) },
		"fault":       func(context.Context) error { return errors.New("protocol error") },
		"both": func(context.Context) error {
			return fmt.Errorf("%w: %w", backend.ErrUnavailable, backend.ErrWrongPassword)
		},
		"panic": func(context.Context) error { panic("no") },
		"timeout": func(ctx context.Context) error {
			<-ctx.Done()
			return fmt.Errorf("%w: %w", backend.ErrUnavailable, ctx.Err())
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newStrict()
				b.verify = outcome
				s := newShield(t, b, backend.ShieldConfig{})
				for i := range 5 {
					if _, err := s.Authenticate(t.Context(), "bob", guessed(i)); err == nil || backend.Refused(err) && !errors.Is(err, backend.ErrUnavailable) {
						t.Errorf("got %v, want no answer", err)
					}
				}
				b.wantAsked(t, 2)
				b.verify = nil
				login(t, s, "bob", "bob-5ecret", "unavailable")
				time.Sleep(30 * time.Minute)
				login(t, s, "bob", "bob-5ecret", "")
			})
		})
	}
}

// The password that was right last is passed on whatever happens, and a machine may
// send it again and again during an outage.
func TestOutageDoesNotPileUpGuesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newStrict()
		s := newShield(t, b, backend.ShieldConfig{MaxFailures: 2})
		login(t, s, "bob", "bob-5ecret", "")
		b.verify = func(context.Context) error { return backend.ErrUnavailable }
		before := heapInUse()
		for range 20_000 {
			login(t, s, "bob", "bob-5ecret", "unavailable")
			b.guesses = nil
		}
		if grown := int64(heapInUse()) - int64(before); grown > 1<<20 {
			t.Errorf("memory has grown by %d bytes", grown)
		}
	})
}

func TestGuessThatWasNotMadeCostsNothing(t *testing.T) {
	b := newStrict()
	b.verify = func(context.Context) error { return fmt.Errorf("%w: %w", backend.ErrUntried, backend.ErrUnavailable) }
	s := newShield(t, b, backend.ShieldConfig{})
	for i := range 5 {
		login(t, s, "bob", guessed(i), "unavailable")
	}
	b.wantAsked(t, 5)
	b.verify = nil
	login(t, s, "bob", "bob-5ecret", "")
}

func TestOutageOfResolveCostsNothing(t *testing.T) {
	b := newStrict()
	b.during = func(context.Context) error { return backend.ErrUnavailable }
	s := newShield(t, b, backend.ShieldConfig{})
	for i := range 5 {
		login(t, s, "bob", guessed(i), "unavailable")
	}
	b.during = nil
	b.wantAsked(t, 0)
	login(t, s, "bob", "bob-5ecret", "")
}

func TestLockedAccountIsAskedSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newStrict()
		s := newShield(t, b, backend.ShieldConfig{NegativeTTL: 30 * time.Second})
		for range 10 {
			for i := range 10 {
				login(t, s, "carol", guessed(i), "locked")
				time.Sleep(3 * time.Second)
			}
		}
		b.wantAsked(t, 10)
		b.set("carol", account{password: "new"})
		login(t, s, "carol", "new", "") // being locked has cost her nothing
	})
}

// A locked account whose password is known is asked each time: it may have been
// unlocked just now.
func TestKnownPasswordIsPassedOnToALockedAccount(t *testing.T) {
	b := newStrict()
	s := newShield(t, b, backend.ShieldConfig{})
	login(t, s, "bob", "bob-5ecret", "")
	b.set("bob", account{password: "bob-5ecret", locked: true})
	login(t, s, "bob", "bob-5ecret", "locked")
	login(t, s, "bob", "guess", "locked")
	b.set("bob", account{password: "bob-5ecret"})
	login(t, s, "bob", "bob-5ecret", "")
}

func TestNamesOfNobodyTakeNoMemory(t *testing.T) {
	s := newShield(t, newStrict(), backend.ShieldConfig{})
	for i := range 100_000 {
		if _, err := s.Authenticate(t.Context(), fmt.Sprint("user-", i), "x"); verdict(err) != "unknown user" {
			t.Fatal(err)
		}
	}
	if got := s.Stats(); got != (backend.ShieldStats{}) {
		t.Errorf("got %+v, want nothing", got)
	}
}

// Where there is no room left to count, no further guess is passed on, and none
// that counts is forgotten.
func TestFullShieldForgetsNoGuess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newStrict()
		for i := range 20 {
			b.set(fmt.Sprint("user-", i), account{password: "right"})
		}
		s := newShield(t, b, backend.ShieldConfig{Size: 10})
		login(t, s, "user-19", "right", "")
		for range 3 {
			for i := range 19 {
				for _, guess := range []string{"a", "b", "c"} {
					login(t, s, fmt.Sprint("user-", i), guess, "wrong password")
				}
			}
		}
		b.wantAsked(t, 1+2*10)
		login(t, s, "user-19", "right", "")
		login(t, s, "user-18", "right", "wrong password")
		if got := s.Stats(); got.Users != 10 || got.Spent != 10 || got.Known != 1 {
			t.Errorf("got %+v, want 10 users without budget and 1 known", got)
		}
		time.Sleep(30 * time.Minute)
		login(t, s, "user-18", "right", "")
		if got := s.Stats(); got.Users != 0 || got.Spent != 0 {
			t.Errorf("got %+v, want no guesses", got)
		}
	})
}

func TestShieldRemembersASmallNumberOfGoodPasswords(t *testing.T) {
	b := newStrict()
	s := newShield(t, b, backend.ShieldConfig{Size: 2})
	b.set("dave", account{password: "dave-5ecret"})
	for _, user := range []string{"alice", "bob", "dave"} {
		login(t, s, user, user+"-5ecret", "")
	}
	if got := s.Stats(); got.Known != 2 {
		t.Errorf("got %+v, want two known", got)
	}
}

func TestShieldCounts(t *testing.T) {
	s := newShield(t, newStrict(), backend.ShieldConfig{})
	login(t, s, "alice", "alice-5ecret", "")
	login(t, s, "bob", "a", "wrong password")
	login(t, s, "bob", "a", "wrong password")
	login(t, s, "bob", "b", "wrong password")
	login(t, s, "bob", "c", "wrong password")
	login(t, s, "bob", "d", "wrong password")
	want := backend.ShieldStats{Passed: 3, Repeated: 1, Withheld: 2, Spent: 1, Users: 1, Known: 1}
	if diff := cmp.Diff(want, s.Stats()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// unresolved is a backend that cannot tell who somebody is without a password.
type unresolved struct{ *strict }

func (unresolved) Resolve(context.Context, string) (backend.Identity, error) {
	return backend.Identity{}, errors.ErrUnsupported
}

func TestShieldCountsNamesWhereUsersCannotBeResolved(t *testing.T) {
	b := unresolved{newStrict()}
	s := newShield(t, b, backend.ShieldConfig{})
	login(t, s, "BOB", "bob-5ecret", "")
	login(t, s, "nobody", "x", "unknown user")
	for i := range 20 {
		login(t, s, spellings("bob")[i%5], guessed(i), "wrong password")
	}
	b.wantWrong(t, "bob", 2)
	login(t, s, "bob", "bob-5ecret", "")
	if got := s.Stats(); got.Users != 1 {
		t.Errorf("got %+v, want one user", got)
	}
}

// capable can do all that a Backend can do besides.
type capable struct{ *strict }

func (capable) Revalidate(context.Context, backend.Identity) (backend.Identity, error) {
	return backend.Identity{}, backend.ErrLocked
}

func (capable) Status() backend.Status { return backend.Status{Degraded: true} }

func TestShieldAndFloodPassOnWhatTheBackendCanDo(t *testing.T) {
	b := newStrict()
	b.version.Store(7)
	for _, d := range []backend.Backend{newShield(t, capable{b}, backend.ShieldConfig{}), newFlood(t, capable{b}, backend.FloodConfig{})} {
		if got := backend.Extend(d).Version("bob"); got != 7 {
			t.Errorf("%T: got version %d, want 7", d, got)
		}
		if user, group := backend.Extend(d).CanonicalUser(`CORP\Bob`), backend.Extend(d).CanonicalGroup("DEV"); user != "bob" || group != "dev" {
			t.Errorf("%T: got spellings %q and %q", d, user, group)
		}
		if id, err := backend.Extend(d).Resolve(t.Context(), "BOB"); err != nil || id.User != "bob" {
			t.Errorf("%T: Resolve: got %+v, %v", d, id, err)
		}
		if _, err := backend.Extend(d).Revalidate(t.Context(), backend.Identity{User: "bob"}); !errors.Is(err, backend.ErrLocked) {
			t.Errorf("%T: Revalidate: got %v, want ErrLocked", d, err)
		}
		if r, ok := d.(backend.Reporter); !ok || !r.Status().Degraded {
			t.Errorf("%T: Status is not that of the backend", d)
		}
	}
	d := newShield(t, b, backend.ShieldConfig{})
	if _, err := backend.Extend(d).Revalidate(t.Context(), backend.Identity{User: "bob"}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Revalidate: got %v, want ErrUnsupported", err)
	}
	if got := d.Status(); got.Degraded {
		t.Errorf("Status: got %+v, want none", got)
	}
}
