package token

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gatehouse/backend"
)

func issued(user string, at int64) Token {
	return Token{Issued: at, Identity: backend.Identity{User: user}}
}

func TestRevocations(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	r, err := OpenRevocations(path)
	if err != nil {
		t.Fatal(err)
	}
	if r.Covers(issued("alice", 1)) {
		t.Error("a token is revoked before anything was")
	}
	revoke := func(user string, at int64) {
		t.Helper()
		if err := r.Revoke(user, time.Unix(at, 0)); err != nil {
			t.Error(err)
		}
	}
	check := func(r *Revocations, want map[Token]bool) {
		t.Helper()
		for tok, revoked := range want {
			if got := r.Covers(tok); got != revoked {
				t.Errorf("token of %q of %d: revoked %v, want %v", tok.Identity.User, tok.Issued, got, revoked)
			}
		}
	}
	revoke("Alice", 100)
	revoke("alice", 90) // a clock that was set back takes nothing back
	want := map[Token]bool{
		issued("alice", 99): true, issued("alice", 100): true, issued("ALICE", 100): true, issued("alice", 101): false,
		issued("bob", 1): false, issued("", 1): false,
	}
	check(r, want)
	again, err := OpenRevocations(path)
	if err != nil {
		t.Fatal(err)
	}
	check(again, want)
	revoke("", 200)
	want = map[Token]bool{issued("alice", 200): true, issued("bob", 200): true, issued("", 200): true, issued("alice", 201): false}
	check(r, want)
	if again, err = OpenRevocations(path); err != nil {
		t.Fatal(err)
	}
	check(again, want)
	check(nil, map[Token]bool{issued("alice", 1): false})
}

// A revocation that cannot be kept counts all the same, and is told.
func TestRevocationsThatAreNotKept(t *testing.T) {
	for _, path := range []string{"", filepath.Join(t.TempDir(), "absent", "state")} {
		r, err := OpenRevocations(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Revoke("alice", time.Unix(100, 0)); !errors.Is(err, ErrNotKept) {
			t.Errorf("%q: %v", path, err)
		}
		if !r.Covers(issued("alice", 100)) {
			t.Errorf("%q: the token counts", path)
		}
	}
}

// A file that is not understood revokes nothing, so that it must not be passed over.
func TestRevocationsOfABrokenFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	for _, text := range []string{"", "{", `{"all":-1}`, `{"all":"1"}`, `{"users":{"Alice":1}}`, `{"users":{"":1}}`, `{"users":{"a":0}}`, `{"every":1}`, `{} {}`, "[]"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenRevocations(path); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
	if _, err := OpenRevocations(t.TempDir()); err == nil {
		t.Error("a folder is taken")
	}
}
