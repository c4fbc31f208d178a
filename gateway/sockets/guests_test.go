package sockets

import (
	"testing"
	"testing/synctest"
	"time"
)

// received is a guest that was received, or not.
type received struct {
	name int
	ok   bool
}

// receiveAll has each of them ask to be received, one after the other, and returns what
// comes of it as it comes.
func receiveAll(s *Set, in []*Socket, limit int) <-chan received {
	came := make(chan received, len(in))
	for i, c := range in {
		go func() { came <- received{i, s.Receive(c, limit)} }()
		synctest.Wait() // it stands in the line
	}
	return came
}

// Guests are as few as memory demands. The others come in their order when one of them
// logs in, has only tried bad logins, or was silent for its time.
func TestSEC2GuestsAreReceivedInTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := testTerms()
		now.Limits.Connections = 10
		s := NewSet()
		in := enterFrom(s, now, "192.0.2.1", 6)
		began := time.Now()
		came := receiveAll(s, in, 2)
		for i := range 2 {
			if got := <-came; got != (received{i, true}) {
				t.Fatalf("received %v, want connection %d", got, i)
			}
		}
		for i, step := range []struct {
			what   string
			leave  func()
			closed int
		}{
			{"one logs in", func() { in[0].Vouch() }, -1},
			{"one is refused", func() { in[1].Refuse(false) }, 1},
			{"one hangs up", func() { in[2].Close() }, 2},
		} {
			if len(came) > 0 {
				t.Fatalf("%s: connection %v was received too early", step.what, <-came)
			}
			time.Sleep(time.Millisecond) // or two would have waited equally long
			step.leave()
			if got := <-came; got != (received{i + 2, true}) {
				t.Fatalf("%s: received %v, want connection %d", step.what, got, i+2)
			}
			if step.closed >= 0 && !isClosed(in[step.closed]) {
				t.Errorf("%s: connection %d goes on", step.what, step.closed)
			}
		}
		if waited := time.Since(began); waited >= GuestTenure {
			t.Errorf("it took %v to receive five", waited)
		}
		if got := <-came; got != (received{5, true}) || !isClosed(in[3]) {
			t.Errorf("received %v, want connection 5 in place of 3", got)
		}
		if waited := time.Since(began); waited < GuestTenure {
			t.Errorf("a silent guest had its place for %v only", waited)
		}
		if isClosed(in[0]) || isClosed(in[4]) {
			t.Error("one was closed that should not have been")
		}
	})
}

// Whoever waits to be received keeps its place: it is the gateway that lets it wait.
func TestSEC2WhoWaitsToBeReceivedIsNotShed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := testTerms()
		now.Limits.Connections = 4
		s := NewSet()
		in := enterFrom(s, now, "192.0.2.1", 4)
		in[0].Vouch()
		came := receiveAll(s, in[1:], 1)
		<-came
		time.Sleep(GuestTenure / 2)
		enterFrom(s, now, "192.0.2.2", 1)
		for i, want := range []bool{false, true, false, false} {
			if isClosed(in[i]) != want {
				t.Errorf("connection %d is closed: %v, want %v", i, !want, want)
			}
		}
		in[2].Close()
		in[3].Close()
		<-came
		<-came
	})
}

// A connection whose reading pauses has gone as soon as it is closed, or its memory would
// be there for the length of the pause and count for nothing.
func TestSEC2PausedConnectionEndsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := testTerms()
		s := NewSet()
		c := s.Enter(chatty{newClientAt("192.0.2.1")}, now)
		c.Refuse(true)
		began := time.Now()
		ended := make(chan struct{})
		go func() {
			c.Read(make([]byte, 1))
			close(ended)
		}()
		synctest.Wait()
		c.Close()
		<-ended
		if waited := time.Since(began); waited > 0 {
			t.Errorf("it took %v to end", waited)
		}
	})
}

// Whoever has just logged in is not the one to make room, at whatever moment that is.
func TestSEC2LoginIsNotShedHalfway(t *testing.T) {
	now := testTerms()
	now.Limits.Connections = 1000
	s := NewSet()
	others := enterFrom(s, now, "192.0.2.1", 3)
	for _, c := range others {
		c.Vouch()
	}
	for range 10_000 {
		c, next := enterFrom(s, now, "192.0.2.2", 1)[0], enterFrom(s, now, "192.0.2.3", 1)[0]
		s.tryReceive(c, 1)
		done := make(chan struct{})
		go func() { defer close(done); c.Vouch() }()
		s.tryReceive(next, 1)
		<-done
		if isClosed(c) {
			t.Fatal("a connection was closed while its user logged in")
		}
		c.Close()
		next.Close()
	}
}
