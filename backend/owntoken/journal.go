package owntoken

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"gatehouse/backend"
	"gatehouse/backend/fault"
)

// A Journal is a [Store] in a file. Each line is a [Change]. A line is written and synced
// before it counts, and a crash cuts at most the last one, of which nobody was told that it
// counts. The next start drops what is left of that.
//
// One process has the file at a time.
type Journal struct {
	path string
	lock *os.File // held for as long as the Journal is open
	now  func() time.Time

	mu     sync.RWMutex
	tokens *table
	file   *os.File
	size   int64 // of what is known to be whole
	lines  int   // in that
	counts Counts
	broken error // why nothing can be written any more, nil if it can
	uses   map[string]Use
}

var _ Store = (*Journal)(nil)

const (
	// maxLine bounds a line of the file. A change of many tokens is the longest.
	maxLine = 16 << 20

	// keptFor is how long a token that has ended can still be seen.
	keptFor = 30 * 24 * time.Hour
)

// OpenJournal opens the file at path, which need not exist yet, for this process alone.
// Only its owner may read it: whoever reads it learns whose tokens there are, though not
// the tokens.
func OpenJournal(path string) (*Journal, error) {
	lock, err := lockFile(path)
	if err != nil {
		return nil, err
	}
	j := &Journal{path: path, lock: lock, now: time.Now, uses: map[string]Use{}}
	if err := j.open(); err != nil {
		return nil, errors.Join(err, j.Close())
	}
	return j, nil
}

// lockFile makes sure that no other process has the file. The lock is a file of its own,
// since the other one is replaced at times.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fault.File(err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		owner, _ := io.ReadAll(io.LimitReader(f, 20))
		f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fault.File(fmt.Errorf("lock %s.lock: %w", path, err))
		}
		return nil, fault.File(fmt.Errorf("%s is in use by process %s: one gatehouse at a time can write it", path, strings.TrimSpace(string(owner))))
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil { // it only helps people
		return f, nil
	}
	return f, nil
}

// open reads the file, replaces it if much of it no longer counts, and leaves it open for
// more.
func (j *Journal) open() error {
	f, err := os.OpenFile(j.path, os.O_RDWR|os.O_CREATE|os.O_APPEND|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return fault.File(err)
	}
	j.file = f
	if err := checkOwn(f); err != nil {
		return fault.File(fmt.Errorf("%s: %w", j.path, err))
	}
	if j.lines, err = j.read(); err != nil {
		return err
	}
	if err := j.truncate(); err != nil {
		return fault.File(err)
	}
	return j.tidy()
}

// checkOwn reports why a file cannot keep tokens.
func checkOwn(f *os.File) error {
	info, err := f.Stat()
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return errors.New("it is no plain file")
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("its mode is %#o, and others than its owner may not read or write it: chmod 600 it", info.Mode().Perm())
	}
	return nil
}

// truncate drops what follows the part that is known to be whole.
func (j *Journal) truncate() error {
	if err := j.file.Truncate(j.size); err != nil {
		return err
	}
	return j.file.Sync()
}

// Find implements [Store].
func (j *Journal) Find(_ context.Context, h Hash) (Token, error) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return found(j.tokens.byHash[h])
}

// ByID implements [Store].
func (j *Journal) ByID(_ context.Context, id string) (Token, error) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return found(j.tokens.byID[id])
}

func found(e *entry) (Token, error) {
	if e == nil {
		return Token{}, ErrNone
	}
	return e.Token, nil
}

// ByOwner implements [Store].
func (j *Journal) ByOwner(_ context.Context, o Owner) ([]Token, error) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return sorted(j.tokens.byOwner[o.key()]), nil
}

// All implements [Store].
func (j *Journal) All(context.Context) ([]Token, error) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return j.tokens.all(), nil
}

// Change implements [Store].
func (j *Journal) Change(_ context.Context, c Change) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.tokens.check(&c); err != nil {
		return err
	}
	if err := j.append(&c); err != nil {
		j.tokens.revoke(&c) // until the process ends, at least
		return fmt.Errorf("%s: %w: %w", j.path, backend.ErrUnavailable, err)
	}
	j.tokens.do(&c)
	j.counts.add(&c)
	return nil
}

// append writes a line and has it synced. A write that fails half way is taken back. After a
// sync that fails nobody knows what the disk has, so that nothing more is written.
func (j *Journal) append(c *Change) error {
	if j.broken != nil {
		return j.broken
	}
	line, err := json.Marshal(c)
	if err != nil {
		return err
	}
	line = append(line, '\n')
	if len(line) > maxLine {
		return errLongLine
	}
	if _, err := j.file.Write(line); err != nil {
		if undo := j.truncate(); undo != nil {
			j.broken = fmt.Errorf("an earlier write failed, and could not be taken back: %w; restart gatehouse when there is room", undo)
		}
		return err
	}
	if err := j.file.Sync(); err != nil {
		j.broken = fmt.Errorf("an earlier write may be lost: %w; restart gatehouse when the disk is in order", err)
		return err
	}
	j.size += int64(len(line))
	j.lines++
	return nil
}

// Note implements [Store]. Uses wait for [Journal.Flush], and those of one hour count once:
// a pull must not be a write.
func (j *Journal) Note(id string, u Use) {
	u.At = u.At.UTC().Truncate(time.Hour)
	j.mu.RLock()
	e := j.tokens.byID[id]
	news := e != nil && u.At.After(e.Used)
	j.mu.RUnlock()
	if !news {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.tokens.note(id, u)
	j.uses[id] = u
}

// Flush keeps the uses that were noted.
func (j *Journal) Flush() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.uses) == 0 {
		return nil
	}
	uses := maps.Clone(j.uses)
	if err := j.append(&Change{At: j.now().UTC(), Used: uses}); err != nil {
		return err
	}
	clear(j.uses)
	return nil
}

// Close keeps what was noted and lets another process have the file.
func (j *Journal) Close() error {
	var err error
	if j.file != nil && j.tokens != nil {
		err = j.Flush()
	}
	if j.file != nil {
		err = errors.Join(err, j.file.Close())
	}
	return errors.Join(err, j.lock.Close())
}
