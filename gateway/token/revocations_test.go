package token

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gatehouse/backend"
	"gatehouse/internal/testkit"
)

func issued(user string, at int64) Token {
	return Token{Issued: at, Identity: backend.Identity{User: user}}
}

func openRevocations(t *testing.T, path string) *Revocations {
	t.Helper()
	r, err := OpenRevocations(path)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// revoke ends the tokens of a user, or those of everybody for an empty name.
func (r *Revocations) revokeAt(t *testing.T, user string, at int64) {
	t.Helper()
	end := func() error { return r.RevokeUser([]string{user, ""}, time.Unix(at, 0)) }
	if user == "" {
		end = func() error { return r.RevokeAll(time.Unix(at, 0)) }
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}

// checkCovered checks what r says of tokens, and what the file says after a restart.
func checkCovered(t *testing.T, r *Revocations, want map[Token]bool) {
	t.Helper()
	for _, r := range []*Revocations{r, openRevocations(t, r.path)} {
		for tok, revoked := range want {
			if got := r.Covers(tok); got != revoked {
				t.Errorf("token of %q of %d: revoked %v, want %v", tok.Identity.User, tok.Issued, got, revoked)
			}
		}
	}
}

func TestRevocations(t *testing.T) {
	r := openRevocations(t, filepath.Join(t.TempDir(), "state"))
	if r.Covers(issued("alice", 1)) {
		t.Error("a token is revoked before anything was")
	}
	r.revokeAt(t, "Alice", 100)
	checkCovered(t, r, map[Token]bool{
		issued("alice", 99): true, issued("alice", 100): true, issued("ALICE", 100): true, issued("alice", 101): false,
		issued("bob", 1): false, issued("", 1): false,
	})
	r.revokeAt(t, "", 200)
	checkCovered(t, r, map[Token]bool{issued("alice", 200): true, issued("bob", 200): true, issued("", 200): true, issued("alice", 201): false})
	if (*Revocations)(nil).Covers(issued("alice", 1)) {
		t.Error("a token is revoked where nothing can be")
	}
}

// A clock that was set back takes nothing back.
func TestRevocationsWithAClockThatGoesBackwards(t *testing.T) {
	r := openRevocations(t, filepath.Join(t.TempDir(), "state"))
	r.revokeAt(t, "alice", 100)
	r.revokeAt(t, "alice", 90)
	r.revokeAt(t, "", 80)
	r.revokeAt(t, "", 70)
	checkCovered(t, r, map[Token]bool{issued("alice", 100): true, issued("bob", 80): true, issued("bob", 81): false})
}

func TestRevocationsInAnySpelling(t *testing.T) {
	r := openRevocations(t, filepath.Join(t.TempDir(), "state"))
	for typed, name := range map[string]string{"ÉMILE": "émile", "Οδος": "οδοσ", "ΟΔΟΣ": "οδος", "CORP\\Bob": "corp\\bob", "<a&b>": "<A&b>"} {
		r.revokeAt(t, typed, 100)
		checkCovered(t, r, map[Token]bool{issued(name, 100): true, issued(name+"x", 100): false})
	}
}

// A revocation that cannot be kept counts all the same, and is told.
func TestRevocationsThatAreNotKept(t *testing.T) {
	dir := t.TempDir()
	damaged := filepath.Join(dir, "damaged")
	for name, path := range map[string]string{"no file": "", "no folder": filepath.Join(dir, "absent", "state"), "damaged meanwhile": damaged} {
		r := openRevocations(t, path)
		if path == damaged {
			writeState(t, damaged, "null\n")
		}
		if err := r.RevokeUser([]string{"alice"}, time.Unix(100, 0)); !errors.Is(err, ErrNotKept) {
			t.Errorf("%s: %v", name, err)
		}
		if !r.Covers(issued("alice", 100)) {
			t.Errorf("%s: the token counts", name)
		}
	}
	if text, err := os.ReadFile(damaged); err != nil || string(text) != "null\n" {
		t.Errorf("a damaged file was replaced by %q, %v", text, err)
	}
}

// What is written is read again: nothing is, that a start would not take.
func TestRevocationsThatAreTooManyAreNotKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	r := openRevocations(t, path)
	r.revokeAt(t, "alice", 100)
	var names []string
	for i := range maxState >> 10 {
		names = append(names, fmt.Sprint(strings.Repeat("x", 1<<10), i))
	}
	if err := r.RevokeUser(names, time.Unix(100, 0)); !errors.Is(err, ErrNotKept) || !strings.Contains(err.Error(), "--all") {
		t.Errorf("got %v", err)
	}
	if !openRevocations(t, path).Covers(issued("alice", 100)) {
		t.Error("what was kept before is gone")
	}
	r.revokeAt(t, "", 100)
	checkCovered(t, r, map[Token]bool{issued("bob", 100): true})
}

// Two processes with one file keep what both have been told.
func TestRevocationsOfTwoProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	both := []*Revocations{openRevocations(t, path), openRevocations(t, path)}
	want := map[Token]bool{}
	var done sync.WaitGroup
	for i := range 20 {
		user := fmt.Sprint("user-", i)
		want[issued(user, 100)] = true
		done.Go(func() { both[i%2].revokeAt(t, user, 100) })
	}
	done.Wait()
	checkCovered(t, openRevocations(t, path), want)
}

// No request waits for the disk, and the revocation counts before it is written.
func TestRevocationsCountBeforeTheyAreKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	r := openRevocations(t, path)
	busy, err := lockFolderOf(path)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	for _, user := range []string{"alice", "bob"} {
		go func() {
			r.revokeAt(t, user, 100)
			done <- struct{}{}
		}()
		testkit.Await(t, "it counts", func() bool { return r.Covers(issued(user, 100)) })
	}
	busy.Close()
	<-done
	<-done
	checkCovered(t, r, map[Token]bool{issued("alice", 100): true, issued("bob", 100): true})
}

// The file behind a link is replaced, and not the link: that may be all that lasts.
func TestRevocationsBehindALink(t *testing.T) {
	file, link := filepath.Join(t.TempDir(), "state"), filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	r := openRevocations(t, link)
	for i := range int64(2) { // the first makes what the link names
		r.revokeAt(t, "alice", 100+i)
		if !openRevocations(t, file).Covers(issued("alice", 100+i)) {
			t.Errorf("revocation %d is not in the file behind the link", i)
		}
	}
}

func writeState(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A file that is not understood revokes nothing, so that it must not be passed over.
func TestRevocationsOfABrokenFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state")
	writeState(t, path, `{"all":1,"users":{"alice":2}}`+"\n")
	openRevocations(t, path)
	for _, text := range []string{
		"", "\n", "{", "null\n", "null", "[]\n", "{}\n", "0\n", `"x"` + "\n", "{} {}\n",
		`{"all":-1}`, `{"all":"1"}`, `{"all":1e3}`, `{"all":null,"users":{"alice":2}}`, `{"ALL":1}`, `{"all":1,"all":0,"users":{"a":2}}`, `{"all":2,"all":1}`,
		`{"users":null}`, `{"users":{}}`, `{"users":{"Alice":1}}`, `{"users":{"":1}}`, `{"users":{"a":0}}`, `{"users":{"a":null}}`, `{"users":{"a":2,"a":1}}`, `{"all":2,"users":{"a":1}}`,
		`{"every":1}`, ` {"all":1}`, `{"all": 1}`, "\ufeff" + `{"all":1}`, `{"all":1}` + "\n", `{"all":99999999999999999999}`, "{\"users\":{\"\xff\":1}}",
	} {
		writeState(t, path, text+"\n")
		if _, err := OpenRevocations(path); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
	writeState(t, path, `{"all":1}`) // cut
	if _, err := OpenRevocations(path); err == nil {
		t.Error("a file that was cut is taken")
	}
}

func TestRevocationsOfWhatIsNoFileOfTheGateway(t *testing.T) {
	dir := t.TempDir()
	pipe, loop, open, huge := filepath.Join(dir, "pipe"), filepath.Join(dir, "loop"), filepath.Join(dir, "open"), filepath.Join(dir, "huge")
	writeState(t, open, `{"all":1}`+"\n")
	writeState(t, huge, "")
	if err := errors.Join(syscall.Mkfifo(pipe, 0o600), os.Symlink(loop, loop), os.Chmod(open, 0o622), os.Truncate(huge, 1<<40)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, pipe, loop, open, huge, "/dev/zero"} {
		if _, err := OpenRevocations(path); err == nil {
			t.Errorf("%s is taken", path)
		}
	}
}
