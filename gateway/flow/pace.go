package flow

import "time"

// LingerTime is how long somebody is still listened to who has got an answer, or is about
// to get one, before the connection is closed.
const LingerTime = 2 * time.Second

// Pace puts off a deadline as long as bytes move: bodies may take any time in
// all, but not be still for longer than idle. Setting a deadline costs about as
// much as copying a few kilobytes, so that it is not done for each piece.
//
// One goroutine uses it at a time.
type Pace struct {
	Idle time.Duration         // that the deadline is put off by
	Set  func(time.Time) error // sets the deadline
	Next time.Time             // before which it is not put off again; zero has the next step do it
}

// NewPace returns a pace whose deadline set puts off, by idle each time. Idle is greater
// than zero.
func NewPace(idle time.Duration, set func(time.Time) error) Pace {
	return Pace{Idle: idle, Set: set}
}

// Step is called before each read or write.
func (p *Pace) Step() { p.StepAt(time.Now()) }

// StepAt is [Pace.Step] for callers that know the time.
func (p *Pace) StepAt(now time.Time) {
	if now.Before(p.Next) {
		return
	}
	p.Next = now.Add(p.Idle / 16)
	p.Set(now.Add(p.Idle))
}
