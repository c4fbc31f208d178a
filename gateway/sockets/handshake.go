package sockets

import "time"

// A handshake costs more than most requests do, and whoever is turned away after it may make
// the next one at once. Where many do, others would wait until all of these are done.
const (
	ShakeGap     = 10 * time.Millisecond // between the handshakes of those who are unwelcome
	MaxShakeWait = 4 * time.Second       // for the turn of one of them
)

// setHandshaking is called with mu held.
func (s *Set) setHandshaking(c *Socket, yes bool) {
	switch {
	case c.handshaking == yes:
		return
	case yes:
		s.handshaking++
	default:
		s.handshaking--
	}
	c.handshaking = yes
}

// BeginHandshake makes room among the handshakes that are under way, of which there may be
// limit. Those who are unwelcome wait for their turn first. It reports false if c was closed
// meanwhile.
func (s *Set) BeginHandshake(c *Socket, limit int) bool {
	if !s.awaitShake(c) {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.handshaking >= limit {
		s.closeSome(func(c *Socket) bool { return c.handshaking }, nobody)
	}
	_, open := s.open[c]
	if open {
		s.setHandshaking(c, true)
	}
	return open
}

// awaitShake waits until c may begin its handshake.
func (s *Set) awaitShake(c *Socket) (open bool) {
	wait := s.untilShake(c, time.Now())
	if wait <= 0 {
		return true
	}
	s.delayed[delayedHandshake].Add(1)
	select {
	case <-time.After(wait):
		return true
	case <-c.left:
		return false
	}
}

func (s *Set) untilShake(c *Socket, now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.standing != unwelcome {
		return 0
	}
	turn := s.nextShake
	if turn.Before(now) {
		turn = now
	}
	if latest := now.Add(MaxShakeWait); turn.After(latest) {
		turn = latest
	}
	s.nextShake = turn.Add(ShakeGap)
	return turn.Sub(now)
}

// EndHandshake says that c has made its handshake. It has as long for its first request
// as it had for that.
func (s *Set) EndHandshake(c *Socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.setHandshaking(c, false)
	c.waits.Store(time.Now().UnixNano())
}

func nobody(*Socket) bool { return false }
