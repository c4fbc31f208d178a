package backend

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// flights are the questions that are on their way. The zero value has none.
//
// That of golang.org/x/sync does not tell when nobody waits for an answer any more.
type flights struct {
	mu  sync.Mutex
	now map[string]*passage
}

// A passage is one question on its way, and who waits for the answer.
type passage struct {
	all *flights
	key string

	landed atomic.Bool // there is an answer
	answer any
	err    error

	// Guarded by all.mu.
	waiting int  // for the answer
	pending bool // no Backend has been asked yet

	bound  context.Context // done when there is an answer, or when it is overdue
	settle context.CancelFunc
	wanted context.Context // done when there is an answer, or the question is withdrawn
	cancel context.CancelFunc
}

// board has the caller wait for the answer to a question. It reports whether the caller
// is the first, who has it asked and answered within timeout.
func (f *flights) board(key string, timeout time.Duration) (p *passage, first bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p = f.now[key]
	if first = p == nil; first {
		p = &passage{all: f, key: key}
		p.bound, p.settle = context.WithTimeout(context.Background(), timeout)
		p.wanted, p.cancel = context.WithCancel(context.Background())
		if f.now == nil {
			f.now = make(map[string]*passage)
		}
		f.now[key] = p
	}
	p.waiting++
	return p, first
}

// leave is called by each who has boarded, in the end.
func (p *passage) leave() {
	p.all.mu.Lock()
	defer p.all.mu.Unlock()
	p.waiting--
	p.withdraw()
}

// land tells the answer to all who wait. Who asks from now on asks anew.
func (p *passage) land(answer any, err error) {
	p.all.mu.Lock()
	defer p.all.mu.Unlock()
	p.answer, p.err = answer, err
	p.landed.Store(true)
	p.settle()
	p.end()
}

// withdraw gives the question up if nobody waits for the answer and no Backend has been
// asked. It is called with mu held.
func (p *passage) withdraw() {
	if p.waiting == 0 && p.pending {
		p.end()
	}
}

// end has nobody board any more. It is called with mu held.
func (p *passage) end() {
	if p.all.now[p.key] == p {
		delete(p.all.now, p.key)
	}
	p.cancel()
}

// setPending says whether the question waits for its turn to be asked. It fails if the
// question has been withdrawn.
func (p *passage) setPending(pending bool) error {
	p.all.mu.Lock()
	defer p.all.mu.Unlock()
	p.pending = pending
	p.withdraw()
	return p.wanted.Err()
}

type passageKey struct{}

// with returns a context of the question, for whileWanted.
func (p *passage) with(ctx context.Context) context.Context {
	return context.WithValue(ctx, passageKey{}, p)
}

// whileWanted returns a context that is done when ctx is, and when all who waited for
// the answer have left. It is for the time before a Backend is asked. A question that has
// been asked goes on, since the answer is remembered for those who come back. One that
// has not would cost others their turn, as would those of a client that asks and leaves
// again and again. The caller calls begin when the Backend is asked, which is not to be
// if that fails, and in any case in the end.
func whileWanted(ctx context.Context) (wanted context.Context, begin func() error) {
	p, ok := ctx.Value(passageKey{}).(*passage)
	if !ok {
		return ctx, func() error { return nil }
	}
	wanted, cancel := context.WithCancel(ctx)
	unbind := context.AfterFunc(p.wanted, cancel)
	_ = p.setPending(true) // wanted is done if it has been withdrawn
	return wanted, func() error {
		defer cancel()
		defer unbind()
		return p.setPending(false)
	}
}
