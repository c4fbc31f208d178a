// Package testkit holds what the tests of several packages need. It imports nothing of
// this module, and nothing but tests imports it.
package testkit

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"runtime/pprof"
	"sync"
	"testing"
	"time"
)

// Buffer is a [bytes.Buffer] that may be written and read at once.
type Buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements [io.Writer].
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// String returns what has been written so far.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// NewLog returns a log that writes all to w, as text.
func NewLog(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// Patience is how long a test waits for what must happen. It is no measure of speed.
const Patience = time.Minute

// Await waits until ok holds, and returns how long that took. It fails the test if ok does
// not come to hold. What says in words what is waited for.
func Await(t testing.TB, what string, ok func() bool) time.Duration {
	t.Helper()
	begin := time.Now()
	for pause := 2 * time.Millisecond; !ok(); pause = min(2*pause, 20*time.Millisecond) {
		if time.Since(begin) > Patience {
			t.Fatalf("waited in vain until %s", what)
		}
		time.Sleep(pause)
	}
	return time.Since(begin)
}

// Pair returns both ends of a TCP connection, which is closed when the test ends.
func Pair(t testing.TB) (client, server net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

// Fuzzing reports whether the tests run as a fuzzer.
func Fuzzing() bool { return flag.Lookup("test.fuzz").Value.String() != "" }

// Strays waits for the goroutines that tests have begun to end. It returns the stacks of
// all if more of them run than before, and nothing if not, or in a fuzzer, which leaves a
// goroutine of its own.
func Strays(before int) string {
	if Fuzzing() {
		return ""
	}
	for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	n := runtime.NumGoroutine()
	if n <= before {
		return ""
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%d goroutines before the tests, %d after\n", before, n)
	pprof.Lookup("goroutine").WriteTo(&b, 1)
	return b.String()
}
