package ldap

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"testing"

	"gatehouse/internal/testkit"
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
	if strays := testkit.Strays(goroutines); strays != "" {
		fmt.Fprint(os.Stderr, strays)
		code = 1
	}
	// The runtime itself opens a few for the network and for child processes.
	if n := openDescriptors(); n > descriptors+8 && !testkit.Fuzzing() {
		fmt.Fprintf(os.Stderr, "%d descriptors before the tests, %d after\n", descriptors, n)
		code = 1
	}
	os.Exit(code)
}

func openDescriptors() int {
	entries, _ := os.ReadDir("/proc/self/fd")
	return len(entries)
}
