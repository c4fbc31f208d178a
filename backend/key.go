package backend

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"sync"
)

// An attempt is a question for a login, and the version that user had when it
// was asked.
type attempt struct {
	version        uint64
	user, password string
}

// A key stands for user and password of an attempt in a cache, as an HMAC. Neither
// can be had from it, nor can a guess be tried against it without the secret, which
// is gone with the process. The version is no part of it but of what is stored under
// it: a refusal must find what the same password was let in with under another
// version, or that would count again when the version comes back.
type key [sha256.Size]byte

// isAnother reports whether two keys of passwords are of different ones. A zero key is of
// none.
func (k key) isAnother(other key) bool { return k != other && k != (key{}) && other != (key{}) }

// A keyer makes keys under a random secret of its own. Two keyers never make
// the same key, so that what one cache knows cannot be found in another.
type keyer struct {
	macs sync.Pool // of *mac: setting up an HMAC costs as much as using it
}

func newKeyer() *keyer {
	secret := make([]byte, sha256.Size)
	rand.Read(secret) // never fails: without randomness it ends the process
	return &keyer{macs: sync.Pool{New: func() any { return newMAC(secret) }}}
}

func (k *keyer) login(user, password string) key {
	m := k.macs.Get().(*mac)
	defer k.macs.Put(m)
	return m.login(user, password)
}

// password makes a key that tells whether two logins of one user have the same
// password, however its name was typed.
func (k *keyer) password(id Identity, password string) key {
	return k.login(string(appendParts(nil, id.User, id.Source)), password)
}

// proof makes a key for whoever can prove p.
func (k *keyer) proof(p proof) key {
	m := k.macs.Get().(*mac)
	defer k.macs.Put(m)
	if p.account {
		return m.of("account", p.id.User, p.id.Handle, p.id.Source, p.id.Anchor)
	}
	return m.of(p.id.parts()...)
}

// A mac is an HMAC that is used again and again, and holds nothing of the last
// password in between.
type mac struct {
	hash hash.Hash
	buf  []byte
	sum  key
}

func newMAC(secret []byte) *mac {
	m := &mac{hash: hmac.New(sha256.New, secret)}
	// A hash holds on to the end of what it was fed until a Reset that restores
	// a saved state overwrites it, and the first Reset is the one that saves.
	m.hash.Reset()
	return m
}

func (m *mac) login(user, password string) key { return m.of(user, password) }

func (m *mac) of(parts ...string) key {
	m.buf = appendParts(m.buf[:0], parts...)
	m.hash.Write(m.buf)
	m.hash.Sum(m.sum[:0])
	m.hash.Reset()
	clear(m.buf)
	return m.sum
}

// appendParts appends the parts of a question to b. The length before each part
// makes sure that no two questions look the same: without it, "ab" with password
// "c" would be "a" with password "bc".
func appendParts(b []byte, parts ...string) []byte {
	for _, part := range parts {
		b = binary.BigEndian.AppendUint64(b, uint64(len(part)))
		b = append(b, part...)
	}
	return b
}

// flightKey names the question with the given parts about a user of that version:
// an answer about one version must not reach who asks about another.
func flightKey(version uint64, parts ...string) string {
	return string(appendParts(binary.BigEndian.AppendUint64(nil, version), parts...))
}
