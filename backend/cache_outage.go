package backend

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	// outageGrace is how long, beyond the time that a question may take, the next
	// ones are taken to have no answer either after one that had none. A request
	// with several questions must not find at the first that the outage is over
	// because the last has taken so long.
	outageGrace = 5 * time.Second

	// outageRetry is how long after it one of them is asked all the same.
	outageRetry = time.Second
)

// outages says what cannot be asked at the moment, so that not everybody has to
// wait for a Backend that does not answer. Meanwhile one question at a time is
// asked behind the backs of the callers; the first answer ends the outage.
type outages struct {
	mu      sync.Mutex
	timeout time.Duration // of a question
	of      map[line]outage
}

// A line is one kind of question to one source of users, of which a Backend may
// have several that fail apart from each other. Sources are named by the
// configuration alone, so there are few.
type line struct {
	question string
	source   string // as Identity.Source
}

// The questions of lines.
const (
	askingLogin  = "login"
	askingGroups = "groups"
	askingCheck  = "check"
)

type outage struct {
	until time.Time // until then it is on
	next  time.Time // from then on, one may try
}

func newOutages(timeout time.Duration) *outages {
	return &outages{timeout: timeout, of: make(map[line]outage)}
}

func (o *outages) configure(timeout time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.timeout = timeout
}

// on reports whether a question on l would find no answer.
func (o *outages) on(l line) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return time.Now().Before(o.of[l].until)
}

// claim reports whether the caller may ask a question on l behind the backs of
// others, and keeps that from everybody else until it must have had its answer.
func (o *outages) claim(l line) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	down, now := o.of[l], time.Now()
	if now.Before(down.next) {
		return false
	}
	o.of[l] = outage{until: now.Add(o.timeout + outageGrace), next: now.Add(o.timeout)}
	return true
}

// heed takes down what came of a question on l, also of each that was claimed. A
// fault ends an outage too: it is nothing that would pass. So does a refusal by the
// source itself, if it is others that could not be asked, and what is forgotten of one user.
func (o *outages) heed(l line, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if now := time.Now(); errors.Is(err, ErrUnavailable) && !errors.Is(err, ErrForgotten) && !RefusedBy(err, l.source) {
		o.of[l] = outage{until: now.Add(o.timeout + outageGrace), next: now.Add(outageRetry)}
		return
	}
	delete(o.of, l)
}

// lasting reports whether a failed login would fail again the next moment. An
// error that says in any way that the Backend was not asked is no answer.
func lasting(err error) bool {
	return Refused(err) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}
