package record

import (
	"sync"
	"time"
)

// queue holds records that wait to be written, within bounds: neither the memory of the
// gateway nor its requests hang on who reads them. Any number of goroutines put records
// in; one takes them out, and closes done when it ends.
type queue struct {
	max  int // bytes that wait or are promised
	done chan struct{}

	mu       sync.Mutex
	some     sync.Cond // records wait, or the queue is closed
	waiting  []byte
	reserved int // bytes promised to records that are still to come
	dropped  uint64
	closed   bool
}

func newQueue(max int) *queue {
	q := &queue{max: max, done: make(chan struct{})}
	q.some.L = &q.mu
	return q
}

// reserve promises room for a record of n bytes, if there is any.
func (q *queue) reserve(n int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || !q.fits(n) {
		return false
	}
	q.reserved += n
	return true
}

func (q *queue) fits(n int) bool { return len(q.waiting)+q.reserved+n <= q.max }

// put takes a record, for which room was promised or not. It does not keep it.
func (q *queue) put(record []byte, promised int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.reserved -= promised
	if q.closed || promised == 0 && !q.fits(len(record)) {
		q.dropped++
		return
	}
	if len(q.waiting) == 0 {
		q.some.Signal()
	}
	q.waiting = append(q.waiting, record...)
}

// await returns when records wait, or false when the queue is closed and empty.
func (q *queue) await() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.waiting) == 0 && !q.closed {
		q.some.Wait()
	}
	return len(q.waiting) > 0
}

// take takes all records that wait and leaves spare, which is empty, in their place.
func (q *queue) take(spare []byte) (records []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	records, q.waiting = q.waiting, spare
	return records
}

// lost returns how many records were lost.
func (q *queue) lost() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.dropped
}

// lose counts n records that were taken out and are lost.
func (q *queue) lose(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.dropped += uint64(n)
}

func (q *queue) isClosed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}

// lastWrite is how long close waits for a reader that does not read.
const lastWrite = 2 * time.Second

// close takes no more records and waits, within bounds, until those that wait have been
// taken and written.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.some.Signal()
	q.mu.Unlock()
	select {
	case <-q.done:
	case <-time.After(lastWrite):
	}
}
