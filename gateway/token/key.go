package token

import (
	"bufio"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"gatehouse/backend/fault"
)

// keySize is the length of a key in bytes.
const keySize = 32

// Bounds of a key file.
const (
	maxKeys  = 32
	maxKeyID = 32
)

// Key is a key with the name that tokens are told apart by.
type Key struct {
	id     string
	secret [keySize]byte
}

// NewKey returns a random key. Its name begins with the date, so that its age can be seen.
func NewKey(now time.Time) Key {
	var k Key
	var suffix [3]byte
	rand.Read(k.secret[:]) // never fails: without randomness it ends the process
	rand.Read(suffix[:])
	k.id = now.UTC().Format("2006-01-02") + fmt.Sprintf("-%x", suffix)
	return k
}

// ID returns the name of the key, which is no secret.
func (k Key) ID() string { return k.id }

// Line returns the key as a key file has it. It is the secret itself.
func (k Key) Line() string { return k.id + ":" + base64.StdEncoding.EncodeToString(k.secret[:]) }

// String returns the name of the key alone.
func (k Key) String() string { return k.id }

// GoString returns the name of the key alone.
func (k Key) GoString() string { return k.id }

// Made returns the date that the name of the key begins with, and whether it has one.
func (k Key) Made() (time.Time, bool) {
	made, err := time.Parse(time.DateOnly, k.id[:min(len(k.id), len(time.DateOnly))])
	return made, err == nil
}

// ParseKeys reads lines KID:BASE64, in which BASE64 stands for 32 bytes. Empty lines and
// lines that begin with # are passed over. Its error lists all that is wrong by line, and
// quotes nothing, since it may be a secret.
func ParseKeys(text string) ([]Key, error) {
	var keys []Key
	var errs []error
	seen := map[string]int{}
	lines := bufio.NewScanner(strings.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		k, err := parseKey(line)
		if err == nil && seen[k.id] != 0 {
			err = fmt.Errorf("the key has the name of that in line %d: give each a name of its own", seen[k.id])
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("line %d: %w", n, err))
			continue
		}
		seen[k.id] = n
		keys = append(keys, k)
	}
	if err := lines.Err(); err != nil {
		errs = append(errs, errors.New("a line is too long"))
	}
	switch {
	case len(errs) == 0 && len(keys) == 0:
		errs = append(errs, errors.New("there is no key: make one with: gatehouse token key"))
	case len(keys) > maxKeys:
		errs = append(errs, fmt.Errorf("there are more than %d keys: take out those that no token has any more", maxKeys))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fault.With("token.keys.malformed", err)
	}
	return keys, nil
}

func parseKey(line string) (k Key, err error) {
	id, encoded, ok := strings.Cut(line, ":")
	secret, errSecret := base64.StdEncoding.Strict().DecodeString(encoded)
	switch {
	case !ok:
		return k, errors.New("there is no colon: write KID:BASE64, as gatehouse token key does")
	case !isKeyID(id):
		return k, fmt.Errorf("the name before the colon is empty, longer than %d bytes, or has something else than letters, digits, \".\", \"_\" and \"-\" in it", maxKeyID)
	case errSecret != nil || len(secret) != keySize:
		return k, fmt.Errorf("what follows the colon is not the base64 of %d bytes: make a key with: gatehouse token key", keySize)
	}
	k.id = id
	copy(k.secret[:], secret)
	return k, nil
}

func isKeyID(id string) bool {
	if id == "" || len(id) > maxKeyID {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-' {
			continue
		}
		return false
	}
	return true
}

// A Keyring seals tokens with the first of its keys, and opens those that were sealed with
// any of them. It does not change, and may be used from any number of goroutines at once.
type Keyring struct {
	first string // name of the key that seals
	keys  map[string]*[purposes]derived
}

// derived is a key for one purpose.
type derived struct {
	aead    cipher.AEAD
	context []byte // that is authenticated beside what is sealed: the purpose and the name of the key
}

// NewKeyring returns a Keyring of keys, of which there is at least one.
func NewKeyring(keys []Key) (*Keyring, error) {
	if len(keys) == 0 {
		return nil, errors.New("there is no key for tokens")
	}
	r := &Keyring{first: keys[0].id, keys: make(map[string]*[purposes]derived, len(keys))}
	for _, k := range keys {
		all := new([purposes]derived)
		for p := range all {
			aead, err := k.derive(Purpose(p))
			if err != nil {
				return nil, fmt.Errorf("derive a key for tokens: %w", err)
			}
			all[p] = derived{aead, []byte(Purpose(p).String() + " " + k.id)}
		}
		r.keys[k.id] = all
	}
	return r, nil
}

// derive returns the cipher for one purpose (RFC 5869).
func (k Key) derive(p Purpose) (cipher.AEAD, error) {
	secret, err := hkdf.Key(sha256.New, k.secret[:], nil, "gatehouse token 1 "+p.String(), keySize)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
