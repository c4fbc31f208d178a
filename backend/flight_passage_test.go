package backend_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/backend"
)

// What a client asks and does not wait for must not cost others their turn, nor hold
// memory until it comes.
func TestSEC2QuestionThatNobodyWaitsForIsWithdrawn(t *testing.T) {
	const waits = 100 * time.Millisecond // the Backend takes a second for each
	tests := map[string]struct {
		others []time.Duration // after which others ask the same
		logins int64           // that the Backend is asked about, beside the first
	}{
		"all leave":          {nil, 0},
		"another stays":      {[]time.Duration{50 * time.Millisecond}, 1},
		"one comes back":     {[]time.Duration{200 * time.Millisecond}, 1},
		"one of two returns": {[]time.Duration{50 * time.Millisecond, 200 * time.Millisecond}, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(people())
				slowly(f)
				c := newCache(t, newFlood(t, f, backend.FloodConfig{TotalBurst: 1}), backend.CacheConfig{})
				go login(t, c, "alice", "alice-5ecret", "")
				synctest.Wait()
				go func() {
					ctx, cancel := context.WithTimeout(t.Context(), waits)
					defer cancel()
					c.Authenticate(ctx, "bob", "bob-5ecret")
				}()
				for _, after := range test.others {
					go func() {
						time.Sleep(after)
						login(t, c, "bob", "bob-5ecret", "")
					}()
				}
				time.Sleep(time.Minute)
				wantLogins(t, f, 1+test.logins)
			})
		})
	}
}

// A question that has been asked is answered for whoever asks it again.
func TestQuestionThatWasAskedIsNotWithdrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(people())
		slowly(f)
		c := newCache(t, newFlood(t, f, backend.FloodConfig{}), backend.CacheConfig{})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		c.Authenticate(ctx, "alice", "alice-5ecret")
		login(t, c, "alice", "alice-5ecret", "")
		wantLogins(t, f, 1)
		if got := c.Stats().Shared; got != 1 {
			t.Errorf("%d joined the question, want 1", got)
		}
	})
}
