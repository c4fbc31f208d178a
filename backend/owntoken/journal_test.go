package owntoken

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/backend"
)

var alice = Owner{Backend: "corp", User: "alice", Handle: "uid=alice,ou=people", Anchor: "entryUUID:1"}

func usual() Config {
	return Config{PerUser: 20, MaxTTL: 2160 * time.Hour, RobotMaxTTL: 8760 * time.Hour}
}

// open opens a Journal and an Issuer of its tokens.
func open(t testing.TB, path string) (*Journal, *Issuer) {
	t.Helper()
	j, err := OpenJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j, NewIssuer(j, usual())
}

func create(t testing.TB, i *Issuer, name string) (Token, string) {
	t.Helper()
	made, secret, err := i.Create(t.Context(), Order{Kind: Personal, Name: name, Owner: alice, By: "alice"})
	if err != nil {
		t.Fatal(err)
	}
	return made, secret
}

func TestTokensOutlastTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens.jsonl")
	j, i := open(t, path)
	made, secret := create(t, i, "ci")
	gone, goneSecret := create(t, i, "old")
	if n, err := i.Revoke(t.Context(), "alice", gone.ID); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	j.Note(made.ID, Use{At: time.Now()})
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(text), secret[prefixLen:]) {
		t.Errorf("the file has a secret: %v", err)
	}
	_, i = open(t, path)
	found, err := i.Find(t.Context(), secret)
	if err != nil || found.Name != "ci" || found.Owner != alice || !found.Expires.Equal(made.Expires) || found.Used.IsZero() {
		t.Errorf("found %+v, %v", found, err)
	}
	if found, err := i.Find(t.Context(), goneSecret); err != nil || !errors.Is(found.At(time.Now()), ErrRevoked) {
		t.Errorf("the revoked one: %+v, %v", found, err)
	}
	if _, err := i.Find(t.Context(), newSecret(Personal)); !errors.Is(err, ErrNone) || !backend.Refused(err) {
		t.Errorf("one that nobody has made: %v", err)
	}
}

// A crash while a line is written leaves a part of it. Nothing that was there before is lost
// by that, and nobody was told of what is.
func TestJournalCutAtEveryByteOfItsLastLine(t *testing.T) {
	for _, last := range []string{"create", "revoke", "rotate"} {
		path := filepath.Join(t.TempDir(), "tokens.jsonl")
		j, i := open(t, path)
		first, firstSecret := create(t, i, "first")
		before := size(t, path)
		var secret string
		switch last {
		case "create":
			_, secret = create(t, i, "second")
		case "revoke":
			if _, err := i.Revoke(t.Context(), "alice", first.ID); err != nil {
				t.Fatal(err)
			}
		case "rotate":
			var err error
			if _, secret, err = i.Rotate(t.Context(), first.ID, 0, "alice", ""); err != nil {
				t.Fatal(err)
			}
		}
		j.Close()
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for cut := before; cut <= int64(len(text)); cut++ {
			whole := cut >= int64(len(text))-1 // the end of the line may be missing
			checkCut(t, text[:cut], fmt.Sprintf("%s, cut at %d of %d", last, cut, len(text)), func(i *Issuer) {
				found, err := i.Find(t.Context(), firstSecret)
				if err == nil {
					err = found.At(time.Now())
				}
				if alive := err == nil; alive == (whole && last != "create") {
					t.Errorf("%s, cut at %d of %d: the first token: %v", last, cut, len(text), err)
				}
				if _, err := i.Find(t.Context(), secret); (err == nil) != (whole && secret != "") {
					t.Errorf("%s, cut at %d of %d: the second token: %v", last, cut, len(text), err)
				}
			})
		}
	}
}

// checkCut opens a file with that text, has check look at it, and writes on.
func checkCut(t *testing.T, text []byte, what string, check func(*Issuer)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tokens.jsonl")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	j, i := open(t, path)
	check(i)
	_, secret := create(t, i, "after")
	j.Close()
	j, i = open(t, path)
	defer j.Close()
	if _, err := i.Find(t.Context(), secret); err != nil {
		t.Errorf("%s: what was written after that: %v", what, err)
	}
}

func size(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// A line that was changed could hide a revocation, so that nothing starts with one.
func TestJournalWithAMalformedLineIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens.jsonl")
	j, i := open(t, path)
	made, _ := create(t, i, "ci")
	if _, err := i.Revoke(t.Context(), "alice", made.ID); err != nil {
		t.Fatal(err)
	}
	j.Close()
	text, _ := os.ReadFile(path)
	lines := strings.SplitAfter(string(text), "\n")
	for what, changed := range map[string]string{
		"no JSON":             "x\n" + string(text),
		"null":                "null\n" + string(text),
		"an empty line":       "\n" + string(text),
		"an array":            "[]\n" + string(text),
		"an empty object":     "{}\n" + string(text),
		"an unknown key":      `{"at":"2026-01-01T00:00:00Z","more":1}` + "\n" + string(text),
		"a line twice":        lines[0] + lines[0] + lines[1],
		"two values in one":   strings.TrimSuffix(lines[0], "\n") + lines[1],
		"the first one gone":  lines[1],
		"a cut in the middle": lines[0][:40] + "\n" + lines[1],
		"a NUL":               lines[0] + "\x00\n" + lines[1],
		"a hash cut":          strings.Replace(string(text), `"hash":"`, `"hash":"0`, 1),
		"no end":              strings.Replace(string(text), `"expires"`, `"used"`, 1),
	} {
		if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
		j, err := OpenJournal(path)
		if err == nil {
			j.Close()
			t.Errorf("%s: opened", what)
			continue
		}
		if !strings.HasPrefix(err.Error(), path+":") {
			t.Errorf("%s: the error does not say where: %v", what, err)
		}
		if after, _ := os.ReadFile(path); string(after) != changed {
			t.Errorf("%s: the file was changed", what)
		}
	}
}

func TestJournalIsForOneProcessAndOneUser(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens.jsonl")
	j, _ := open(t, path)
	if _, err := OpenJournal(path); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("is in use by process %d", os.Getpid())) {
		t.Errorf("a second one: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	j.Close()
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o620, 0o602} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if j, err := OpenJournal(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
			j.Close()
			t.Errorf("mode %o: %v", mode, err)
		}
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for _, other := range []string{link, t.TempDir(), filepath.Join(t.TempDir(), "none", "tokens.jsonl")} {
		if j, err := OpenJournal(other); err == nil {
			j.Close()
			t.Errorf("%s was opened", other)
		}
	}
}

// A full disk shows nobody a secret that is not kept. What is to be revoked is revoked
// until the process ends, and whoever revokes it is told.
func TestFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens.jsonl")
	j, i := open(t, path)
	made, secret := create(t, i, "ci")
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	whole := j.file
	j.file = full
	if _, secret, err := i.Create(t.Context(), Order{Kind: Personal, Name: "second", Owner: alice}); err == nil || secret != "" || !errors.Is(err, backend.ErrUnavailable) {
		t.Errorf("made %q, %v", secret, err)
	}
	if _, err := i.Revoke(t.Context(), "alice", made.ID); err == nil {
		t.Error("the revocation is said to be kept")
	}
	if found, _ := i.Find(t.Context(), secret); !errors.Is(found.At(time.Now()), ErrRevoked) {
		t.Error("the revoked token is alive")
	}
	j.file = whole
	if _, _, err := i.Create(t.Context(), Order{Kind: Personal, Name: "third", Owner: alice}); err == nil {
		t.Error("it goes on after a write that could not be taken back")
	}
}

// What has ended long ago, and what was written again and again, does not stay for ever.
func TestJournalIsCompactedAtTheStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens.jsonl")
	j, i := open(t, path)
	_, keptSecret := create(t, i, "kept")
	i.now = func() time.Time { return time.Now().Add(-200 * 24 * time.Hour) }
	i.config.PerUser = 1000
	for n := range 700 {
		made, _, err := i.Create(t.Context(), Order{Kind: Robot, Name: fmt.Sprint("r", n), Owner: alice, TTL: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := i.Revoke(t.Context(), "alice", made.ID); err != nil {
			t.Fatal(err)
		}
	}
	j.Close()
	before := size(t, path)
	_, i = open(t, path)
	if after := size(t, path); after*100 > before {
		t.Errorf("%d bytes of %d are left", after, before)
	}
	if _, err := i.Find(t.Context(), keptSecret); err != nil {
		t.Error(err)
	}
	create(t, i, "after")
}

// A program that runs for long does not keep what has ended long ago.
func TestFileIsTidiedWhileItIsInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens.jsonl")
	j, i := open(t, path)
	kept, secret, err := i.Create(t.Context(), Order{Kind: Personal, Name: "kept", Owner: alice})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 501 {
		made, _, err := i.Create(t.Context(), Order{Kind: Identity, Name: fmt.Sprint("login-", n), Owner: Owner{Backend: "corp", User: fmt.Sprint("u", n), Anchor: "entryUUID:x"}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := i.Revoke(t.Context(), "test", made.ID); err != nil {
			t.Fatal(err)
		}
	}
	j.now = func() time.Time { return time.Now().Add(31 * 24 * time.Hour) }
	if err := j.Tidy(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil || bytes.Count(text, []byte("\n")) != 1 {
		t.Fatalf("%d lines are left, %v", bytes.Count(text, []byte("\n")), err)
	}
	if _, err := i.Revoke(t.Context(), "test", kept.ID); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	_, i = open(t, path)
	if found, err := i.Find(t.Context(), secret); err != nil || found.Revoked.IsZero() {
		t.Errorf("what was written after that: %+v, %v", found, err)
	}
}

// Somebody who logs in for ever takes no more room than somebody who does so often, in memory
// and, after a start, in the file. Tokens of other kinds are kept as long as ever.
func TestLoginsWithoutEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens.jsonl")
	j, i := open(t, path)
	made, _ := create(t, i, "mine")
	if _, err := i.Revoke(t.Context(), "alice", made.ID); err != nil {
		t.Fatal(err)
	}
	var secrets []string
	for n := range 3 * maxRevokedLogins {
		_, secret, err := i.Create(t.Context(), Order{Kind: Identity, Name: fmt.Sprint("login-", n), Owner: alice})
		if err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, secret)
	}
	check := func(name string, j *Journal, i *Issuer) {
		t.Helper()
		if got, want := len(j.tokens.byID), 1+usual().PerUser+maxRevokedLogins; got != want || len(j.tokens.byHash) != want || len(j.tokens.byOwner[alice.key()]) != want {
			t.Errorf("%s: %d tokens, want %d", name, got, want)
		}
		for n, secret := range secrets {
			found, err := i.Find(t.Context(), secret)
			switch {
			case n >= len(secrets)-usual().PerUser && (err != nil || found.At(time.Now()) != nil):
				t.Errorf("%s: login %d has ended: %v", name, n, err)
			case n < len(secrets)-usual().PerUser && err == nil && found.At(time.Now()) == nil:
				t.Errorf("%s: login %d has not ended", name, n)
			}
		}
		if _, err := i.store.ByID(t.Context(), made.ID); err != nil {
			t.Errorf("%s: the token of a person: %v", name, err)
		}
	}
	check("at once", j, i)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j, i = open(t, path)
	check("after a start", j, i)
	if err := j.compact(); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j, i = open(t, path)
	check("after the file was replaced", j, i)
}
