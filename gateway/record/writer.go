package record

import (
	"io"
	"log/slog"
	"time"

	"gatehouse/backend/fault"
)

// Writer takes the lines of the access log. It writes from a goroutine of its own, as
// many at once as have come together, so that a request does not wait for the disk or
// the pipe. Lines that nobody reads in time are lost and counted.
//
// It may be used from any number of goroutines at once.
type Writer struct {
	queue *queue
	out   io.Writer
	log   *slog.Logger
}

// MaxAccessBytes bounds the lines of the access log that wait for a reader that does not
// read.
const MaxAccessBytes = 4 << 20

// NewWriter returns a writer to out, which is given whole lines. Log is told how many
// lines were lost. Close ends it.
func NewWriter(out io.Writer, log *slog.Logger) *Writer {
	w := &Writer{queue: newQueue(MaxAccessBytes), out: out, log: log}
	go w.run()
	return w
}

// Write takes one line. It does not keep p and never fails.
func (w *Writer) Write(p []byte) (int, error) {
	w.queue.put(p, 0)
	return len(p), nil
}

// Lost returns how many lines were lost.
func (w *Writer) Lost() uint64 { return w.queue.lost() }

// Close writes what waits, for at most two seconds. What is written to w later is lost.
func (w *Writer) Close() { w.queue.close() }

// gathering is how long lines are collected before they are written. To wake this
// goroutine and to write costs more than to make a line, and at every request it
// would be a tenth of what that costs.
const gathering = 10 * time.Millisecond

func (w *Writer) run() {
	defer close(w.queue.done)
	var batch []byte
	var told uint64
	for w.queue.await() {
		time.Sleep(gathering)
		batch = w.queue.take(batch[:0])
		if lost := w.queue.lost(); lost > told {
			w.log.Error("access records lost, because nobody read those before them", fault.Attr, "access.lost", "count", lost-told)
			told = lost
		}
		w.out.Write(batch) // there is nowhere to report that the log cannot be written
	}
}
