package sockets

import (
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/gateway/upstream"
)

// chatty is a connection whose client always has something to say.
type chatty struct{ *clientAt }

func (c chatty) Read([]byte) (int, error) { return 1, nil }

// heldBy has a user hold n connections at once, and returns when each was read again.
func heldBy(t *testing.T, s *Set, user string, wide bool, n int) []time.Duration {
	t.Helper()
	var in []*Socket
	for range n {
		c := s.Enter(chatty{newClientAt("127.0.0.1")}, testTerms()) // of which there may be many
		if wide && !c.Widen(n) || !c.Claim(upstream.Client{User: user}, n) {
			t.Fatal("it is not as it should be")
		}
		in = append(in, c)
	}
	times := make([]time.Duration, n)
	for range 2 { // times, as the pause grows
		began := time.Now()
		for _, c := range in {
			for range 10 { // of its requests are refused
				c.Hold()
			}
		}
		for i, c := range in {
			c.Read(make([]byte, 1))
			times[i] = time.Since(began)
		}
	}
	for _, c := range in {
		c.Close()
	}
	return times
}

// Of the connections of one user that are held, one after the other is read from again, or
// all their requests would come at once. What another user does is nothing to them.
func TestSEC3HeldConnectionsOfOneUserTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSet()
		for _, user := range []string{"alice", "bob"} {
			for wide, gap := range map[bool]time.Duration{false: NarrowGap, true: WideGap} {
				times := heldBy(t, s, user, wide, 4)
				for i := range times[1:] {
					if got := times[i+1] - times[i]; got < gap {
						t.Errorf("%s, wide %v: connection %d was read %v after the one before, want %v", user, wide, i+1, got, gap)
					}
				}
				if times[0] != MaxPause || times[3] > MaxPause+4*gap {
					t.Errorf("%s: they were read after %v", user, times)
				}
			}
		}
		if len(s.nextTurn) != 0 {
			t.Errorf("turns of %d users are kept who have gone", len(s.nextTurn))
		}
	})
}

// However many connections one user has, each has its turn in a while.
func TestHeldConnectionHasItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		times := heldBy(t, NewSet(), "alice", true, 900)
		if last := times[len(times)-1]; last > MaxTurn {
			t.Errorf("the last was read after %v, want %v", last, MaxTurn)
		}
	})
}

// What came while a connection was held is not used before its time.
func TestSEC3HeldConnectionWaitsWithWhatItWasSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSet()
		said := make(chan struct{})
		c := s.Enter(hesitant{newClientAt("192.0.2.1"), said}, testTerms())
		read := make(chan time.Time)
		go func() {
			c.Read(make([]byte, 1))
			read <- time.Now()
		}()
		synctest.Wait()
		c.Hold()
		held := time.Now()
		close(said)
		if got := (<-read).Sub(held); got < 2*MinPause {
			t.Errorf("it was used after %v, want %v", got, 2*MinPause)
		}
	})
}

// hesitant is a connection whose client says something once.
type hesitant struct {
	*clientAt
	said chan struct{}
}

func (c hesitant) Read([]byte) (int, error) { <-c.said; return 1, nil }
