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
	memory    uint32 // KiB
	passes    uint32
	lanes     uint8
	salt, key []byte
}

// What a hash may cost is up to whoever wrote the file, and is spent on each
// guess. The bounds leave room for the second recommendation of RFC 9106
// section 4 (64 MiB, 3 passes, 4 lanes); its first takes 2 GiB for each login.
const (
	argon2MemoryMax = 128 << 10 // KiB
	argon2WorkMax   = 1 << 20   // memory times passes
	argon2LanesMax  = 16
	argon2SaltMax   = 64
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
	h := argon2id{memory: uint32(m), passes: uint32(t), lanes: uint8(p)}
	encoding := base64.RawStdEncoding.Strict()
	var errSalt, errKey error
	h.salt, errSalt = encoding.DecodeString(fields[4])
	h.key, errKey = encoding.DecodeString(fields[5])
	if errSalt != nil || len(h.salt) < 8 || len(h.salt) > argon2SaltMax ||
		errKey != nil || len(h.key) < 16 || len(h.key) > argon2KeyMax {
		return nil, malformed("argon2id")
	}
	return h, nil
}

func argon2Parameters(text string) (m, t, p int, err error) {
	values := make([]int, 0, 3)
	names := []string{"m=", "t=", "p="}
	fields := strings.Split(text, ",")
	for i, field := range fields {
		if i >= len(names) {
			return 0, 0, 0, malformed("argon2id")
		}
		number, ok := strings.CutPrefix(field, names[i])
		n, err := decimal(number)
		if !ok || err != nil || n < 1 {
			return 0, 0, 0, malformed("argon2id")
		}
		values = append(values, n)
	}
	if len(values) != len(names) {
		return 0, 0, 0, malformed("argon2id")
	}
	m, t, p = values[0], values[1], values[2]
	if p > argon2LanesMax || m < 8*p || m > argon2MemoryMax || t > argon2WorkMax/m {
		return 0, 0, 0, fmt.Errorf("argon2id takes too much: at most m=%d, p=%d and m times t=%d are allowed",
			argon2MemoryMax, argon2LanesMax, argon2WorkMax)
	}
	return m, t, p, nil
}

func (h argon2id) matches(password string) bool {
	key := argon2.IDKey([]byte(password), h.salt, h.passes, h.memory, h.lanes, uint32(len(h.key)))
	return subtle.ConstantTimeCompare(key, h.key) == 1
}

func (h argon2id) cost(int) int { return int(h.memory) * int(h.passes) / 80 }
func (h argon2id) legacy() bool { return false }
