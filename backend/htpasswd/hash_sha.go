package htpasswd

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	stdhash "hash"
	"strings"

	"github.com/go-crypt/x/crypt"
)

// sha1Hash is a bare SHA-1 sum, "{SHA}" in the file.
type sha1Hash [sha1.Size]byte

func parseSHA1(text string) (hash, error) {
	sum, ok := decode(base64.StdEncoding, strings.TrimPrefix(text, "{SHA}"))
	if !ok || len(sum) != sha1.Size {
		return nil, malformed("{SHA}")
	}
	return sha1Hash(sum), nil
}

func (h sha1Hash) matches(password string) bool {
	sum := sha1.Sum([]byte(password))
	return subtle.ConstantTimeCompare(sum[:], h[:]) == 1
}

func (h sha1Hash) cost(int) int { return 0 }
func (h sha1Hash) memory() int  { return 0 }
func (h sha1Hash) legacy() bool { return true }

// shaCrypt is a hash of the SHA-256-based ("$5$") or SHA-512-based ("$6$")
// crypt(3).
type shaCrypt struct {
	sum       func() stdhash.Hash
	perUnit   int // rounds that cost as much as an iteration of bcrypt
	rounds    int
	salt, key string
}

// The least and the usual number of rounds are those of the SHA-crypt
// specification. Its greatest is 999,999,999, or minutes for each login; the
// most that a tool writes by itself, Python's passlib, is 656,000.
const (
	shaCryptRounds    = 5000
	shaCryptRoundsMin = 1000
	shaCryptRoundsMax = 1_000_000
)

// Rounds that take as long as one iteration of bcrypt, for a short password.
const (
	sha256PerUnit = 370
	sha512PerUnit = 210
)

func parseSHACrypt(text string) (hash, error) {
	h := shaCrypt{sum: sha256.New, perUnit: sha256PerUnit, rounds: shaCryptRounds}
	length := 43
	if text[1] == '6' {
		h.sum, h.perUnit, length = sha512.New, sha512PerUnit, 86
	}
	rest := text[len("$5$"):]
	if number, ok := strings.CutPrefix(rest, "rounds="); ok {
		number, rest, _ = strings.Cut(number, "$")
		rounds, err := shaCryptRoundsOf(number)
		if err != nil {
			return nil, err
		}
		h.rounds = rounds
	}
	h.salt, h.key, _ = strings.Cut(rest, "$")
	if !isSalt(h.salt, 16) || len(h.key) != length || !consistsOf(h.key, cryptAlphabet) {
		return nil, malformed("SHA-crypt")
	}
	return h, nil
}

func shaCryptRoundsOf(number string) (int, error) {
	rounds, err := decimal(number)
	if err != nil || rounds < shaCryptRoundsMin || rounds > shaCryptRoundsMax {
		return 0, fmt.Errorf("SHA-crypt rounds are not within %d and %d", shaCryptRoundsMin, shaCryptRoundsMax)
	}
	return rounds, nil
}

func (h shaCrypt) matches(password string) bool {
	key := crypt.KeySHACrypt(h.sum, []byte(password), []byte(h.salt), h.rounds)
	return subtle.ConstantTimeCompare(key, []byte(h.key)) == 1
}

// cost: a round sums up nearly twice the password besides its own state.
func (h shaCrypt) cost(n int) int { return h.rounds * (100 + n) / 100 / h.perUnit }
func (h shaCrypt) memory() int    { return 0 }
func (h shaCrypt) legacy() bool   { return false }
