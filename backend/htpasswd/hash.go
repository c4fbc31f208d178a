package htpasswd

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A hash is one stored password hash, known to be well-formed and to cost no
// more than about what bcrypt of cost 15 does.
type hash interface {
	// matches reports whether the hash is that of password. How long it takes
	// does not depend on whether it is.
	matches(password string) bool

	// cost estimates what matches takes for a password of n bytes. The unit is
	// an iteration of bcrypt, of which bcrypt of cost c does 2^c; the others
	// were measured against it, and are right within a quarter, or a half for
	// those that need much memory.
	cost(n int) int

	// memory returns how many bytes matches takes, as far as that counts.
	memory() int

	// legacy reports whether the hash is of a kind that gives away its
	// passwords to whoever steals the file.
	legacy() bool
}

// kinds tells the kinds of hash by how they begin.
var kinds = []struct {
	prefix string
	parse  func(text string) (hash, error)
}{
	{"$2a$", parseBcrypt},
	{"$2b$", parseBcrypt},
	{"$2y$", parseBcrypt},
	{"$2x$", refuse("bcrypt $2x$ marks hashes of a faulty implementation")},
	{"$apr1$", parseMD5Crypt},
	{"$1$", parseMD5Crypt},
	{"$5$", parseSHACrypt},
	{"$6$", parseSHACrypt},
	{"$y$", parseYescrypt},
	{"$argon2id$", parseArgon2id},
	{"{SHA}", parseSHA1},
	{"!", parseLocked},
}

// parseHash reads the hash of a user. An empty hash, a star, and anything after
// an exclamation mark are how files of this kind bar a user from logging in;
// they parse and match nothing. The text of an error never quotes the hash,
// which might be a password in the clear.
func parseHash(text string) (hash, error) {
	for _, k := range kinds {
		if strings.HasPrefix(text, k.prefix) {
			return k.parse(text)
		}
	}
	switch {
	case text == "" || text == "*":
		return locked{}, nil
	case len(text) == 13 && consistsOf(text, cryptAlphabet):
		return nil, errors.New("DES crypt, which looks at 8 characters only, or a password in the clear")
	default:
		return nil, errors.New("not a hash of a known kind")
	}
}

func refuse(why string) func(string) (hash, error) {
	return func(string) (hash, error) { return nil, errors.New(why) }
}

func malformed(kind string) error {
	return fmt.Errorf("malformed or cut-off %s hash", kind)
}

// locked is the hash of a user who may not log in.
type locked struct{}

func parseLocked(string) (hash, error) { return locked{}, nil }

func (locked) matches(string) bool { return false }
func (locked) cost(int) int        { return 0 }
func (locked) memory() int         { return 0 }
func (locked) legacy() bool        { return false }

func isLocked(h hash) bool {
	_, ok := h.(locked)
	return ok
}

const (
	digits = "0123456789"

	// cryptAlphabet is that of crypt(3), in the order of its base 64.
	cryptAlphabet = "./" + digits + "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

func consistsOf(s, alphabet string) bool {
	for i := range len(s) {
		if strings.IndexByte(alphabet, s[i]) < 0 {
			return false
		}
	}
	return true
}

// isSalt reports whether s is a salt of crypt(3) with at most n characters.
func isSalt(s string, n int) bool {
	return s != "" && len(s) <= n && consistsOf(s, cryptAlphabet)
}

// decode reads what has one spelling only: the standard library skips line
// breaks inside base 64.
func decode(e *base64.Encoding, s string) ([]byte, bool) {
	b, err := e.DecodeString(s)
	return b, err == nil && e.EncodeToString(b) == s
}

// decimal reads a number that has one spelling only.
func decimal(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err == nil && strconv.Itoa(n) != s {
		err = strconv.ErrSyntax
	}
	return n, err
}
