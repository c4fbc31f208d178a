package gateway

import (
	"cmp"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/gateway/flow"
	"gatehouse/gateway/limits"
	"gatehouse/gateway/upstream"
)

// uploadBody is the body of a request as it is read for the upstream. After stop,
// nobody reads from the client any more.
type uploadBody struct {
	body     io.Reader
	left     int64 // bytes to come; negative if that is not known
	deadline func(time.Time) error
	pace     flow.Pace
	rate     limits.Rate
	slot     *upstream.Slot // nil while nobody sends it to an upstream

	mu             sync.Mutex // held by Read and stop
	started, ended atomic.Bool
	stopped        atomic.Bool
}

var errUploadStopped = errors.New("the rest of the body is not wanted")

// Read implements [io.Reader].
func (u *uploadBody) Read(p []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.stopped.Load() {
		return 0, errUploadStopped
	}
	u.started.Store(true)
	u.pace.Step()
	if u.stopped.Load() { // meanwhile, and the deadline of stop is overwritten
		return 0, errUploadStopped
	}
	asked := time.Now()
	n, err := u.wait(asked, p)
	u.left -= int64(n)
	if slow := u.rate.Moved(n, time.Since(asked)); slow != nil && err == nil && u.left != 0 {
		return n, slow
	}
	if err == io.EOF || u.left == 0 {
		u.deadline(time.Time{}) // or an HTTP/2 stream would end while its answer is awaited
		u.ended.Store(true)
	}
	return n, err
}

// wait reads what comes next.
func (u *uploadBody) wait(now time.Time, p []byte) (int, error) {
	if err := u.slot.Await(upstream.FromClient, now); err != nil {
		return 0, err
	}
	n, err := u.body.Read(p)
	return n, cmp.Or(u.slot.Moved(upstream.FromClient), err)
}

// stop ends reading of the body, a read under way included. With drain it then
// reads what the client sends for a moment, and forgets it.
func (u *uploadBody) stop(drain bool) {
	u.stopped.Store(true)
	until := time.Now()
	if drain {
		until = until.Add(flow.LingerTime)
	}
	u.deadline(until)
	u.mu.Lock()
	defer u.mu.Unlock()
	if !drain {
		return
	}
	if _, err := io.CopyN(io.Discard, u.body, lingerBytes); err == io.EOF {
		u.ended.Store(true)
	}
}
