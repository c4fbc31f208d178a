package main

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"

	"gatehouse/backend/fault"
	"gatehouse/backend/watch"
)

const (
	// settleTime is how long files must keep still after a change: a configuration
	// is more than one file, and who writes them is not to be read half-way.
	settleTime = 250 * time.Millisecond

	// lookEvery is for changes that the kernel does not tell of, such as those which
	// another machine makes on a network file system.
	lookEvery = 30 * time.Second
)

// fileWatch notices that files have another content than was read. It watches the
// folders that they are in, because a file that is replaced is another one, and
// looks at the content, because other things happen in these folders too.
type fileWatch struct {
	changed  chan struct{} // something is to be read again
	followed chan struct{} // other files are to be looked at
	log      *slog.Logger
	notify   *fsnotify.Watcher // nil where the system has none to give

	mu    sync.Mutex
	known map[string]watch.Sum // of what was read last
}

// newFileWatch returns a watch of no files. It has to be run.
func newFileWatch(log *slog.Logger) *fileWatch {
	w := &fileWatch{changed: make(chan struct{}, 1), followed: make(chan struct{}, 1), log: log}
	var err error
	if w.notify, err = fsnotify.NewWatcher(); err != nil {
		log.Warn("the system does not tell of changed files; they are looked at now and then", fault.Attr, "reload.blind", "every", lookEvery, "error", err)
	}
	return w
}

// follow makes the files in known those that are watched. Each change from that
// content is told, also one that was made before the call.
func (w *fileWatch) follow(known map[string]watch.Sum) {
	w.mu.Lock()
	w.known = known
	w.mu.Unlock()
	w.watchFolders()
	signalTo(w.followed)
}

// watchFolders has the kernel tell of the folders of the files, as they are now. What
// it cannot watch, such as a folder that does not exist yet, is looked at only.
func (w *fileWatch) watchFolders() {
	if w.notify == nil {
		return
	}
	var wanted []string
	for _, path := range w.files() {
		wanted = append(wanted, foldersOf(path)...)
	}
	for _, folder := range w.notify.WatchList() {
		if !slices.Contains(wanted, folder) {
			w.notify.Remove(folder)
		}
	}
	for _, folder := range wanted {
		w.notify.Add(folder) // also if it is watched: it may be another by that name
	}
}

// files returns the paths of the files that are watched.
func (w *fileWatch) files() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Collect(maps.Keys(w.known))
}

// run watches until ctx is done.
func (w *fileWatch) run(ctx context.Context) {
	var events chan fsnotify.Event
	var failures chan error
	if w.notify != nil {
		events, failures = w.notify.Events, w.notify.Errors
	}
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	settled := time.NewTimer(0)
	defer settled.Stop()
	var last map[string]watch.Sum // while something may be changing
	for {
		select {
		case <-ctx.Done():
			return
		case <-events:
		case <-failures: // events may have been lost
		case <-w.followed: // they may have changed since they were read
		case <-look.C:
		case <-settled.C:
			if last = w.settle(last); last != nil {
				settled.Reset(settleTime)
			}
			continue
		}
		if last == nil {
			last = watch.SumsOf(w.files())
			settled.Reset(settleTime)
		}
	}
}

// close ends what newFileWatch began.
func (w *fileWatch) close() {
	if w.notify != nil {
		w.notify.Close()
	}
}

// settle looks at the files some time after it was last done. It returns what there
// is to compare with the next time, or nil if the files have kept still, and then it
// tells of what is not as it was read.
func (w *fileWatch) settle(last map[string]watch.Sum) map[string]watch.Sum {
	w.watchFolders() // a change of links may have made them others
	now := watch.SumsOf(w.files())
	if !maps.Equal(now, last) {
		return now
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for path, sum := range w.known {
		if now[path] != sum {
			w.known = now // is going to be read
			signalTo(w.changed)
			break
		}
	}
	return nil
}

// signalTo puts a signal into c, which has room for one, unless one is waiting there.
func signalTo(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
