package gateway

import (
	"bytes"
	"cmp"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"gatehouse/backend/fault"
)

// AuditLog takes the record of every decision, apart from all other logs. It
// writes from a goroutine of its own: whoever reads it, or the disk that it is
// on, holds up no request. Records that it has no room for are counted.
//
// It may be used from any number of goroutines at once, and by one gateway after
// the other.
type AuditLog struct {
	path string
	log  *slog.Logger
	done chan struct{}

	mu       sync.Mutex
	some     sync.Cond // there is something to do for the goroutine
	out      *os.File
	waiting  []byte
	reserved int       // bytes promised to records that are still to come
	since    time.Time // when the write began that is under way; zero if none is
	err      error     // of the last write
	lost     uint64
	closed   bool
}

// StandardOutput is the path of an audit log on the standard output.
const StandardOutput = "stdout"

// Bounds of what an audit log does when it cannot be written.
const (
	maxAuditBytes = 8 << 20         // of records that wait
	auditPatience = 5 * time.Second // for one write, after which it counts as stuck
	auditPause    = time.Second     // before a write is tried again
	auditMode     = os.FileMode(0o640)
)

// OpenAuditLog opens the log at path, or StandardOutput, to append to it. Log is
// told when writing begins to fail and when it goes on; nil discards. A named pipe
// needs a reader that is there already.
func OpenAuditLog(path string, log *slog.Logger) (*AuditLog, error) {
	out, err := openAudit(path)
	if err != nil {
		return nil, err
	}
	a := &AuditLog{path: path, log: cmp.Or(log, slog.New(slog.DiscardHandler)), done: make(chan struct{}), out: out}
	a.some.L = &a.mu
	go a.run()
	return a, nil
}

func openAudit(path string) (*os.File, error) {
	if path == StandardOutput {
		return os.Stdout, nil
	}
	// A named pipe without a reader would block the start for ever otherwise.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|syscall.O_NONBLOCK, auditMode)
	if err != nil {
		return nil, fault.File(fmt.Errorf("open the audit log: %w: make the folder, and let the user that gatehouse runs as write to it", err))
	}
	return f, nil
}

// Reopen opens the path anew, after its file was moved away. If that fails the old
// file stays in use, as it does where it has not been moved.
func (a *AuditLog) Reopen() error {
	if a.path == StandardOutput {
		return nil
	}
	out, err := openAudit(a.path)
	if err != nil {
		return err
	}
	a.mu.Lock()
	old := a.out
	if sameFile(old, out) {
		old = out
	} else {
		a.out = out
	}
	a.mu.Unlock()
	return old.Close()
}

// sameFile reports whether two open files are one.
func sameFile(a, b *os.File) bool {
	infoA, errA := a.Stat()
	infoB, errB := b.Stat()
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

// Lost returns how many records were lost.
func (a *AuditLog) Lost() uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.lost
}

// Err returns why no record is being written at the moment, nil if they are.
func (a *AuditLog) Err() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.trouble()
}

var errStuck = fault.Kind("audit.stuck", "nobody reads the audit log")

func (a *AuditLog) trouble() error {
	switch {
	case a.err != nil:
		return a.err
	case !a.since.IsZero() && time.Since(a.since) > auditPatience:
		return errStuck
	case a.closed:
		return os.ErrClosed
	}
	return nil
}

// reserve promises room for a record of n bytes, if records are being written.
func (a *AuditLog) reserve(n int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.trouble() != nil || len(a.waiting)+a.reserved+n > maxAuditBytes {
		return false
	}
	a.reserved += n
	return true
}

// write takes a record, for which room was promised or not. It does not keep it.
func (a *AuditLog) write(record []byte, promised int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reserved -= promised
	if promised == 0 && len(a.waiting)+a.reserved+len(record) > maxAuditBytes || a.closed {
		a.lost++
		return
	}
	a.waiting = append(a.waiting, record...)
	a.some.Signal()
}

func (a *AuditLog) run() {
	defer close(a.done)
	var batch []byte
	var begun *os.File // has the head of the first record in batch; nil if none has
	for {
		out := a.next(&batch, begun)
		if out == nil {
			return
		}
		n, err := out.Write(batch)
		if n > 0 {
			begun = nil
			if batch[n-1] != '\n' {
				begun = out
			}
		}
		batch = batch[:copy(batch, batch[n:])]
		if a.wrote(out, err); err != nil && !a.pause(batch) {
			return
		}
	}
}

// next waits for something to write, puts it into batch if that is empty, and
// returns where to write it: nil at the end. Of a record that was begun in a file
// which is not in use any more, the rest belongs nowhere.
func (a *AuditLog) next(batch *[]byte, begun *os.File) *os.File {
	a.mu.Lock()
	defer a.mu.Unlock()
	if begun != nil && begun != a.out {
		a.lost++
		*batch = (*batch)[bytes.Index(*batch, newline)+1:]
	}
	for len(*batch) == 0 && len(a.waiting) == 0 {
		if a.closed {
			return nil
		}
		a.some.Wait()
	}
	if len(*batch) == 0 {
		*batch, a.waiting = a.waiting, (*batch)[:0]
	}
	a.since = time.Now()
	return a.out
}

// wrote notes what came of a write, and tells of a change.
func (a *AuditLog) wrote(out *os.File, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.since = time.Time{}
	switch {
	case err != nil && out != a.out:
		return // closed by Reopen, and what is left goes to the new file
	case err != nil && a.err == nil:
		a.log.Error("audit records cannot be written: free the disk or correct the file; they wait, within bounds", "path", a.path, "error", fault.File(err))
	case err == nil && a.err != nil:
		a.log.Info("audit records are written again", "path", a.path, "lost", a.lost)
	}
	a.err = err
}

// pause waits before what is left of a batch is tried again. It reports false if
// the log is closed, and the rest is lost.
func (a *AuditLog) pause(rest []byte) bool {
	a.mu.Lock()
	closed := a.closed
	if closed {
		a.lost += uint64(bytes.Count(rest, newline))
	}
	a.mu.Unlock()
	if !closed {
		time.Sleep(auditPause)
	}
	return !closed
}

var newline = []byte("\n")

// Close writes what waits, within bounds, and closes the file.
func (a *AuditLog) Close() error {
	a.mu.Lock()
	a.closed = true
	a.some.Signal()
	a.mu.Unlock()
	select {
	case <-a.done:
	case <-time.After(lastWrite):
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lost += uint64(bytes.Count(a.waiting, newline)) // nobody writes them any more
	a.waiting = nil
	if a.path == StandardOutput {
		return nil
	}
	return a.out.Close()
}

// auditLogs are those that a gateway has had, each of which may still lose records
// when no request uses it any more.
type auditLogs struct {
	mu  sync.Mutex
	all []*AuditLog
}

// add takes down that a is in use, which may be nil.
func (l *auditLogs) add(a *AuditLog) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a != nil && !slices.Contains(l.all, a) {
		l.all = append(l.all, a)
	}
}

// lost returns how many records all of them have lost.
func (l *auditLogs) lost() (n uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.all {
		n += a.Lost()
	}
	return n
}
