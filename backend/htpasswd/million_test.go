package htpasswd

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// millionUsers makes a file of a million users with bcrypt hashes.
func millionUsers(tb testing.TB) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "htpasswd")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		tb.Fatal(err)
	}
	w := bufio.NewWriter(f)
	for i := range 1_000_000 {
		fmt.Fprintf(w, "user%d:$2y$10$%053d\n", i, i)
	}
	if err := w.Flush(); err != nil {
		tb.Fatal(err)
	}
	if err := f.Close(); err != nil {
		tb.Fatal(err)
	}
	return path
}

func TestMillionUsersLoadInSeconds(t *testing.T) {
	path := millionUsers(t)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	start := time.Now()
	b, err := New(Config{UsersFile: path})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	took := time.Since(start)
	runtime.GC()
	runtime.ReadMemStats(&after)
	kept := (after.HeapAlloc - before.HeapAlloc) >> 20
	t.Logf("loaded in %v, keeps %d MiB", took, kept)
	// It takes less than one second on two cores that do nothing else.
	if took > 30*time.Second {
		t.Errorf("loading took %v", took)
	}
	if kept > 200 {
		t.Errorf("the users take %d MiB", kept)
	}
	if got := b.current.Load().users.hashes["user999999"]; !strings.HasSuffix(got, "0999999") {
		t.Errorf("the last user has hash %q", got)
	}
}

func BenchmarkLoadMillionUsers(b *testing.B) {
	path := millionUsers(b)
	for b.Loop() {
		backend, err := New(Config{UsersFile: path})
		if err != nil {
			b.Fatal(err)
		}
		backend.Close()
	}
}
