package sockets

import (
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/gateway/upstream"
)

// What happened on connections from there decides the standing of a network.
func TestStandingOfNetworks(t *testing.T) {
	login := func(c *Socket) { c.Vouch() }
	refusal := func(c *Socket) { c.Refuse(false) }
	surplus := func(c *Socket) { c.Claim(upstream.Client{User: "alice"}, 0) }
	for name, tt := range map[string]struct {
		happens []func(*Socket)
		want    standing
	}{
		"nothing":                     {nil, unknown},
		"a login":                     {[]func(*Socket){login}, welcome},
		"a refusal":                   {[]func(*Socket){refusal}, unwelcome},
		"a refusal after a login":     {[]func(*Socket){login, refusal}, welcome},
		"a login after a refusal":     {[]func(*Socket){refusal, login}, welcome},
		"too many of a user":          {[]func(*Socket){login, surplus}, unwelcome},
		"a login after too many":      {[]func(*Socket){surplus, login}, welcome},
		"too many after too many, in": {[]func(*Socket){surplus, surplus, login, surplus}, unwelcome},
	} {
		s, now := NewSet(), testTerms()
		for _, happens := range tt.happens {
			happens(enterFrom(s, now, "192.0.2.1", 1)[0])
		}
		if got := enterFrom(s, now, "192.0.2.1", 1)[0].standing; got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
		if got := enterFrom(s, now, "192.0.2.2", 1)[0].standing; got != unknown {
			t.Errorf("%s: another network has %d", name, got)
		}
	}
}

// A connection that had its time and was of no use counts against its network, but for one
// from which others log in.
func TestSEC3ConnectionThatMadeRoomIsBlamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := testTerms()
		now.Limits.Connections = 2
		s := NewSet()
		enterFrom(s, now, "192.0.2.2", 1)[0].Vouch()
		for _, addr := range []string{"192.0.2.1", "192.0.2.2"} {
			enterFrom(s, now, addr, 1)
			time.Sleep(Tenure)
			enterFrom(s, now, "192.0.2.3", 1)[0].Close()
			time.Sleep(Tenure)
		}
		for addr, want := range map[string]standing{"192.0.2.1": unwelcome, "192.0.2.2": welcome, "192.0.2.3": unknown} {
			if got := s.reputation.of(NetworkOf(netip.MustParseAddr(addr))); got != want {
				t.Errorf("%s has %d, want %d", addr, got, want)
			}
		}
	})
}

// Strangers cannot make the list of networks grow, nor push out those that are welcome.
func TestSEC2RememberedNetworksAreLimited(t *testing.T) {
	r := newReputation()
	honest := netip.MustParsePrefix("192.0.2.1/32")
	r.praise(honest)
	for i := range 3 * RememberedNetworks {
		r.blame(netip.MustParsePrefix(fmt.Sprintf("2001:db8:%x:%x::/64", i>>16, i&0xffff)))
	}
	if r.bad.Len() != RememberedNetworks || r.of(honest) != welcome {
		t.Errorf("%d are remembered, want %d; the welcome one has %d", r.bad.Len(), RememberedNetworks, r.of(honest))
	}
}

// Whoever is unwelcome makes room at once for others, pushes out nobody who has just come, and
// keeps nobody waiting.
func TestSEC3UnwelcomeConnectionsKeepNobodyOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := testTerms()
		now.Limits.Connections = 3
		s := NewSet()
		enterFrom(s, now, "192.0.2.1", 1)[0].Close()
		s.reputation.blame(netip.MustParsePrefix("192.0.2.1/32"))
		in := enterFrom(s, now, "192.0.2.1", 1)
		time.Sleep(time.Millisecond)
		in = append(in, enterFrom(s, now, "192.0.2.1", 2)...)
		began := time.Now()
		s.Admit(newClientAt("192.0.2.1"), now, func(*Socket) {
			if time.Since(began) < SilentTenure {
				t.Error("one that is unwelcome pushed out another one")
			}
		})
		synctest.Wait()
		if late := enterFrom(s, now, "192.0.2.2", 1); len(late) != 1 || !isClosed(in[0]) {
			t.Errorf("%d others were let in, want 1 in place of the oldest", len(late))
		}
		if waited := time.Since(began); waited > 0 {
			t.Errorf("it took %v", waited)
		}
		time.Sleep(Tenure)
	})
}

// Guests with a better standing are received first, and those with the worst not last for
// ever.
func TestSEC2WelcomeGuestsAreReceivedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l line
		l.enter(unknown) // and has its turn
		came := make(chan standing, 10)
		for _, of := range []standing{unwelcome, unknown, welcome, unwelcome, unknown, welcome} {
			go func() { l.enter(of); came <- of }()
			synctest.Wait()
		}
		for i, want := range []standing{welcome, welcome, unknown, unwelcome, unknown, unwelcome} {
			l.leave()
			if got := <-came; got != want {
				t.Errorf("turn %d is for %d, want %d", i, got, want)
			}
		}
		l.leave()
		l.enter(unwelcome) // nobody waits
	})
}

// A guest with a better standing does not wait until others have had their time.
func TestSEC2UnwelcomeGuestMakesRoomAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, now := NewSet(), testTerms()
		s.reputation.blame(netip.MustParsePrefix("192.0.2.1/32"))
		bad := enterFrom(s, now, "192.0.2.1", 2)
		good := enterFrom(s, now, "192.0.2.2", 1)[0]
		began := time.Now()
		s.Receive(bad[0], 1)
		if s.Receive(good, 1); !isClosed(bad[0]) || time.Since(began) > 0 {
			t.Errorf("after %v the first is closed: %v", time.Since(began), isClosed(bad[0]))
		}
	})
}

// Handshakes of those who are unwelcome begin one after the other, and hinder nobody's.
func TestSEC3UnwelcomeHandshakesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, now := NewSet(), testTerms()
		s.reputation.blame(netip.MustParsePrefix("192.0.2.1/32"))
		began := time.Now()
		for i, c := range enterFrom(s, now, "192.0.2.1", 3) {
			if i == 2 {
				time.AfterFunc(ShakeGap/2, func() { c.Close() })
			}
			if open := s.BeginHandshake(c, 10); open == (i == 2) {
				t.Errorf("handshake %d begins: %v", i, open)
			}
			if i == 1 && time.Since(began) != ShakeGap {
				t.Errorf("the second began after %v, want %v", time.Since(began), ShakeGap)
			}
		}
		began = time.Now()
		if s.BeginHandshake(enterFrom(s, now, "192.0.2.2", 1)[0], 10); time.Since(began) > 0 {
			t.Errorf("another one waited for %v", time.Since(began))
		}
		last := enterFrom(s, now, "192.0.2.1", 1)[0]
		for range 10 * int(MaxShakeWait/ShakeGap) {
			if wait := s.untilShake(last, time.Now()); wait > MaxShakeWait {
				t.Fatalf("one waits for %v", wait)
			}
		}
		if got := s.Delayed()["handshake"]; got != 2 {
			t.Errorf("%d have waited, want 2", got)
		}
	})
}

// Somebody honest who has the address of those who take all the room waits for it as others
// do, and keeps nobody waiting meanwhile. No more than some wait so, and the last who came is
// among them.
func TestSEC3UnwelcomeConnectionsWaitApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := testTerms()
		now.Limits.Connections = 1
		s := NewSet()
		enterFrom(s, now, "192.0.2.1", 1)[0].Refuse(false)
		s.All()[0].Close()
		first := s.Enter(chatty{newClientAt("192.0.2.9")}, now)
		first.Read(nil) // it has spoken, and has its tenure
		var admitted atomic.Int64
		conns := make([]*clientAt, WaitersApart+2)
		began := time.Now()
		for i := range conns {
			conns[i] = newClientAt("192.0.2.1")
			s.Admit(conns[i], now, func(*Socket) { admitted.Add(1) })
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("others would have waited %v", took)
		}
		synctest.Wait()
		closed := 0
		for _, c := range conns {
			if c.closed {
				closed++
			}
		}
		if last := len(conns) - 1; admitted.Load() != 0 || closed != 2 || conns[last].closed {
			t.Errorf("%d let in and %d turned away while there is no room, want 0 and 2; the last: %v", admitted.Load(), closed, conns[last].closed)
		}
		first.Close()
		time.Sleep(2 * roomPause)
		if admitted.Load() != 1 {
			t.Errorf("%d let in when there was room, want 1", admitted.Load())
		}
		time.Sleep(2 * Tenure)
	})
}
