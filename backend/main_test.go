package backend_test

import (
	"fmt"
	"os"
	"runtime"
	"testing"

	"gatehouse/internal/testkit"
)

// TestMain fails if a goroutine outlives the tests.
func TestMain(m *testing.M) {
	before := runtime.NumGoroutine()
	code := m.Run()
	if strays := testkit.Strays(before); strays != "" {
		fmt.Fprint(os.Stderr, strays)
		code = 1
	}
	os.Exit(code)
}
