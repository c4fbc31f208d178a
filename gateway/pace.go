package gateway

import "time"

// pace puts off a deadline as long as bytes move: bodies may take any time in
// all, but not be still for longer than idle. Setting a deadline costs about as
// much as copying a few kilobytes, so that it is not done for each piece.
type pace struct {
	idle time.Duration
	set  func(time.Time) error
	next time.Time
}

func newPace(idle time.Duration, set func(time.Time) error) pace {
	return pace{idle: idle, set: set}
}

// step is called before each read or write.
func (p *pace) step() { p.stepAt(time.Now()) }

// stepAt is step for callers that know the time.
func (p *pace) stepAt(now time.Time) {
	if now.Before(p.next) {
		return
	}
	p.next = now.Add(p.idle / 16)
	p.set(now.Add(p.idle))
}
