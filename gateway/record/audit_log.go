package record

import (
	"bytes"
	"cmp"
	"fmt"
	"log/slog"
	"os"
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
	path  string
	log   *slog.Logger
	queue *queue

	mu    sync.Mutex
	out   *os.File
	since time.Time // when the write began that is under way; zero if none is
	err   error     // of the last write
}

// StandardOutput is the path of an audit log on the standard output.
const StandardOutput = "stdout"

// MaxAuditBytes bounds the records of an audit log that wait, or are promised room.
const MaxAuditBytes = 8 << 20

// Bounds of what an audit log does when it cannot be written.
const (
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
	a := &AuditLog{path: path, log: cmp.Or(log, slog.New(slog.DiscardHandler)), queue: newQueue(MaxAuditBytes), out: out}
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
func (a *AuditLog) Lost() uint64 { return a.queue.lost() }

// Err returns why no record is being written at the moment, nil if they are.
func (a *AuditLog) Err() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.err != nil:
		return a.err
	case !a.since.IsZero() && time.Since(a.since) > auditPatience:
		return errStuck
	case a.queue.isClosed():
		return os.ErrClosed
	}
	return nil
}

var errStuck = fault.Kind("audit.stuck", "nobody reads the audit log")

// Reserve promises room for a record of n bytes, if records are being written. It
// returns false if there is none. The promise holds until Write is given that record.
func (a *AuditLog) Reserve(n int) bool { return a.Err() == nil && a.queue.reserve(n) }

// Write takes a record, which is one line, and does not keep it. Promised is what Reserve
// has promised for it, 0 for nothing. A record without a promise is lost if there is no
// room for it.
func (a *AuditLog) Write(record []byte, promised int) { a.queue.put(record, promised) }

func (a *AuditLog) run() {
	defer close(a.queue.done)
	var batch []byte
	var begun *os.File // has the head of the first record in batch; nil if none has
	for {
		out := a.next(&batch, &begun)
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
func (a *AuditLog) next(batch *[]byte, begun **os.File) *os.File {
	for {
		if len(*batch) == 0 {
			if !a.queue.await() {
				return nil
			}
			*batch = a.queue.take((*batch)[:0])
		}
		a.mu.Lock()
		if *begun == nil || *begun == a.out {
			defer a.mu.Unlock()
			a.since = time.Now()
			return a.out
		}
		a.mu.Unlock()
		a.queue.lose(1)
		*begun, *batch = nil, (*batch)[bytes.Index(*batch, newline)+1:]
	}
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
		a.log.Info("audit records are written again", "path", a.path, "lost", a.queue.lost())
	}
	a.err = err
}

// pause waits before what is left of a batch is tried again. It reports false if
// the log is closed, and the rest is lost.
func (a *AuditLog) pause(rest []byte) bool {
	if a.queue.isClosed() {
		a.queue.lose(bytes.Count(rest, newline))
		return false
	}
	time.Sleep(auditPause)
	return true
}

var newline = []byte("\n")

// Close writes what waits, for at most two seconds, and closes the file. What is written
// to the log later is lost.
func (a *AuditLog) Close() error {
	a.queue.close()
	a.queue.lose(bytes.Count(a.queue.take(nil), newline)) // nobody writes them any more
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.path == StandardOutput {
		return nil
	}
	return a.out.Close()
}
