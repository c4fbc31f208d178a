package watch

import (
	"os"
	"path/filepath"
	"testing"
)

// What is too large to be looked at every time is not forgotten.
func TestSumOfALargeFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, maxSummed+1); err != nil {
		t.Fatal(err)
	}
	before := SumOf(path)
	if SumOf(path) != before {
		t.Error("one file has two sums")
	}
	if err := os.Truncate(path, maxSummed+2); err != nil {
		t.Fatal(err)
	}
	if SumOf(path) == before {
		t.Error("the sum is the same for another content")
	}
}
