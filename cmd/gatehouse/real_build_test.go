package main_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// built is the program, built when the first test asks for it.
var built struct {
	once sync.Once
	dir  string
	err  error
}

// waiters is how many of the tests that say t.Parallel run at once: most of them wait
// for a program. They run after the others, so nothing is measured beside them.
const waiters = "4"

func TestMain(m *testing.M) {
	attackIfAsked()
	flag.Set("test.parallel", waiters)
	code := m.Run()
	os.RemoveAll(built.dir)
	os.Exit(code)
}

// binary returns the path of the program.
func binary(t *testing.T) string {
	t.Helper()
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "gatehouse"); built.err != nil {
			return
		}
		output, err := exec.Command("go", "build", raceFlag, "-o", built.dir, ".").CombinedOutput()
		if err != nil {
			built.err = fmt.Errorf("go build: %w\n%s", err, output)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return filepath.Join(built.dir, "gatehouse")
}
