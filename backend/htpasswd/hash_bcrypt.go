package htpasswd

import (
	"fmt"
	"strconv"

	"golang.org/x/crypto/bcrypt"
)

// bcryptHash is the text of a bcrypt hash.
type bcryptHash string

const (
	// bcryptLength counts the prefix, the cost, a salt of 22 and a key of 31
	// characters.
	bcryptLength = len("$2y$12$") + 22 + 31

	// BcryptInput is how many bytes of a password bcrypt looks at.
	BcryptInput = 72

	// BcryptCostMax takes one second or two for each login; 31, the greatest
	// there is, would be days.
	BcryptCostMax = 15
)

// parseBcrypt is strict where the bcrypt package is not: that ignores what
// follows the key and takes any letter for the version.
func parseBcrypt(text string) (hash, error) {
	if len(text) != bcryptLength || text[6] != '$' ||
		!consistsOf(text[4:6], digits) || !consistsOf(text[7:], cryptAlphabet) {
		return nil, malformed("bcrypt")
	}
	h := bcryptHash(text)
	if c := h.exponent(); c < bcrypt.MinCost || c > BcryptCostMax {
		return nil, fmt.Errorf("bcrypt cost %d is not within %d and %d", c, bcrypt.MinCost, BcryptCostMax)
	}
	return h, nil
}

func (h bcryptHash) exponent() int {
	c, _ := strconv.Atoi(string(h[4:6])) // two digits
	return c
}

// matches refuses a password of which bcrypt would see the beginning only, and
// takes its time over it as over any other.
func (h bcryptHash) matches(password string) bool {
	seen := password[:min(len(password), BcryptInput)]
	err := bcrypt.CompareHashAndPassword([]byte(h), []byte(seen))
	return err == nil && len(password) <= BcryptInput
}

func (h bcryptHash) cost(int) int { return 1 << h.exponent() }
func (h bcryptHash) memory() int  { return 0 }
func (h bcryptHash) legacy() bool { return false }
