package ldap

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"testing"
	"time"
)

// waiters is how many of the tests that say t.Parallel run at once. They wait for
// deadlines of theirs or of a server and take no processor meanwhile, so there may be
// more than there are processors.
const waiters = "8"

// TestMain fails if a goroutine or a descriptor outlives the tests.
func TestMain(m *testing.M) {
	flag.Set("test.parallel", waiters)
	goroutines, descriptors := runtime.NumGoroutine(), openDescriptors()
	code := m.Run()
	if fuzzing := flag.Lookup("test.fuzz"); fuzzing.Value.String() != "" {
		os.Exit(code) // the fuzzer leaves a goroutine of its own
	}
	deadline := time.Now().Add(10 * time.Second)
	for runtime.NumGoroutine() > goroutines && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > goroutines {
		fmt.Fprintf(os.Stderr, "%d goroutines before the tests, %d after\n", goroutines, n)
		pprof.Lookup("goroutine").WriteTo(os.Stderr, 1)
		code = 1
	}
	// The runtime itself opens a few for the network and for child processes.
	if n := openDescriptors(); n > descriptors+8 {
		fmt.Fprintf(os.Stderr, "%d descriptors before the tests, %d after\n", descriptors, n)
		code = 1
	}
	os.Exit(code)
}

func openDescriptors() int {
	entries, _ := os.ReadDir("/proc/self/fd")
	return len(entries)
}
