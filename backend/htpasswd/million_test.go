package htpasswd

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// usersVariable is the number of users that TestMillionUsersLoadInSeconds loads, where
// the part of them that an ordinary run takes is not enough. With it, time counts:
//
//	GATEHOUSE_TEST_USERS=1000000 go test ./backend/htpasswd -v -run TestMillionUsers
const usersVariable = "GATEHOUSE_TEST_USERS"

// manyUsers makes a file of n users with bcrypt hashes.
func manyUsers(tb testing.TB, n int) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "htpasswd")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		tb.Fatal(err)
	}
	w := bufio.NewWriter(f)
	for i := range n {
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
	n, full := 200_000, os.Getenv(usersVariable)
	if full != "" {
		var err error
		if n, err = strconv.Atoi(full); err != nil {
			t.Fatalf("%s: %v", usersVariable, err)
		}
	}
	path := manyUsers(t, n)
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
	kept := int(after.HeapAlloc-before.HeapAlloc) / n
	t.Logf("%d users loaded in %v; each keeps %d bytes", n, took, kept)
	// A million take less than one second on two cores that do nothing else.
	if full != "" && took > 30*time.Second {
		t.Errorf("loading took %v", took)
	}
	if kept > 210 { // 200 MiB for a million
		t.Errorf("each user takes %d bytes", kept)
	}
	if got := b.current.Load().users.hashes[fmt.Sprint("user", n-1)]; !strings.HasSuffix(got, fmt.Sprintf("0%d", n-1)) {
		t.Errorf("the last user has hash %q", got)
	}
}

func BenchmarkLoadMillionUsers(b *testing.B) {
	path := manyUsers(b, 1_000_000)
	for b.Loop() {
		backend, err := New(Config{UsersFile: path})
		if err != nil {
			b.Fatal(err)
		}
		backend.Close()
	}
}
