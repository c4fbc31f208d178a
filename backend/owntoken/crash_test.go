package owntoken

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// cutsVariable is set to how many processes are killed.
const cutsVariable = "GATEHOUSE_TEST_CUTS"

// crashingIn is set to the folder in which a process of this test writes until it is killed.
const crashingIn = "GATEHOUSE_CRASHING_IN"

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashingIn); dir != "" {
		writeForEver(filepath.Join(dir, "tokens.jsonl"))
	}
	os.Exit(m.Run())
}

// writeForEver makes and revokes tokens, and says of each when it counts.
func writeForEver(path string) {
	j, err := OpenJournal(path)
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	i := NewIssuer(j, Config{PerUser: 1 << 30, MaxTTL: time.Hour})
	for n := 0; ; n++ {
		made, secret, err := i.Create(context.Background(), Order{Kind: Personal, Name: fmt.Sprintf("t%d-%d", os.Getpid(), n), Owner: alice})
		if err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		fmt.Println("made", secret)
		if n%2 == 0 {
			fmt.Println("revoking", secret)
			if _, err := i.Revoke(context.Background(), "alice", made.ID); err != nil {
				fmt.Println("error", err)
				os.Exit(1)
			}
			fmt.Println("revoked", secret)
		}
	}
}

// A process that is killed while it writes loses no token that somebody has seen the secret
// of, and no revocation that somebody was told of.
func TestNothingIsLostWithAKilledProcess(t *testing.T) {
	cuts := 10
	if n, err := strconv.Atoi(os.Getenv(cutsVariable)); err == nil {
		cuts = n
	}
	dir := t.TempDir()
	state := map[string]string{} // what was said last of each secret
	for range cuts {
		for _, line := range linesUntilKilled(t, dir, 1+rand.IntN(60)) {
			what, secret, _ := strings.Cut(line, " ")
			if what == "error" {
				t.Fatal(line)
			}
			state[secret] = what
		}
	}
	j, i := open(t, filepath.Join(dir, "tokens.jsonl"))
	for secret, what := range state {
		found, err := i.Find(t.Context(), secret)
		if err != nil {
			t.Errorf("a secret that was shown: %v", err)
			continue
		}
		alive := found.At(time.Now()) == nil
		if what == "made" && !alive || what == "revoked" && alive {
			t.Errorf("a token that was %s: alive %v", what, alive)
		}
	}
	t.Logf("%d processes killed, %d tokens, %d in the file", cuts, len(state), len(j.tokens.byID))
}

// linesUntilKilled starts a process that writes, and kills it after it has said some lines.
func linesUntilKilled(t *testing.T, dir string, lines int) []string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashingIn+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said []string
	s := bufio.NewScanner(out)
	for s.Scan() {
		if said = append(said, s.Text()); len(said) == lines {
			cmd.Process.Kill()
		}
	}
	cmd.Wait()
	return said
}
