package htpasswd

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// one and two are hashes that parse.
const (
	one = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="
	two = "{SHA}ggnysRVry96fcuDSRWkuMhSNvhY="
)

func TestUsersFileIsReadAsByApache(t *testing.T) {
	long := strings.Repeat("n", 1<<20)
	tests := []struct {
		name, text string
		want       map[string]string
	}{
		{"plain", "alice:" + one + "\nbob:" + two + "\n", map[string]string{"alice": one, "bob": two}},
		{"comments and blank lines", "# c\n  # c\n\n \t\nalice:" + one + "\n#bob:" + two + "\n", map[string]string{"alice": one}},
		{"leading blanks", " \t lead:" + one + "\n", map[string]string{"lead": one}},
		{"blank after the name", "trail :" + one + "\n", map[string]string{"trail ": one}},
		{"blanks after the hash", "alice:" + one + " \t \nbob:" + two + "\t\n", map[string]string{"alice": one, "bob": two}},
		{"CRLF", "alice:" + one + "\r\n\r\nbob:" + two + "\r\n", map[string]string{"alice": one, "bob": two}},
		{"further fields", "alice:" + one + ":uid:gid\nbob:" + two + ":\n", map[string]string{"alice": one, "bob": two}},
		{"first of two lines", "alice:" + one + "\nalice:" + two + "\n", map[string]string{"alice": one}},
		{"names are case-sensitive", "alice:" + one + "\nALICE:" + two + "\n", map[string]string{"alice": one, "ALICE": two}},
		{"odd names", "a b\tc\\d\"e:" + one + "\n", map[string]string{"a b\tc\\d\"e": one}},
		{"domain", "CORP\\bob:" + one + "\n", map[string]string{"CORP\\bob": one}},
		{"UTF-8", "josé:" + one + "\n", map[string]string{"josé": one}},
		{"Latin-1", "jos\xe9:" + one + "\n", map[string]string{"jos\xe9": one}},
		{"byte order mark", "\ufeffalice:" + one + "\n", map[string]string{"alice": one}},
		{"byte order mark before a comment", "\ufeff# c\nalice:" + one + "\n", map[string]string{"alice": one}},
		{"no line feed at the end", "alice:" + one + "\nbob:" + two, map[string]string{"alice": one, "bob": two}},
		{"locked users", "a:\nb:*\nc:!" + one + "\nd:  \n", map[string]string{"a": "", "b": "*", "c": "!" + one, "d": ""}},
		{"long name", long + ":" + one + "\n", map[string]string{long: one}},
		{"long comment", "#" + long + "\nalice:" + one + "\n", map[string]string{"alice": one}},
	}
	for _, tt := range tests {
		u, err := parseUsers("users", tt.text, nil)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if diff := cmp.Diff(tt.want, u.hashes); diff != "" {
			t.Errorf("%s: want -, got +\n%s", tt.name, diff)
		}
	}
}

func TestUsersFileIsRefusedWhole(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"empty", "", "users: there is no user in it"},
		{"comments only", "# nobody\n\n", "users: there is no user in it"},
		{"no colon", "alice:" + one + "\nbob\n", "users:2: there is no colon"},
		{"empty name", ":" + one + "\n", "users:1: the name is empty"},
		{"empty name after blanks", "\n  :" + one + "\n", "users:2: the name is empty"},
		{"hash in the third field", "a:b:" + one + "\n", `users:1: user "a": not a hash`},
		{"blank before the hash", "alice: " + one + "\n", `users:1: user "alice": not a hash`},
		{"comment after the hash", "alice:" + one + " # admin\n", `users:1: user "alice"`},
		{"plain text", "alice:secret\n", `users:1: user "alice": not a hash`},
		{"NUL", "alice:" + one + "\x00\n", "users:1: there is a NUL"},
		{"NUL in a name", "al\x00ice:" + one + "\n", "users:1: there is a NUL"},
		{"continued line", "alice:\\\n" + one + "\n", "users:1: it ends in a backslash"},
		// Apache would take the second line for a part of the comment.
		{"continued comment", "# C:\\dir\\\nalice:" + one + "\n", "users:1: it ends in a backslash"},
		{"continued comment with CRLF", "# C:\\dir\\\r\nalice:" + one + "\r\n", "users:1: it ends in a backslash"},
		{"second byte order mark", "\ufeffalice:" + one + "\n\ufeffbob:x\n", "users:2: user"},
	}
	for _, tt := range tests {
		u, err := parseUsers("users", tt.text, nil)
		if err == nil {
			t.Errorf("%s: was read as %v", tt.name, u.hashes)
			continue
		}
		if !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error is %q, want %q in it", tt.name, err, tt.want)
		}
	}
}

func TestEveryBadLineIsListedWithoutItsHash(t *testing.T) {
	_, err := parseUsers("dir/users", strings.Join([]string{
		"alice:" + one,
		"bob:hunter2",
		"carol:rl0uE7QMb3oQ6",
		"hunter2",
		"$2y$31$CANARY:dave",
		"erin:$2x$10$CANARY",
		"frank:$2y$31$" + strings.Repeat("a", 53),
	}, "\n"), nil)
	if err == nil {
		t.Fatal("the file was read")
	}
	const advice = "; set a new one with gatehouse passwd"
	want := strings.Join([]string{
		`dir/users:2: user "bob": not a hash of a known kind` + advice,
		`dir/users:3: user "carol": DES crypt, which looks at 8 characters only, or a password in the clear` + advice,
		`dir/users:4: there is no colon in it; want NAME:HASH`,
		`dir/users:5: user (a hash where the name should be): not a hash of a known kind` + advice,
		`dir/users:6: user "erin": bcrypt $2x$ marks hashes of a faulty implementation` + advice,
		`dir/users:7: user "frank": bcrypt cost 31 is not within 4 and 15` + advice,
	}, "\n")
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("want -, got +\n%s", diff)
	}
}

func TestListOfBadLinesIsBounded(t *testing.T) {
	_, err := parseUsers("users", strings.Repeat("x\n", 100_000), nil)
	if err == nil || len(err.Error()) > 10_000 || !strings.HasSuffix(err.Error(), "and 99900 more") {
		t.Errorf("got %.100s…", err)
	}
}

// A file that somebody is still writing ends in the middle of a line.
func TestFileCutInsideItsLastLineIsRefused(t *testing.T) {
	text, err := os.ReadFile("testdata/hashes.htpasswd")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if line[0] == '#' {
			continue
		}
		if _, err := parseUsers("users", "first:"+one+"\n"+line, nil); err != nil {
			t.Fatalf("whole line %q: %v", line, err)
		}
		for n := 1; n < len(line)-1; n++ {
			if _, err := parseUsers("users", "first:"+one+"\n"+line[:n], nil); err == nil {
				t.Errorf("a file that ends in %q was read", line[:n])
			}
		}
	}
}

func TestUsersFileWarnings(t *testing.T) {
	u, err := parseUsers("users", strings.Join([]string{
		"a:" + one, "b:$apr1$Bo1Xhuxr$K9258dc9rx7Oq5JYikZEK0", "c:$1$NvAH03SQ$FkH3deLieh0pdooj1C2vN.",
		"d:!", "a:" + two, "c:*",
	}, "\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"3 passwords have a hash that is quick to guess from ({SHA}, $apr1$ or $1$); set them again with gatehouse passwd",
		`users with more than one line, of which the first counts: "a" in line 5, "c" in line 6`,
	}
	if diff := cmp.Diff(want, u.warnings); diff != "" {
		t.Errorf("want -, got +\n%s", diff)
	}
}

func FuzzParseUsers(f *testing.F) {
	for name, text := range hashes(f) {
		f.Add(name + ":" + text)
	}
	for _, text := range []string{
		"", "\ufeff", "#\\", "a:" + one + "\r\nb:" + two, "a:\nb:*\n", ":x", "a", "a:b:c", "  a :" + one + ":1:2 ", "a:!\x00",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := parseUsers("users", text, nil)
		if err != nil {
			return
		}
		for name, text := range u.hashes {
			if name == "" || strings.ContainsAny(name, ":\n\x00") {
				t.Errorf("there is a user %q", name)
			}
			if _, err := parseHash(text); err != nil {
				t.Errorf("user %q has a hash that is refused: %v", name, err)
			}
		}
		// What was understood means the same when it is written plainly.
		var plain strings.Builder
		for name, text := range u.hashes {
			fmt.Fprintf(&plain, "%s:%s:\n", name, text)
		}
		again, err := parseUsers("users", plain.String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(u.hashes, again.hashes); diff != "" {
			t.Errorf("first -, then +\n%s", diff)
		}
	})
}

// A name that no login can have is warned of with its line; the line stays.
func TestFILE1NamesThatNoLoginCanHaveAreWarnedOf(t *testing.T) {
	u, err := parseUsers("users", "ok:"+one+"\ntab\tuser:"+one+"\nbob:"+one+"\njos\xe9:"+one+"\n", func(name string) error {
		if name == "ok" || name == "bob" {
			return nil
		}
		return errors.New("why")
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := `users who can never log in, as no login can have the name: users:2: "tab\tuser" (why), users:4: "jos\xe9" (why)`; len(u.warnings) == 0 || u.warnings[len(u.warnings)-1] != want {
		t.Errorf("got %q, want %q", u.warnings, want)
	}
}
