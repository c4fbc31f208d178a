package htpasswd

import (
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// argon2id is a hash of RFC 9106 in the string form of the Password Hashing
// Competition: $argon2id$v=19$m=19456,t=2,p=1$SALT$KEY.
type argon2id struct {
	memoryKiB int
	passes    int
	lanes     int
	salt, key []byte
}

// What a hash may cost is up to whoever wrote the file, and is spent on each
// guess. The bounds leave room for the second recommendation of RFC 9106
// section 4 (64 MiB, 3 passes, 4 lanes); its first takes 2 GiB for each login.
const (
	argon2MemoryMax = 128 << 10 // KiB
	argon2WorkMax   = 1 << 20   // memory times passes
	argon2LanesMax  = 16
	argon2SaltMin   = 8
	argon2SaltMax   = 64
	argon2KeyMin    = 16
	argon2KeyMax    = 64
)

func parseArgon2id(text string) (hash, error) {
	fields := strings.Split(text, "$")
	if len(fields) != 6 || fields[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return nil, malformed("argon2id")
	}
	m, t, p, err := argon2Parameters(fields[3])
	if err != nil {
		return nil, err
	}
	h := argon2id{memoryKiB: m, passes: t, lanes: p}
	var okSalt, okKey bool
	h.salt, okSalt = decode(base64.RawStdEncoding, fields[4])
	h.key, okKey = decode(base64.RawStdEncoding, fields[5])
	if !okSalt || len(h.salt) < argon2SaltMin || len(h.salt) > argon2SaltMax ||
		!okKey || len(h.key) < argon2KeyMin || len(h.key) > argon2KeyMax {
		return nil, malformed("argon2id")
	}
	return h, nil
}

func argon2Parameters(text string) (m, t, p int, err error) {
	names := [...]string{"m=", "t=", "p="}
	fields := strings.Split(text, ",")
	if len(fields) != len(names) {
		return 0, 0, 0, malformed("argon2id")
	}
	var values [len(names)]int
	for i, field := range fields {
		number, ok := strings.CutPrefix(field, names[i])
		values[i], err = decimal(number)
		if !ok || err != nil || values[i] < 1 {
			return 0, 0, 0, malformed("argon2id")
		}
	}
	m, t, p = values[0], values[1], values[2]
	if p > argon2LanesMax || m < 8*p || m > argon2MemoryMax || t > argon2WorkMax/m {
		return 0, 0, 0, fmt.Errorf("argon2id takes too much: at most m=%d, p=%d and m times t=%d are allowed",
			argon2MemoryMax, argon2LanesMax, argon2WorkMax)
	}
	return m, t, p, nil
}

func (h argon2id) matches(password string) bool {
	key := argon2.IDKey([]byte(password), h.salt,
		uint32(h.passes), uint32(h.memoryKiB), uint8(h.lanes), uint32(len(h.key)))
	return subtle.ConstantTimeCompare(key, h.key) == 1
}

func (h argon2id) cost(int) int { return h.memoryKiB * h.passes / 60 }
func (h argon2id) memory() int  { return h.memoryKiB << 10 }
func (h argon2id) legacy() bool { return false }
