package gateway

import (
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/backend/fault"
)

// sink writes log lines from a goroutine of its own, as many at once as have come
// together, so that a request does not wait for the disk or the pipe.
type sink struct {
	out io.Writer
	log *slog.Logger

	mu      sync.Mutex
	some    sync.Cond // lines wait, or the sink is closed
	waiting []byte
	dropped int           // since that was last logged
	lost    atomic.Uint64 // altogether
	closed  bool
	done    chan struct{}
}

// maxSinkBytes bounds the lines that wait for a reader that does not read. What
// comes beyond it is counted instead, because neither the memory of the gateway
// nor its requests should hang on who reads the log.
const maxSinkBytes = 4 << 20

func newSink(out io.Writer, log *slog.Logger) *sink {
	s := &sink{out: out, log: log, done: make(chan struct{})}
	s.some.L = &s.mu
	go s.run()
	return s
}

// Write takes one line. It does not keep p and never fails.
func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.waiting)+len(p) > maxSinkBytes {
		s.dropped++
		s.lost.Add(1)
		return len(p), nil
	}
	if len(s.waiting) == 0 {
		s.some.Signal()
	}
	s.waiting = append(s.waiting, p...)
	return len(p), nil
}

// gathering is how long lines are collected before they are written. To wake this
// goroutine and to write costs more than to make a line, and at every request it
// would be a tenth of what that costs.
const gathering = 10 * time.Millisecond

func (s *sink) run() {
	defer close(s.done)
	var batch []byte
	for s.await() {
		time.Sleep(gathering)
		var dropped int
		batch, dropped = s.take(batch[:0])
		if dropped > 0 {
			s.log.Error("access records lost, because nobody read those before them", fault.Attr, "access.lost", "count", dropped)
		}
		s.out.Write(batch) // there is nowhere to report that the log cannot be written
	}
}

// await returns when lines wait, or false when the sink is closed and empty.
func (s *sink) await() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.waiting) == 0 && !s.closed {
		s.some.Wait()
	}
	return len(s.waiting) > 0
}

// take takes all lines that wait and leaves spare in their place.
func (s *sink) take(spare []byte) (lines []byte, dropped int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	lines, s.waiting = s.waiting, spare
	dropped, s.dropped = s.dropped, 0
	return lines, dropped
}

// lastWrite is how long close waits for a reader that does not read.
const lastWrite = 2 * time.Second

// close writes what waits and ends the goroutine.
func (s *sink) close() {
	s.mu.Lock()
	s.closed = true
	s.some.Signal()
	s.mu.Unlock()
	select {
	case <-s.done:
	case <-time.After(lastWrite):
	}
}
