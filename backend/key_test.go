package backend

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
)

func TestDifferentLoginsHaveDifferentKeys(t *testing.T) {
	logins := []attempt{
		{0, "", ""},
		{0, "ab", "c"}, {0, "a", "bc"}, {0, "abc", ""}, {0, "", "abc"},
		{0, "a", "b"}, {0, "b", "a"}, {0, "a\x00", "b"}, {0, "a", "\x00b"},
		{0, "a:b", "c"}, {0, "a", "b:c"},
		{0, "\x00\x00\x00\x00\x00\x00\x00\x00", ""}, {0, "", "\x00\x00\x00\x00\x00\x00\x00\x00"},
		{0, "a", "\x00\x00\x00\x00\x00\x00\x00\x01b"}, {0, "a\x00\x00\x00\x00\x00\x00\x00\x01b", ""},
	}
	k := newKeyer()
	seen := make(map[key]attempt)
	for _, l := range logins {
		sum := k.login(l.user, l.password)
		if other, ok := seen[sum]; ok {
			t.Errorf("logins %+v and %+v have the same key", l, other)
		}
		if again := k.login(l.user, l.password); again != sum {
			t.Errorf("login %+v has two keys", l)
		}
		seen[sum] = l
	}
}

// The encoding can be read back, so that no two questions have the same.
func FuzzQuestionCanBeReadBack(f *testing.F) {
	f.Add(uint64(0), "", "")
	f.Add(uint64(1)<<56, "alice", "secret")
	f.Add(uint64(7), "a\x00\x00\x00\x00\x00\x00\x00\x01b", "\x00\xff:")
	f.Fuzz(func(t *testing.T, version uint64, user, password string) {
		b := []byte(flightKey(version, user, password))
		gotVersion, b := binary.BigEndian.Uint64(b), b[8:]
		gotUser, b := readPart(t, b)
		gotPassword, b := readPart(t, b)
		if gotVersion != version || gotUser != user || gotPassword != password || len(b) != 0 {
			t.Errorf("got (%d, %q, %q) and %d more bytes, want (%d, %q, %q)",
				gotVersion, gotUser, gotPassword, len(b), version, user, password)
		}
	})
}

func readPart(t *testing.T, b []byte) (part string, rest []byte) {
	t.Helper()
	n, b := binary.BigEndian.Uint64(b), b[8:]
	if n > uint64(len(b)) {
		t.Fatalf("part of %d bytes in %d", n, len(b))
	}
	return string(b[:n]), b[n:]
}

func TestKeysDependOnTheSecret(t *testing.T) {
	if one, other := newKeyer().login("alice", "secret"), newKeyer().login("alice", "secret"); one == other {
		t.Error("two keyers made the same key")
	}
}

// A core, a heap dump or a page in the swap outlives a request, as a keyer does.
func TestKeyerKeepsNoPassword(t *testing.T) {
	// Put together where it is needed, or the program's text would hold it.
	canary := func() string { return strings.Repeat("no", 8) + strings.Repeat("CANARY", 5) }
	m := newMAC([]byte("the secret of this test, which may be found"))
	m.login("alice", canary())

	dump := heapDump(t)
	if !bytes.Contains(dump, m.sum[:]) {
		t.Fatal("the heap dump does not show what is in memory")
	}
	end := canary()[len(canary())-10:]
	if bytes.Contains(dump, []byte(end)) {
		t.Errorf("%q of a password is in memory after its use", end)
	}
}

// heapDump returns all objects that are in use.
func heapDump(t *testing.T) []byte {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "heap"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	runtime.GC()
	debug.WriteHeapDump(f.Fd())
	dump, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return dump
}
