package htpasswd

import (
	"crypto/sha512"
	"fmt"
	"math/bits"
	"strings"

	"github.com/go-crypt/x/crypt"
	"golang.org/x/crypto/bcrypt"
)

// check reports whether password matches h, and takes as long to say no as the
// dearest hash of the file does: else the time of an answer would tell which
// users exist. A nil h stands for a user who does not.
func check(h, dearest hash, password string) bool {
	if h == nil || isLocked(h) {
		dearest.matches(password)
		return false
	}
	if h.matches(password) {
		return true
	}
	n := len(password)
	burn(dearest.cost(n) - h.cost(n))
	return false
}

// burn takes as long as the given number of iterations of bcrypt. Powers of two
// are bcrypt itself, so that in a file with bcrypt of several costs, the usual
// reason for a difference, nothing rests on an estimate.
func burn(iterations int) {
	exponents, rest := powersOfTwo(iterations)
	for _, e := range exponents {
		filler := fmt.Sprintf("$2a$%02d$%s", e, strings.Repeat(".", 53))
		_ = bcrypt.CompareHashAndPassword([]byte(filler), nil)
	}
	_ = crypt.KeySHACrypt(sha512.New, nil, []byte("salt"), rest*sha512PerUnit)
}

// powersOfTwo splits n into powers of two that bcrypt can do, and a rest.
func powersOfTwo(n int) (exponents []int, rest int) {
	const least = 1 << bcrypt.MinCost
	n = max(n, 0)
	for powers := n / least * least; powers > 0; powers &= powers - 1 {
		exponents = append(exponents, bits.TrailingZeros(uint(powers)))
	}
	return exponents, n % least
}
