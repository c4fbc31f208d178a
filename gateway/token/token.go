package token

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"
	"sync"
	"time"

	"gatehouse/backend"
	"gatehouse/backend/fault"
)

// Purpose is what a token is for.
type Purpose int

// The purposes of tokens.
const (
	Access   Purpose = iota // it comes with requests
	Refresh                 // a client keeps it in place of a password, and gets tokens for requests by it
	purposes = iota
)

// prefixes begin the tokens of each purpose, so that people and scanners of secrets know
// what they have found. None of them begins a token that is kept in a store: those have a
// form of their own, and one prefix would have two.
var prefixes = [purposes]string{"gtha_", "gthr_"}

// String returns the name of the purpose, which keys are derived by.
func (p Purpose) String() string { return [purposes]string{"access", "refresh"}[p] }

// MaxLength is the length of the longest token. Some servers and proxies take no header of
// more than 8 KiB.
const MaxLength = 4 << 10

// Token is what a token says.
type Token struct {
	// ID names the token in logs. It is no secret.
	ID ID

	Issued, Expires int64 // in seconds since 1970

	// Service is where the token may be used.
	Service string

	// Identity is who logged in. It is the zero value if nobody did.
	Identity backend.Identity

	// Scopes are what the token may be used for. One for [Refresh] has none.
	Scopes Scopes

	// Via is how whoever logged in for the token did that; empty for with a password.
	Via string

	// Own is the ID of the token of an account that was sent for this one, which ends with
	// it; empty if none was.
	Own string
}

// IsAnonymous reports whether nobody has logged in for the token.
func (t Token) IsAnonymous() bool { return t.Identity.User == "" }

// ExpiredSince returns how long the token has been over at now; below zero while it is not.
func (t Token) ExpiredSince(now time.Time) time.Duration { return now.Sub(time.Unix(t.Expires, 0)) }

// ID is the name of a token.
type ID [8]byte

// NewID returns a random ID.
func NewID() (id ID) {
	rand.Read(id[:]) // never fails: without randomness it ends the process
	return id
}

// String returns the ID as logs have it.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// The errors of [Keyring.Open].
var (
	// ErrMalformed says that it is no token for that purpose, or not as it was sealed.
	ErrMalformed = fault.With("token.malformed", errors.New("it is no token of this gateway for this purpose, or it was changed"))

	// ErrUnknownKey says that it may be a token, and was sealed with a key that is not
	// in the Keyring.
	ErrUnknownKey = fault.With("token.unknown_key", errors.New("it was sealed with a key that this gateway does not have"))

	// ErrTooLong says of [Keyring.Seal] that the token would be longer than MaxLength.
	ErrTooLong = errors.New("the token would be longer than 4 KiB")
)

// buffers hold what a token is decoded into before it is opened, and so while it is opened.
var buffers = sync.Pool{New: func() any { return new([MaxLength]byte) }}

const (
	format    = 2 // of what is sealed
	formerly  = 1 // without Via and Own
	nonceSize = 12
	tagSize   = 16
)

// Seal returns t as a text for one purpose.
//
// The nonce is random. After 2³² tokens of one key two of them might have the same, by
// which both could be read (NIST SP 800-38D, section 8.3). At ten tokens a second that
// takes thirteen years.
func (r *Keyring) Seal(p Purpose, t Token) (string, error) {
	head := append(make([]byte, 0, 512), byte(len(r.first)))
	head = append(head, r.first...)
	kid := len(head)
	head = append(head, make([]byte, nonceSize)...)
	rand.Read(head[kid:])
	key := &r.keys[r.first][p]
	sealed := key.aead.Seal(head, head[kid:], t.encode(), key.context)
	text := prefixes[p] + base64.RawURLEncoding.EncodeToString(sealed)
	if len(text) > MaxLength {
		return "", ErrTooLong
	}
	return text, nil
}

// Is reports whether text looks like a token, of any purpose.
func Is(text string) bool {
	for _, prefix := range prefixes {
		if strings.HasPrefix(text, prefix) {
			return true
		}
	}
	return false
}

// Open returns what the token text says, which was sealed for that purpose. It does not
// look at the time, nor at anything else that it says.
func (r *Keyring) Open(p Purpose, text string) (Token, error) {
	encoded, ok := strings.CutPrefix(text, prefixes[p])
	if !ok || len(text) > MaxLength {
		return Token{}, ErrMalformed
	}
	buffer := buffers.Get().(*[MaxLength]byte) // 3 bytes of it for 4 of the text
	defer buffers.Put(buffer)
	sealed, ok := decodeBase64(buffer[:], encoded)
	if !ok || len(sealed) == 0 {
		return Token{}, ErrMalformed
	}
	kid := 1 + int(sealed[0])
	if len(sealed) < kid+nonceSize+tagSize {
		return Token{}, ErrMalformed
	}
	key := r.keys[string(sealed[1:kid])]
	if key == nil {
		return Token{}, ErrUnknownKey
	}
	body := sealed[kid+nonceSize:]
	plain, err := key[p].aead.Open(body[:0], sealed[kid:kid+nonceSize], body, key[p].context)
	if err != nil {
		return Token{}, ErrMalformed
	}
	return decode(string(plain))
}

func (t Token) encode() []byte {
	b := append(make([]byte, 0, 256), format)
	b = append(b, t.ID[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(t.Issued))
	b = binary.BigEndian.AppendUint64(b, uint64(t.Expires))
	grace := byte(0)
	if t.Identity.OnGrace {
		grace = 1
	}
	b = append(b, grace)
	id := &t.Identity
	for _, text := range [...]string{t.Service, id.User, id.Handle, id.Source, id.Anchor, id.Changed, id.Expires, string(t.Scopes), t.Via, t.Own} {
		b = binary.AppendUvarint(b, uint64(len(text)))
		b = append(b, text...)
	}
	return b
}

// fixedSize is the length of what does not depend on texts.
const fixedSize = 1 + len(ID{}) + 8 + 8 + 1

// decode reads what encode has written. The texts of the token are parts of s.
func decode(s string) (Token, error) {
	if len(s) < fixedSize || s[0] != format && s[0] != formerly || s[fixedSize-1] > 1 {
		return Token{}, ErrMalformed
	}
	var id ID
	times := s[1+copy(id[:], s[1:]):]
	r := reader{rest: s[fixedSize:]}
	t := Token{
		ID: id, Issued: number(times), Expires: number(times[8:]), Service: r.text(),
		Identity: backend.Identity{User: r.text(), Handle: r.text(), Source: r.text(), Anchor: r.text(), Changed: r.text(), Expires: r.text(), OnGrace: s[fixedSize-1] == 1},
		Scopes:   Scopes(r.text()),
	}
	if s[0] != formerly {
		t.Via, t.Own = r.text(), r.text()
	}
	if r.short || r.rest != "" {
		return Token{}, ErrMalformed
	}
	return t, nil
}

// number reads eight bytes.
func number(s string) (n int64) {
	for i := range 8 {
		n = n<<8 | int64(s[i])
	}
	return n
}

// reader reads texts with their lengths before them.
type reader struct {
	rest  string
	short bool // a text was not all there
}

func (r *reader) text() string {
	s, n := r.rest, 0
	for i := 0; i < len(s) && i < binary.MaxVarintLen16; i++ {
		n |= int(s[i]&0x7f) << (7 * i)
		if s[i] >= 0x80 {
			continue
		}
		if s = s[i+1:]; n <= len(s) {
			r.rest = s[n:]
			return s[:n]
		}
		break
	}
	r.short = true
	return ""
}
