package ldap

import (
	"sync"
	"time"
)

// limit calls expire when a question takes too long. Its timer goes on from one
// question to the next, and is set again only once it has gone off: to set one may
// wake up a thread to wait for it, which a question notices that has its answer
// within a fraction of a millisecond.
type limit struct {
	expire func()

	mu    sync.Mutex
	timer *time.Timer
	set   time.Time // when the timer goes off; zero: it does not
	until time.Time // when the question must have its answer; zero: there is none
	over  bool
}

// begin gives a question some time.
func (l *limit) begin(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.until, l.over = time.Now().Add(d), false
	l.arm()
}

// end reports whether the time of the question was over before it.
func (l *limit) end() (over bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.until = time.Time{}
	return l.over
}

// stop ends the timer, when there are no more questions.
func (l *limit) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer != nil {
		l.timer.Stop()
	}
}

// arm has the timer go off no later than the time is over.
func (l *limit) arm() {
	if !l.set.IsZero() && !l.until.Before(l.set) {
		return
	}
	l.set = l.until
	if l.timer == nil {
		l.timer = time.AfterFunc(time.Until(l.set), l.check)
		return
	}
	l.timer.Reset(time.Until(l.set))
}

// check looks, when the timer has gone off, at the question of that moment.
func (l *limit) check() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.set = time.Time{}
	switch {
	case l.until.IsZero():
	case time.Now().Before(l.until):
		l.arm()
	default:
		l.over = true
		l.expire()
	}
}
