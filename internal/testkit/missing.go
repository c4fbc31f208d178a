package testkit

import (
	"os"
	"testing"
)

// requireAll names the environment variable that turns what a machine lacks from a
// skipped test into a failed one.
const requireAll = "GATEHOUSE_TEST_REQUIRE_ALL"

// Missing ends a test that needs what this machine lacks, and says what that is. The
// test is skipped, or fails where the environment says GATEHOUSE_TEST_REQUIRE_ALL.
func Missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv(requireAll) != "" {
		t.Fatal(what)
	}
	t.Skip(what)
}
