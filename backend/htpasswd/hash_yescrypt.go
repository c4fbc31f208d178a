package htpasswd

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"

	"github.com/go-crypt/x/yescrypt"
)

// yescryptHash is the text of a yescrypt hash, the default of Linux
// distributions: $y$j9T$SALT$KEY.
type yescryptHash struct {
	text string
	work int // N times r, the memory in units of 128 bytes
}

// Bounds of work. Linux distributions make hashes of 2^17, which take 16 MiB.
const (
	yescryptMin = 1 << 13
	yescryptMax = 64 << 20 / 128
)

func parseYescrypt(text string) (hash, error) {
	fields := strings.Split(text, "$")
	if len(fields) != 5 {
		return nil, malformed("yescrypt")
	}
	parameters, salt, key := fields[2], fields[3], fields[4]
	if len(parameters) != 3 || parameters[0] != 'j' {
		return nil, errors.New("yescrypt with parameters other than the usual ones")
	}
	if salt == "" || len(salt) > 86 || yescrypt.Decode64([]byte(salt)) == nil ||
		len(key) != 43 || !consistsOf(key, cryptAlphabet) {
		return nil, malformed("yescrypt")
	}
	log2N := strings.IndexByte(cryptAlphabet, parameters[1]) + 1
	r := strings.IndexByte(cryptAlphabet, parameters[2]) + 1
	if log2N < 10 || log2N > 18 || r < 1 || r > 32 || r<<log2N < yescryptMin || r<<log2N > yescryptMax {
		return nil, fmt.Errorf("yescrypt takes too much or too little: from %d KiB to %d MiB are allowed",
			yescryptMin>>3, yescryptMax>>13)
	}
	return yescryptHash{text: text, work: r << log2N}, nil
}

func (h yescryptHash) matches(password string) bool {
	text, err := yescrypt.Hash([]byte(password), []byte(h.text))
	return err == nil && subtle.ConstantTimeCompare(text, []byte(h.text)) == 1
}

func (h yescryptHash) cost(int) int { return h.work / 160 }
func (h yescryptHash) memory() int  { return h.work * 128 }
func (h yescryptHash) legacy() bool { return false }
