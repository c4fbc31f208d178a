package backend

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"gatehouse/backend/fault"
)

// A flight is a question on its way to a Backend. All who ask the same question
// meanwhile wait for the one answer; the question belongs to none of them, and
// goes on when any of them gives up. See whileWanted for when all of them do.
type flight[T any] struct {
	all     *flights
	key     string
	timeout time.Duration
	shared  *atomic.Uint64 // counts those who got the answer to another's question
}

// ask returns the answer, or an error that wraps [ErrUnavailable] once ctx is
// done or the question has taken the timeout, which a Backend may disregard. The Call of
// ctx reaches the question, nothing else of it does.
func (f flight[T]) ask(ctx context.Context, question func(context.Context) (T, error)) (T, error) {
	p, own := f.all.board(f.key, f.timeout)
	defer p.leave()
	if own {
		go run(p, detached(ctx, p.bound), question)
	}
	var none T
	select {
	case <-ctx.Done():
		return none, unanswered(ctx)
	case <-p.bound.Done():
	}
	if !p.landed.Load() {
		return none, unanswered(p.bound)
	}
	if !own {
		f.shared.Add(1)
	}
	return p.answer.(T), p.err
}

func unanswered(over context.Context) error {
	return fault.With("cache.unanswered", fmt.Errorf("%w: waiting for its answer: %w", ErrUnavailable, over.Err()))
}

// run has the question answered.
func run[T any](p *passage, ctx context.Context, question func(context.Context) (T, error)) {
	var answer T
	err := errNoAnswer // where the question ends the goroutine
	defer func() { p.land(answer, err) }()
	answer, err = safely(p.with(ctx), question)
}

var errNoAnswer = fault.With("cache.unanswered", fmt.Errorf("%w: the backend ended without an answer", ErrUnavailable))

// detached returns a context with the end of bound for what may go on when the caller
// whose ctx is has left. It holds a copy of the Call, taken before that: the caller may use its own
// again for the next question. It holds nothing else of ctx, by which a request and
// its whole connection would stay in memory for as long as a stranger's question
// waits.
func detached(ctx, bound context.Context) context.Context {
	call := CallOf(ctx)
	if call == nil {
		return bound
	}
	copied := *call
	return WithCall(bound, &copied)
}

// safely turns a panic of the question into an error. It would end the process
// otherwise, since no caller is below the question on its stack.
func safely[T any](ctx context.Context, question func(context.Context) (T, error)) (answer T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fault.With("backend.panic", fmt.Errorf("backend panicked: %s\n%s", describe(p), debug.Stack()))
		}
	}()
	return question(ctx)
}

// describe says what a panic was about. The value itself is told only where the
// runtime made it: any other may hold a password.
func describe(p any) string {
	if err, ok := p.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("%T", p)
}
