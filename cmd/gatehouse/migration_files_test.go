package main

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"gatehouse/backend"
	"gatehouse/backend/htpasswd"
	"gatehouse/gateway/strict"
)

// fileTrial is a file that a row of the guide speaks of, and what becomes of it.
type fileTrial struct {
	text  string
	login string // NAME:PASSWORD, as typed
	want  string // "yes", "401" or "refused" for a password file, else the groups of alice
	warns bool
}

// Hashes of "password", and of "" and of a long password.
var (
	shaHash   = "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="
	md5Hash   = "$1$abcdefgh$G//4keteveJp0qb8z2DxG/"
	apr1Hash  = "$apr1$abcdefgh$FBwExRW4dCc8aL.OvjpIE1"
	goodHash  = "$5$abcdefgh$ZLdkj8mkc2XVSrPVjskDAgZPGjtj1VGVaa1aUkrMTU/"
	sha6Hash  = "$6$abcdefgh$yVfUwsw5T.JApa8POvClA1pQ5peiq97DUNyXCZN5IrF.BMSkiaLQ5kvpuEm/VQ1Tvh/KV2TcaWh8qinoW5dhA1"
	yesHash   = "$y$j75$abcdefgh$hycRI05iyPwUdPZDaw/SJaABdj2h8B1Bgxi1Z/4Xke0"
	emptyHash = "{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk="
)

// passwordRows has trials for each row of the table of password files, by the words
// that it begins with.
var passwordRows = map[string][]fileTrial{
	"bcrypt `$2y$": {
		{"alice:@BCRYPT@", "alice:password", "yes", false}, {"alice:" + apr1Hash, "alice:password", "yes", true},
		{"alice:" + shaHash, "alice:password", "yes", true}, {"alice:" + md5Hash, "alice:password", "yes", true},
		{"alice:" + goodHash, "alice:password", "yes", false}, {"alice:" + sha6Hash, "alice:password", "yes", false},
		{"alice:" + yesHash, "alice:password", "yes", false}, {"alice:" + goodHash, "alice:wrong", "401", false},
	},
	"`$argon2id$`": {{"alice:@ARGON2ID@\n", "alice:password", "yes", false}},
	"DES,": {
		{"alice:rqXexS6ZhobKA", "", "refused", false}, {"alice:$2x$05$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234", "", "refused", false},
		{"alice:$7$CU..../....abcdefgh$sWsarqbldvBJgryJJYHjYzc1J1T48nJOIdZfeQFpq2A", "", "refused", false},
	},
	"plain text": {{"alice:password", "", "refused", false}, {"alice:{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9hzYWx0", "", "refused", false}},
	"hash empty": {
		{"alice:\n", "alice:password", "401", false}, {"alice:*", "alice:password", "401", false}, {"alice:!" + goodHash, "alice:password", "401", false},
	},
	"empty password": {{"alice:" + emptyHash, "alice:", "401", true}},
	"password over 72 bytes": {
		{"alice:@LONG72@", "alice:" + strings.Repeat("p", 72), "yes", false}, {"alice:@LONG72@", "alice:" + strings.Repeat("p", 73), "401", false},
	},
	"more than one line":     {{"alice:" + goodHash + "\nalice:" + sha6Hash, "alice:password", "yes", true}},
	"fields behind the hash": {{"alice:" + goodHash + ":1001:100", "alice:password", "yes", false}},
	"blanks before the name": {
		{"  alice:" + goodHash, "alice:password", "yes", false}, {"alice:" + goodHash + " \t", "alice:password", "yes", false},
		{"alice:@ARGON2ID@", "", "refused", false}, {"alice:", "", "refused", false},
		{"alice:" + goodHash + "\r\nbob:" + goodHash + "\r\n", "alice:password", "yes", false},
	},
	"blank between colon and hash": {
		{"alice: " + goodHash, "", "refused", false}, {"alice:" + goodHash + " # of alice", "", "refused", false},
		{"al:ice:" + goodHash, "", "refused", false}, {"alice", "", "refused", false},
	},
	"name that no login can have": {
		{"jos\xe9:" + goodHash, "jos\xe9:password", "401", true}, {"al\tice:" + goodHash, "al\tice:password", "401", true},
		{"alice :" + goodHash, "alice :password", "401", true}, {"al  ice:" + goodHash, "al  ice:password", "401", true},
		{"ａlice:" + goodHash, "ａlice:password", "401", true}, {"jose\u0301:" + goodHash, "jose\u0301:password", "401", true},
	},
	"name typed with letters": {{"jos\u00e9:" + goodHash, "jose\u0301:password", "yes", false}},
	"empty name":              {{":" + goodHash, "", "refused", false}},
	"line that ends in":       {{"alice:\\\n" + goodHash, "", "refused", false}},
	"byte order mark":         {{"\ufeffalice:" + goodHash, "alice:password", "yes", false}},
	"`#` and empty lines":     {{"# users\n\nalice:" + goodHash, "alice:password", "yes", false}},
}

// groupRows does so for the table of group files.
var groupRows = map[string][]fileTrial{
	"`pusher: alice bob`": {
		{text: "pusher: alice bob", want: "pusher"}, {text: " pusher : alice\r\n", want: "pusher"}, {text: "pusher: bob \\\n alice", want: "pusher"},
	},
	"a group with several lines":   {{text: "pusher: bob\npusher: alice", want: "pusher"}},
	"names of groups in another":   {{text: "PUSHER: alice", want: "pusher"}, {text: "pusher: ALICE", want: "", warns: true}},
	"`\"two words\"` among":        {{text: "pusher: \"two words\" alice", want: "pusher", warns: true}},
	"commas, `#` behind":           {{text: "pusher: bob,alice", want: "", warns: true}, {text: "pusher: alice # bob", want: "pusher"}, {text: "devs: alice\npusher: devs", want: "devs"}},
	"line without a colon":         {{text: "pusher alice\ndevs: alice", want: "devs", warns: true}},
	"`pusher::alice`":              {{text: "pusher::alice", want: "pusher"}},
	"last line that ends in":       {{text: "pusher: bob\ndevs: alice\\", want: "", warns: true}},
	"only comments":                {{text: "# no groups\n", want: ""}, {text: "", want: "refused"}},
	"empty name of a group, quote": {{text: ": alice", want: "refused"}, {text: "pusher: \"alice", want: "refused"}},
	"byte order mark":              {{text: "\ufeffpusher: alice", want: "pusher"}},
}

func TestMigrationOfPasswordFiles(t *testing.T) {
	t.Parallel()
	for _, row := range guideRows(t, "in the password file") {
		for _, trial := range trialsOf(t, passwordRows, row[0]) {
			trial.text = filledIn(t, trial.text)
			b, warnings, err := openFiles(t, trial.text, nil)
			if got := passwordOutcome(t, b, err, trial.login); got != trial.want {
				t.Errorf("%s: %q as %q: got %s, want %s (%v)", row[0], trial.text, trial.login, got, trial.want, err)
			}
			if trial.want != "refused" && strings.Contains(warnings, "level=WARN") != trial.warns {
				t.Errorf("%s: %q: got the warnings %q", row[0], trial.text, warnings)
			}
		}
	}
}

func TestMigrationOfGroupFiles(t *testing.T) {
	t.Parallel()
	for _, row := range guideRows(t, "in the group file") {
		for _, trial := range trialsOf(t, groupRows, row[0]) {
			b, warnings, err := openFiles(t, "alice:"+goodHash+"\nbob:"+goodHash+"\n", &trial.text)
			got := "refused"
			if err == nil {
				groups, err := b.Groups(t.Context(), backend.Identity{User: "alice"})
				if err != nil {
					t.Fatal(err)
				}
				slices.Sort(groups)
				got = strings.Join(groups, " ")
			}
			if got != trial.want {
				t.Errorf("%s: %q: alice is in %q, want %q (%v)", row[0], trial.text, got, trial.want, err)
			}
			if strings.Contains(row[2], "warning") && trial.warns && !strings.Contains(warnings, "level=WARN") {
				t.Errorf("%s: %q: there is no warning", row[0], trial.text)
			}
		}
	}
}

// trialsOf returns the trials for a row, which has to have some.
func trialsOf(t *testing.T, rows map[string][]fileTrial, row string) []fileTrial {
	t.Helper()
	for begin, trials := range rows {
		if strings.HasPrefix(row, begin) {
			return trials
		}
	}
	t.Errorf("nothing proves the row %q", row)
	return nil
}

// filledIn returns text with hashes that are made anew in place of their names.
func filledIn(t *testing.T, text string) string {
	t.Helper()
	if !strings.Contains(text, "@") {
		return text
	}
	bcryptOf := func(password string) string {
		hash, err := bcryptHash(password, bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		return hash
	}
	return strings.NewReplacer("@BCRYPT@", bcryptOf("password"), "@LONG72@", bcryptOf(strings.Repeat("p", 72)), "@ARGON2ID@", argon2idHash("password")).Replace(text)
}

// openFiles opens a password file, with a group file unless groups is nil.
func openFiles(t *testing.T, users string, groups *string) (b *htpasswd.Backend, warnings string, err error) {
	t.Helper()
	dir := t.TempDir()
	var log strings.Builder
	c := htpasswd.Config{UsersFile: filepath.Join(dir, "users"), CheckName: strict.CheckUserName, Log: slog.New(slog.NewTextHandler(&log, nil))}
	err = os.WriteFile(c.UsersFile, []byte(users), 0o600)
	if groups != nil {
		c.GroupsFile = filepath.Join(dir, "groups")
		err = errors.Join(err, os.WriteFile(c.GroupsFile, []byte(*groups), 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
	if b, err = htpasswd.New(c); err == nil {
		t.Cleanup(func() { b.Close() })
	}
	return b, log.String(), err
}

// passwordOutcome logs in as a gateway does, which reads the name first.
func passwordOutcome(t *testing.T, b *htpasswd.Backend, err error, login string) string {
	t.Helper()
	if err != nil {
		return "refused"
	}
	typed, password, _ := strings.Cut(login, ":")
	name, err := strict.UserName(typed)
	if err == nil {
		_, err = b.Authenticate(t.Context(), name, password)
	}
	if err != nil {
		return "401"
	}
	return "yes"
}
