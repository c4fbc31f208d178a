package listing

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"strings"
)

// Seal writes places of lists so that clients can say where they were, and cannot read
// which hidden name stands there. Its key lives as long as the process. It may be used
// from any number of goroutines at once.
type Seal struct{ aead cipher.AEAD }

// sealed begins a place that is sealed. No name begins so.
const sealed = "~"

// sealedStep is what the length of a sealed place is a multiple of, before it is sealed.
const sealedStep = 256

var placeText = base64.RawURLEncoding.Strict()

// NewSeal returns a seal with a key of its own.
func NewSeal() *Seal {
	key := make([]byte, 32)
	rand.Read(key) // which does not fail
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // the length of the key is a constant
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return &Seal{aead}
}

// Close returns what a client is told of a place in the list with that path.
func (s *Seal) Close(list string, at Position) string {
	text := at.After + "\n" + at.Floor + "\n"
	text += strings.Repeat(" ", -len(text)&(sealedStep-1)) // or it would tell how long a hidden name is
	return sealed + placeText.EncodeToString(s.aead.Seal(nil, nil, []byte(text), []byte(list)))
}

// IsSealed reports whether a client names a place that was sealed.
func IsSealed(place string) bool { return strings.HasPrefix(place, sealed) }

// ErrSeal says that a place was sealed for another list, or by another process.
var ErrSeal = errors.New("the place in the list does not open: begin the list again")

// Open returns the place that was sealed for the list.
func (s *Seal) Open(list, place string) (Position, error) {
	box, err := placeText.DecodeString(strings.TrimPrefix(place, sealed))
	if err != nil {
		return Position{}, ErrSeal
	}
	text, err := s.aead.Open(nil, nil, box, []byte(list))
	if err != nil {
		return Position{}, ErrSeal
	}
	after, rest, _ := strings.Cut(string(text), "\n")
	floor, _, _ := strings.Cut(rest, "\n")
	return Position{After: after, Floor: floor}, nil
}
