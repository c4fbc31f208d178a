package watch

import (
	"hash/maphash"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/internal/testkit"
)

// write makes or rewrites a file in place.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// afterTick waits until the clock of the file system has moved on since path was
// last changed. Two changes within one tick may look like one.
func afterTick(t *testing.T, path string) {
	t.Helper()
	before, err := os.Stat(path)
	must(t, err)
	probe := filepath.Join(t.TempDir(), "probe")
	testkit.Await(t, "the clock of the file system moves on", func() bool {
		write(t, probe, "")
		now, err := os.Stat(probe)
		must(t, err)
		return fingerprintOf(now).ctime != fingerprintOf(before).ctime
	})
}

// newWatcher returns a watcher without its goroutine, for the test to poll by
// hand, and the count of the changes it reported.
func newWatcher(paths ...string) (*watcher, *int) {
	calls := new(int)
	w := &watcher{paths: paths, changed: func() { *calls++ }, seed: maphash.MakeSeed()}
	w.last = w.stat()
	w.known = w.last
	w.sums = w.hash()
	return w, calls
}

func TestEveryKindOfChangeIsReportedOnce(t *testing.T) {
	mtime := time.Unix(1_700_000_000, 0)
	tests := []struct {
		name   string
		change func(t *testing.T, dir, path string)
	}{
		{"rewritten in place", func(t *testing.T, dir, path string) {
			write(t, path, "new content")
		}},
		{"appended to", func(t *testing.T, dir, path string) {
			f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			must(t, err)
			_, err = f.WriteString("more")
			must(t, err)
			must(t, f.Close())
		}},
		{"replaced by rename", func(t *testing.T, dir, path string) {
			write(t, filepath.Join(dir, "tmp"), "old")
			must(t, os.Chtimes(filepath.Join(dir, "tmp"), mtime, mtime))
			must(t, os.Rename(filepath.Join(dir, "tmp"), path))
		}},
		{"rewritten with equal length and its time set back", func(t *testing.T, dir, path string) {
			write(t, path, "new")
			must(t, os.Chtimes(path, mtime, mtime))
		}},
		{"removed", func(t *testing.T, dir, path string) {
			must(t, os.Remove(path))
		}},
		{"made harder to read", func(t *testing.T, dir, path string) {
			must(t, os.Chmod(path, 0o400))
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "file")
			write(t, path, "old")
			must(t, os.Chtimes(path, mtime, mtime))
			w, calls := newWatcher(path)
			w.poll()
			if *calls != 0 {
				t.Fatalf("reported %d changes before there was one", *calls)
			}
			afterTick(t, path)
			tt.change(t, dir, path)
			for range 5 {
				w.poll()
			}
			if *calls != 1 {
				t.Errorf("reported %d changes, want 1", *calls)
			}
		})
	}
}

func TestFileThatComesIntoBeingIsReported(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	w, calls := newWatcher(path)
	write(t, path, "")
	w.poll()
	w.poll()
	if *calls != 1 {
		t.Errorf("reported %d changes, want 1", *calls)
	}
}

// Kubernetes mounts "file" as a link to "..data/file" and "..data" as a link
// to a directory, and updates all files at once by renaming a new "..data".
func TestSwappedKubernetesDirectoryIsReported(t *testing.T) {
	dir := t.TempDir()
	for version, text := range map[string]string{"..v1": "old", "..v2": "new"} {
		must(t, os.Mkdir(filepath.Join(dir, version), 0o700))
		write(t, filepath.Join(dir, version, "file"), text)
	}
	must(t, os.Symlink("..v1", filepath.Join(dir, "..data")))
	must(t, os.Symlink("..data/file", filepath.Join(dir, "file")))
	w, calls := newWatcher(filepath.Join(dir, "file"))

	must(t, os.Symlink("..v2", filepath.Join(dir, "..tmp")))
	must(t, os.Rename(filepath.Join(dir, "..tmp"), filepath.Join(dir, "..data")))
	w.poll()
	w.poll()
	if *calls != 1 {
		t.Errorf("reported %d changes, want 1", *calls)
	}
}

func TestFileIsNotReportedWhileItIsStillBeingWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	write(t, path, "old")
	w, calls := newWatcher(path)
	for text := ""; len(text) < 10; text += "x" {
		write(t, path, text)
		w.poll()
		if *calls != 0 {
			t.Fatalf("reported after %d bytes of 10", len(text))
		}
	}
	w.poll()
	if *calls != 1 {
		t.Errorf("reported %d changes once the file kept still, want 1", *calls)
	}
}

func TestOneOfSeveralFilesSuffices(t *testing.T) {
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
	write(t, one, "1")
	write(t, two, "2")
	w, calls := newWatcher(one, two)
	write(t, two, "22")
	w.poll()
	w.poll()
	if *calls != 1 {
		t.Errorf("reported %d changes, want 1", *calls)
	}
}

func TestContentIsComparedWhereStatTellsNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	write(t, path, "old")
	w, calls := newWatcher(path)
	write(t, path, "new")
	w.known = w.stat() // as if the change had left no trace
	w.last = w.known
	w.poll()
	w.poll()
	if *calls != 0 {
		t.Fatal("the change did leave a trace: the test is at fault")
	}
	w.pollContent()
	w.pollContent()
	if *calls != 1 {
		t.Errorf("reported %d changes, want 1", *calls)
	}
}

func TestContentIsLeftAloneWhileAChangeIsPending(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	write(t, path, "old")
	w, calls := newWatcher(path)
	write(t, path, "half")
	w.pollContent()
	if *calls != 0 {
		t.Error("reported a file that may still be being written")
	}
}

func TestStartReportsEveryChangeAfterItReturned(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	write(t, path, "")
	var calls atomic.Int32
	stop := start([]string{path}, func() { calls.Add(1) }, 2*time.Millisecond, time.Hour)
	defer stop()
	for n := int32(1); n <= 3; n++ {
		write(t, path, strings.Repeat("x", int(n)))
		testkit.Await(t, "the change is reported", func() bool { return calls.Load() >= n })
	}
}

// The kernel's uptime is a file whose content alone changes.
func TestStartComparesContent(t *testing.T) {
	var calls atomic.Int32
	stop := start([]string{"/proc/uptime"}, func() { calls.Add(1) }, time.Hour, 20*time.Millisecond)
	defer stop()
	testkit.Await(t, "the content is compared", func() bool { return calls.Load() > 0 })
}

func TestCallsNeverOverlap(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	write(t, path, "")
	var running, calls atomic.Int32
	stop := start([]string{path}, func() {
		if running.Add(1) > 1 {
			t.Error("two calls at once")
		}
		time.Sleep(10 * time.Millisecond)
		calls.Add(1)
		running.Add(-1)
	}, time.Millisecond, time.Millisecond)
	defer stop()
	testkit.Await(t, "there were three calls", func() bool {
		write(t, path, time.Now().String())
		time.Sleep(5 * time.Millisecond)
		return calls.Load() >= 3
	})
}

func TestStopWaitsForARunningCall(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	write(t, path, "")
	entered, leave := make(chan struct{}), make(chan struct{})
	var left atomic.Bool
	stop := start([]string{path}, func() {
		close(entered)
		<-leave
		left.Store(true)
	}, time.Millisecond, time.Hour)
	write(t, path, "new")
	<-entered
	time.AfterFunc(20*time.Millisecond, func() { close(leave) })
	stop()
	if !left.Load() {
		t.Error("stop returned while changed was running")
	}
}
