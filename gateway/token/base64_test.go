package token

import (
	"bytes"
	"encoding/base64"
	"math/rand/v2"
	"strings"
	"testing"
)

// checkBase64 compares what is decoded here with what package base64 says, which takes the
// ends of lines besides.
func checkBase64(t *testing.T, text string) {
	t.Helper()
	want, err := base64.RawURLEncoding.Strict().DecodeString(text)
	valid := err == nil && !strings.ContainsAny(text, "\r\n")
	got, ok := decodeBase64(make([]byte, len(text)+8), text)
	if ok != valid || ok && !bytes.Equal(got, want) {
		t.Fatalf("%q is %x, %t; want %x, %t", text, got, ok, want, valid)
	}
}

// Every character counts, in every place of a group and of the end.
func TestT2Base64IsThatOfTheStandardLibrary(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for length := range 50 {
		raw := make([]byte, length)
		for i := range raw {
			raw[i] = byte(random.Uint32())
		}
		text := base64.RawURLEncoding.EncodeToString(raw)
		checkBase64(t, text)
		for i := range len(text) {
			for c := range 256 {
				checkBase64(t, text[:i]+string([]byte{byte(c)})+text[i+1:])
			}
			checkBase64(t, text[:i])
			checkBase64(t, text[:i]+"\n"+text[i:])
		}
	}
}

func FuzzBase64(f *testing.F) {
	f.Add("YWxpY2U6")
	f.Add("YWxpY2U6YW\r\n")
	f.Fuzz(checkBase64)
}
