package owntoken

import (
	"regexp"
	"strings"
	"testing"
)

// The form is what scanners of secrets are told to look for.
func TestSecretsHaveTheFormThatScannersLookFor(t *testing.T) {
	form := regexp.MustCompile(`^gth[pbi]_[0-9A-Za-z]{36}$`)
	seen := map[string]bool{}
	for _, k := range []Kind{Personal, Robot, Identity} {
		for range 1000 {
			secret := newSecret(k)
			if !form.MatchString(secret) || !strings.HasPrefix(secret, prefixes[k]) {
				t.Fatalf("%s: %q", k, secret)
			}
			if !Looks(secret) || !isWhole(secret) {
				t.Fatalf("%q is not taken for what it is", secret)
			}
			if seen[secret] {
				t.Fatalf("%q twice", secret)
			}
			seen[secret] = true
		}
	}
}

// A secret that was typed wrongly, or cut, is refused by its checksum.
func TestSecretsThatWereChangedAreNotWhole(t *testing.T) {
	secret := newSecret(Personal)
	for i := range secret {
		changed := []byte(secret)
		changed[i] ^= 1
		if isWhole(string(changed)) {
			t.Errorf("with byte %d changed: %q", i, changed)
		}
		if isWhole(secret[:i]) {
			t.Errorf("cut at %d", i)
		}
	}
	for _, other := range []string{"", "gthp_", secret + secret, secret + "0", " " + secret, "gtha_" + secret[prefixLen:], strings.ToUpper(secret)} {
		if isWhole(other) {
			t.Errorf("%q", other)
		}
	}
}

// What begins like a token is never shown to a directory, whatever follows.
func TestWhatBeginsLikeATokenLooksLikeOne(t *testing.T) {
	for password, want := range map[string]bool{"gthp_": true, "gthb_x": true, "gthi_x\x00": true, "gtha_x": false, "GTHP_": false, " gthp_x": false, "gthp": false, "": false} {
		if Looks(password) != want {
			t.Errorf("%q: got %v", password, !want)
		}
	}
}
