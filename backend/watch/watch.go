// Package watch notices that files changed, and reads them with care.
//
// It polls. Notifications from the kernel miss changes that another machine
// makes on a network file system, and say nothing useful about a bind mount or
// about the directory that Kubernetes swaps behind a symbolic link. A stat call
// through all links every 200 ms sees each of these, as well as a rename and a
// file rewritten in place, and costs a few microseconds.
package watch

import (
	"context"
	"hash/maphash"
	"os"
	"slices"
	"syscall"
	"time"
)

const (
	// pollEvery times two, the two polls between which a file must not change,
	// leaves half of the second within which a change has to take effect.
	pollEvery = 200 * time.Millisecond

	// hashEvery is for a change that leaves no trace in what stat says, such as
	// two writes of equal length within one tick of the file system's clock.
	hashEvery = 30 * time.Second
	hashMax   = 16 << 20
)

// Start calls changed each time that the files at paths have changed and then
// kept still from one poll to the next, so that a file which somebody is
// writing slowly is not read half-way. That a file vanished or came into being
// is a change too. Calls of changed never overlap.
//
// Every change that is made after Start has returned is noticed: to miss none,
// start first and read the files after.
//
// Whoever starts a watch ends it by calling stop, which waits for a running
// call of changed to end and must therefore not be called by it.
func Start(paths []string, changed func()) (stop func()) {
	return start(paths, changed, pollEvery, hashEvery)
}

func start(paths []string, changed func(), poll, hash time.Duration) (stop func()) {
	w := &watcher{paths: slices.Clone(paths), changed: changed, seed: maphash.MakeSeed()}
	w.last = w.stat()
	w.known = w.last
	w.sums = w.hash()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.run(ctx, poll, hash)
	}()
	return func() {
		cancel()
		<-done
	}
}

// A watcher is used by its own goroutine alone.
type watcher struct {
	paths   []string
	changed func()
	seed    maphash.Seed

	known []fingerprint // when changed was last called
	last  []fingerprint // at the last poll
	sums  []uint64      // of the contents, when last hashed
}

func (w *watcher) run(ctx context.Context, poll, hash time.Duration) {
	polls := time.NewTicker(poll)
	defer polls.Stop()
	hashes := time.NewTicker(hash)
	defer hashes.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-polls.C:
			w.poll()
		case <-hashes.C:
			w.pollContent()
		}
	}
}

func (w *watcher) poll() {
	now := w.stat()
	settled := slices.Equal(now, w.last)
	w.last = now
	if settled && !slices.Equal(now, w.known) {
		w.known = now
		w.sums = w.hash()
		w.changed()
	}
}

// pollContent does nothing while a change is under way that poll will report.
func (w *watcher) pollContent() {
	if !slices.Equal(w.stat(), w.known) {
		return
	}
	sums := w.hash()
	if !slices.Equal(sums, w.sums) {
		w.sums = sums
		w.changed()
	}
}

// A fingerprint is what stat says of a file, following links; the zero
// fingerprint is that of a file which cannot be reached. The change time is
// there because the modification time can be set back, as cp -p and tar do.
type fingerprint struct {
	dev, ino     uint64
	size         int64
	mtime, ctime syscall.Timespec
}

func (w *watcher) stat() []fingerprint {
	prints := make([]fingerprint, len(w.paths))
	for i, path := range w.paths {
		if info, err := os.Stat(path); err == nil {
			prints[i] = fingerprintOf(info)
		}
	}
	return prints
}

func fingerprintOf(info os.FileInfo) fingerprint {
	st := info.Sys().(*syscall.Stat_t)
	return fingerprint{dev: uint64(st.Dev), ino: st.Ino, size: st.Size, mtime: st.Mtim, ctime: st.Ctim}
}

// hash sums the contents; a file that cannot be read or is too large has sum 0.
func (w *watcher) hash() []uint64 {
	sums := make([]uint64, len(w.paths))
	for i, path := range w.paths {
		if text, _, err := Read(path, Limits{MaxSize: hashMax}); err == nil {
			sums[i] = maphash.String(w.seed, text)
		}
	}
	return sums
}
