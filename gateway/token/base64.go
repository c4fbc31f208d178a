package token

import (
	"encoding/base64"
	"encoding/binary"
)

// notBase64 is what a character stands for that is no digit. Wherever it is shifted to in a
// group, some of it is above the 48 bits of that.
const notBase64 = ^uint64(63)

// digits are what characters stand for.
var digits = func() (all [256]uint64) {
	for c := range all {
		all[c] = notBase64
	}
	for i := range 64 {
		text := base64.RawURLEncoding.EncodeToString([]byte{byte(i) << 2})
		all[text[0]] = uint64(i)
	}
	return all
}()

// decodeBase64 writes into buffer what text stands for, and returns that, and whether text
// is the one spelling of it. The buffer has to be longer than that by 8 bytes.
//
// Each request decodes a token, and package base64 takes longer for it than the cipher.
func decodeBase64(buffer []byte, text string) ([]byte, bool) {
	n, wrong := 0, uint64(0)
	for ; len(text) >= 8; text = text[8:] {
		group := decodeGroup(text)
		wrong |= group >> 48
		binary.BigEndian.PutUint64(buffer[n:], group<<16) // of which the next one overwrites the last two
		n += 6
	}
	group := decodeGroup(text + "AAAAAAAA"[len(text):]) // A stands for zeros
	rest := len(text) * 6 / 8
	wrong |= group>>48 | group<<(16+8*rest) // bits that no byte has have to be zero
	binary.BigEndian.PutUint64(buffer[n:], group<<16)
	return buffer[:n+rest], wrong == 0 && len(text)%4 != 1
}

// decodeGroup returns the 48 bits that the first 8 characters of text stand for. There are
// more if one of these is no digit.
func decodeGroup(text string) uint64 {
	_ = text[7]
	return digits[text[0]]<<42 | digits[text[1]]<<36 | digits[text[2]]<<30 | digits[text[3]]<<24 |
		digits[text[4]]<<18 | digits[text[5]]<<12 | digits[text[6]]<<6 | digits[text[7]]
}
