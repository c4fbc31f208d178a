package owntoken

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"math/big"
	"strings"
)

// Kind is what a token is for.
type Kind string

// The kinds of tokens.
const (
	Personal Kind = "personal" // somebody made it to use it as a password
	Robot    Kind = "robot"    // it is for a program that is nobody's account
	Identity Kind = "identity" // docker login keeps it in place of a password
)

// prefixes begin the secrets of each kind, so that people and scanners know what they have
// found. A scanner looks for gth[pbi]_[0-9A-Za-z]{36}.
var prefixes = map[Kind]string{Personal: "gthp_", Robot: "gthb_", Identity: "gthi_"}

const (
	prefixLen = len("gthp_")
	randomLen = 30 // 62³⁰ is more than 2¹⁷⁸
	sumLen    = 6
	secretLen = prefixLen + randomLen + sumLen

	digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// newSecret returns a secret that nobody can guess. Its end is a checksum of the rest, by
// which a scanner tells it from other text, and by which one that was cut or typed wrongly
// is refused without a look into the store.
func newSecret(k Kind) string {
	n, base := new(big.Int), big.NewInt(int64(len(digits)))
	var raw [32]byte
	rand.Read(raw[:]) // never fails: without randomness it ends the process
	n.SetBytes(raw[:])
	text := make([]byte, 0, secretLen)
	text = append(text, prefixes[k]...)
	for digit := new(big.Int); len(text) < prefixLen+randomLen; {
		n.DivMod(n, base, digit)
		text = append(text, digits[digit.Int64()])
	}
	return string(append(text, checksum(text)...))
}

// checksum returns the CRC-32 of text in base 62, as GitHub has it at the end of its tokens.
func checksum(text []byte) []byte {
	sum := crc32.ChecksumIEEE(text)
	var b [sumLen]byte
	for i := range b {
		b[sumLen-1-i] = digits[sum%uint32(len(digits))]
		sum /= uint32(len(digits))
	}
	return b[:]
}

// Looks reports whether a password looks like the secret of a token. Such a password is
// never shown to a directory, which would count it as a wrong guess at the account.
func Looks(password string) bool {
	for _, prefix := range prefixes {
		if strings.HasPrefix(password, prefix) {
			return true
		}
	}
	return false
}

// isWhole reports whether a secret has the form of one and its own checksum.
func isWhole(secret string) bool {
	if len(secret) != secretLen || !Looks(secret) {
		return false
	}
	end := secretLen - sumLen
	return secret[end:] == string(checksum([]byte(secret[:end])))
}

// Hash stands for a secret in the store. A slow hash would add nothing: there are more than
// 2¹⁷⁸ secrets to try.
type Hash [sha256.Size]byte

func hashOf(secret string) Hash { return sha256.Sum256([]byte(secret)) }

// MarshalText returns h in hexadecimal digits.
func (h Hash) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h[:]), nil }

// UnmarshalText reads what MarshalText has written.
func (h *Hash) UnmarshalText(text []byte) error {
	if n, err := hex.Decode(h[:], text[:min(len(text), 2*len(h))]); err != nil || n != len(h) || len(text) != 2*len(h) {
		return errors.New("it is no hash of a token")
	}
	return nil
}
