package htpasswd

import (
	"crypto/md5"
	"crypto/subtle"
	"strings"
)

// md5Crypt is a hash of the MD5-based crypt(3), "$1$", or of Apache's variant
// of it, which differs in the prefix alone.
type md5Crypt struct {
	prefix, salt, key string
}

const md5CryptRounds = 1000

func parseMD5Crypt(text string) (hash, error) {
	end := strings.IndexByte(text[1:], '$') + 2
	prefix := text[:end]
	salt, key, _ := strings.Cut(text[end:], "$")
	if !isSalt(salt, 8) || len(key) != 22 || !consistsOf(key, cryptAlphabet) {
		return nil, malformed(prefix)
	}
	return md5Crypt{prefix, salt, key}, nil
}

func (h md5Crypt) matches(password string) bool {
	key := md5CryptKey(h.prefix, h.salt, password)
	return subtle.ConstantTimeCompare([]byte(key), []byte(h.key)) == 1
}

func (h md5Crypt) cost(n int) int { return 4 + n/12 }
func (h md5Crypt) memory() int    { return 0 }
func (h md5Crypt) legacy() bool   { return true }

// md5CryptKey follows Poul-Henning Kamp's crypt-md5.c, whose order of steps is
// the definition of the algorithm.
func md5CryptKey(prefix, salt, password string) string {
	inner := md5.Sum([]byte(password + salt + password))
	first := []byte(password + prefix + salt)
	for n := len(password); n > 0; n -= md5.Size {
		first = append(first, inner[:min(n, md5.Size)]...)
	}
	for n := len(password); n > 0; n >>= 1 {
		if n&1 == 1 {
			first = append(first, 0)
		} else {
			first = append(first, password[0])
		}
	}
	sum := md5.Sum(first)
	for i := range md5CryptRounds {
		sum = md5CryptRound(i, sum, salt, password)
	}
	return md5CryptEncode(sum)
}

func md5CryptRound(i int, sum [md5.Size]byte, salt, password string) [md5.Size]byte {
	var buf []byte
	odd := i&1 == 1
	if odd {
		buf = append(buf, password...)
	} else {
		buf = append(buf, sum[:]...)
	}
	if i%3 != 0 {
		buf = append(buf, salt...)
	}
	if i%7 != 0 {
		buf = append(buf, password...)
	}
	if odd {
		buf = append(buf, sum[:]...)
	} else {
		buf = append(buf, password...)
	}
	return md5.Sum(buf)
}

// md5CryptEncode writes the bytes of sum in the order and the base 64 that
// crypt(3) wants them in.
func md5CryptEncode(sum [md5.Size]byte) string {
	var key []byte
	write := func(v uint32, chars int) {
		for range chars {
			key = append(key, cryptAlphabet[v&0x3f])
			v >>= 6
		}
	}
	for _, i := range [...][3]int{{0, 6, 12}, {1, 7, 13}, {2, 8, 14}, {3, 9, 15}, {4, 10, 5}} {
		write(uint32(sum[i[0]])<<16|uint32(sum[i[1]])<<8|uint32(sum[i[2]]), 4)
	}
	write(uint32(sum[11]), 2)
	return string(key)
}
