package htpasswd

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/go-crypt/x/crypt"

	"gatehouse/backend"
	"gatehouse/internal/testkit"
)

// password is that of every hash in testdata/hashes.htpasswd, which htpasswd,
// openssl, libxcrypt and argon2 made.
const password = "Correct-Horse7"

// hashes returns the lines of that file: name and hash.
func hashes(t testing.TB) map[string]string {
	t.Helper()
	text, err := os.ReadFile("testdata/hashes.htpasswd")
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		if name, hash, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			all[name] = hash
		}
	}
	return all
}

func parsed(t testing.TB, text string) hash {
	t.Helper()
	h, err := parseHash(text)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestHashMatchesItsPasswordAndNoOther(t *testing.T) {
	for name, text := range hashes(t) {
		t.Run(name, func(t *testing.T) {
			h := parsed(t, text)
			if !h.matches(password) {
				t.Errorf("does not match its password")
			}
			wrongs := []string{
				password + "x", password[:8], strings.ToLower(password), "", text,
				password[1:], password + "\x00", strings.Repeat("long ", 200),
			}
			if h.cost(10) > 400 {
				wrongs = wrongs[:3]
			}
			for _, wrong := range wrongs {
				if h.matches(wrong) {
					t.Errorf("matches %q", wrong)
				}
			}
		})
	}
}

func TestHashesOfLegacyKindsAreMarked(t *testing.T) {
	legacy := map[string]bool{"apr1": true, "md5crypt": true, "sha1": true}
	for name, text := range hashes(t) {
		if got := parsed(t, text).legacy(); got != legacy[name] {
			t.Errorf("%s: legacy is %v", name, got)
		}
	}
}

func TestHashIsRefused(t *testing.T) {
	var (
		salt16 = "abcdefghijklmnop"
		key22  = strings.Repeat("a", 22)
		key43  = strings.Repeat("a", 43)
		key86  = strings.Repeat("a", 86)
		body53 = strings.Repeat("a", 53)
		tag    = strings.Repeat("A", 43)
		argon  = func(parameters string) string { return "$argon2id$" + parameters + "$c2FsdHNhbHQ$" + tag }
	)
	tests := map[string]string{
		"plain text":                      "secret",
		"the mark of a shadow file":       "x",
		"two stars":                       "**",
		"locked shadow entry":             "*LK*",
		"leading blank":                   " $2y$10$" + body53,
		"DES crypt":                       "rl0uE7QMb3oQ6",
		"BSDi crypt":                      "_J9..CCCCXBrApJsEtiA",
		"hexadecimal MD5":                 "5ebe2294ecd0e0f08eab7690d2a6ee69",
		"{SSHA}":                          "{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9iawJpz",
		"{sha} in lower case":             "{sha}5en6G6MezRroT3XKqkdPOmY/BfQ=",
		"{SHA} cut off":                   "{SHA}5en6G6MezRroT3XKqkdPOmY/Bf",
		"{SHA} with stray bits":           "{SHA}5en6G6MezRroT3XKqkdPOmY/BfR=",
		"{SHA} of 21 bytes":               "{SHA}" + strings.Repeat("A", 28),
		"{SHA} with a line feed inside":   "{SHA}5en6G6MezRroT3\nXKqkdPOmY/BfQ=",
		"bcrypt of the faulty version":    "$2x$10$" + body53,
		"bcrypt of unknown version":       "$2z$10$" + body53,
		"bcrypt cut off":                  "$2y$10$" + body53[1:],
		"bcrypt with more after it":       "$2y$10$" + body53 + "a",
		"bcrypt with a comment":           "$2y$10$" + body53 + " # comment",
		"bcrypt with a foreign character": "$2y$10$" + body53[1:] + "=",
		"bcrypt cost too low":             "$2y$03$" + body53,
		"bcrypt cost too high":            "$2y$16$" + body53,
		"bcrypt cost of days":             "$2y$31$" + body53,
		"bcrypt cost with a sign":         "$2y$+9$" + body53,
		"bcrypt without a cost":           "$2y$" + body53 + "aaa",
		"apr1 cut off":                    "$apr1$abcdefgh$" + key22[1:],
		"apr1 with more after it":         "$apr1$abcdefgh$" + key22 + "a",
		"apr1 without salt":               "$apr1$$" + key22,
		"apr1 with a long salt":           "$apr1$abcdefghi$" + key22,
		"apr1 without key":                "$apr1$abcdefgh",
		"MD5 crypt with more after it":    "$1$abcdefgh$" + key22 + "$",
		"Sun MD5 crypt":                   "$md5,rounds=5000$abcdefgh$$" + key22,
		"SHA-256 crypt cut off":           "$5$" + salt16 + "$" + key43[1:],
		"SHA-256 crypt with a long salt":  "$5$" + salt16 + "q$" + key43,
		"SHA-512 crypt cut off":           "$6$" + salt16 + "$" + key86[1:],
		"SHA-512 crypt of SHA-256 length": "$6$" + salt16 + "$" + key43,
		"SHA-512 crypt, too few rounds":   "$6$rounds=999$" + salt16 + "$" + key86,
		"SHA-512 crypt, too many rounds":  "$6$rounds=1000001$" + salt16 + "$" + key86,
		"SHA-512 crypt, rounds of days":   "$6$rounds=999999999$" + salt16 + "$" + key86,
		"SHA-512 crypt, rounds overflow":  "$6$rounds=99999999999999999999$" + salt16 + "$" + key86,
		"SHA-512 crypt, rounds negative":  "$6$rounds=-5000$" + salt16 + "$" + key86,
		"SHA-512 crypt, rounds with zero": "$6$rounds=05000$" + salt16 + "$" + key86,
		"SHA-512 crypt, rounds missing":   "$6$rounds=$" + salt16 + "$" + key86,
		"SHA-1 crypt":                     "$sha1$20000$abcdefgh$" + key22,
		"NT hash":                         "$3$$8846f7eaee8fb117ad06bdd830b7586c",
		"scrypt":                          "$7$CU..../....abcdefgh$" + key43,
		"gost-yescrypt":                   "$gy$j9T$abcdefgh$" + key43,
		"yescrypt cut off":                "$y$j9T$abcdefgh$" + key43[1:],
		"yescrypt with more after it":     "$y$j9T$abcdefgh$" + key43 + "a",
		"yescrypt without salt":           "$y$j9T$$" + key43,
		"yescrypt with a bad salt":        "$y$j9T$abcd=fgh$" + key43,
		"yescrypt of 128 MiB":             "$y$jCT$abcdefgh$" + key43,
		"yescrypt of a gigabyte":          "$y$jFT$abcdefgh$" + key43,
		"yescrypt of next to nothing":     "$y$j7.$abcdefgh$" + key43,
		"yescrypt of another flavour":     "$y$k9T$abcdefgh$" + key43,
		"yescrypt with a time parameter":  "$y$j9T.$abcdefgh$" + key43,
		"argon2i":                         strings.Replace(argon("v=19$m=19456,t=2,p=1"), "2id", "2i", 1),
		"argon2id of the first version":   argon("v=16$m=19456,t=2,p=1"),
		"argon2id without version":        argon("m=19456,t=2,p=1"),
		"argon2id without passes":         argon("v=19$m=19456,p=1"),
		"argon2id, no passes":             argon("v=19$m=19456,t=0,p=1"),
		"argon2id, no lanes":              argon("v=19$m=19456,t=2,p=0"),
		"argon2id in another order":       argon("v=19$t=2,m=19456,p=1"),
		"argon2id with one more":          argon("v=19$m=19456,t=2,p=1,q=1"),
		"argon2id with a sign":            argon("v=19$m=+19456,t=2,p=1"),
		"argon2id with a zero":            argon("v=19$m=019456,t=2,p=1"),
		"argon2id of 2 GiB":               argon("v=19$m=2097152,t=1,p=4"),
		"argon2id of many passes":         argon("v=19$m=131072,t=9,p=4"),
		"argon2id of very many passes":    argon("v=19$m=8,t=4294967295,p=1"),
		"argon2id of many lanes":          argon("v=19$m=19456,t=1,p=17"),
		"argon2id, lanes past a byte":     argon("v=19$m=19456,t=1,p=257"),
		"argon2id, memory below lanes":    argon("v=19$m=31,t=1,p=4"),
		"argon2id with a short salt":      "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$" + tag,
		"argon2id with a short key":       "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$AAAA",
		"argon2id with a long key":        "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$" + strings.Repeat("AAAA", 22),
		"argon2id with stray bits":        "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$" + tag[1:] + "B",
		"argon2id with padding":           "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$" + tag + "=",
		"argon2id with more after it":     argon("v=19$m=19456,t=2,p=1") + "$",
	}
	for name, text := range tests {
		h, err := parseHash(text)
		if err == nil {
			t.Errorf("%s: %q was taken for %#v", name, text, h)
			continue
		}
		if len(text) > 6 && strings.Contains(err.Error(), text) {
			t.Errorf("%s: the error quotes the hash: %v", name, err)
		}
	}
}

func TestUserWithoutPasswordIsLocked(t *testing.T) {
	for _, text := range []string{"", "*", "!", "!!", "!*", "!$2y$10$" + strings.Repeat("a", 53)} {
		h := parsed(t, text)
		if !isLocked(h) {
			t.Errorf("%q was taken for %#v", text, h)
		}
		for _, password := range []string{"", "*", "!", text} {
			if h.matches(password) {
				t.Errorf("%q matches %q", text, password)
			}
		}
	}
}

// A 72-byte password and the same with more after it have one bcrypt hash.
func TestBcryptRefusesPasswordItCannotSeeTheEndOf(t *testing.T) {
	password := strings.Repeat("123456789 ", 8)
	// htpasswd -nbB -C 4 user with the first 72 bytes
	h := parsed(t, "$2y$04$WbfAMSsDJtq6tyiSkD7G9OWehU7mFEV.tBdHqdQo6Aivye0FmBU4.")
	for n, want := range map[int]bool{71: false, 72: true, 73: false, 80: false} {
		if got := h.matches(password[:n]); got != want {
			t.Errorf("%d bytes: got %v, want %v", n, got, want)
		}
	}
}

func TestMD5CryptAgreesWithAnotherImplementation(t *testing.T) {
	for n := 1; n < 70; n++ {
		password := strings.Repeat("pässword", 9)[:n]
		salt := "saltsalt"[:n%8+1]
		got := md5CryptKey("$1$", salt, password)
		want := string(crypt.KeyMD5Crypt([]byte(password), []byte(salt)))
		if got != want {
			t.Errorf("%d bytes: got %s, want %s", n, got, want)
		}
	}
}

// tool finds a program that makes hashes.
func tool(t *testing.T, name, packet string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		testkit.Missing(t, "this test needs "+name+": apt-get install "+packet)
	}
	return path
}

func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		t.Fatalf("%s %v: %v", name, args, err)
	}
	return strings.TrimSpace(string(out))
}

// oddPasswords are of lengths around the block sizes of the algorithms.
func oddPasswords() []string {
	passwords := []string{"a", "pass word", "pässwörd", "a:b:c", `"\$`, " edge "}
	for _, n := range []int{15, 16, 17, 31, 32, 33, 63, 64, 65, 72} {
		passwords = append(passwords, strings.Repeat("x", n))
	}
	return passwords
}

func TestHashesMadeByHtpasswd(t *testing.T) {
	htpasswd := tool(t, "htpasswd", "apache2-utils")
	for _, flags := range []string{"-nbm", "-nbs", "-nb2", "-nb5", "-nbB"} {
		for _, password := range oddPasswords() {
			line := output(t, htpasswd, flags, "user", password)
			_, text, _ := strings.Cut(line, ":")
			if h := parsed(t, text); !h.matches(password) || h.matches(password+"!") {
				t.Errorf("htpasswd %s: %q and %s do not agree", flags, password, text)
			}
		}
	}
}

func TestHashesMadeByOpenSSL(t *testing.T) {
	openssl := tool(t, "openssl", "openssl")
	for _, kind := range []string{"-1", "-apr1", "-5", "-6"} {
		for _, password := range oddPasswords() {
			text := output(t, openssl, "passwd", kind, password)
			if h := parsed(t, text); !h.matches(password) || h.matches(password+"!") {
				t.Errorf("openssl passwd %s: %q and %s do not agree", kind, password, text)
			}
		}
	}
}

func FuzzParseHash(f *testing.F) {
	for _, text := range hashes(f) {
		f.Add(text)
		f.Add(text[:len(text)/2])
	}
	f.Add("!")
	f.Add("$6$rounds=1000$a$")
	f.Add("$argon2id$v=19$m=1,t=1,p=1,$$")
	f.Fuzz(func(t *testing.T, text string) {
		h, err := parseHash(text)
		if err != nil {
			if len(text) > 12 && strings.Contains(err.Error(), text) {
				t.Errorf("the error quotes the hash: %v", err)
			}
			return
		}
		if c := h.cost(backend.PasswordMax); c < 0 || c > 1<<17 {
			t.Errorf("%q may cost %d", text, c)
		}
		if isLocked(h) {
			return
		}
		// A hash has one spelling: nothing may follow it or be missing.
		if _, err := parseHash(text[:len(text)-1]); err == nil && !strings.HasPrefix(text, "$argon2id$") {
			t.Errorf("%q is a hash without its end, too", text)
		}
		if h.cost(10) < 100 && h.matches(text) {
			t.Errorf("%q matches itself", text)
		}
	})
}
