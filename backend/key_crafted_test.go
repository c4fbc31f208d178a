package backend

import (
	"encoding/binary"
	"slices"
	"testing"
)

// BenchmarkKeysOfCraftedLogins counts the logins that share a key with another, of
// any number that were made to:
//
//	go test ./backend -run '^$' -bench KeysOfCraftedLogins -benchtime 100000000x -timeout 1h
func BenchmarkKeysOfCraftedLogins(b *testing.B) {
	n := collisions(b.N)
	if b.ReportMetric(float64(n), "collisions"); n > 0 {
		b.Errorf("%d of %d logins share a key with another", n, b.N)
	}
}

func TestCraftedLoginsHaveDifferentKeys(t *testing.T) {
	if n := collisions(300_000); n > 0 {
		t.Errorf("%d logins share a key with another", n)
	}
}

// collisions returns how many of the first n crafted logins have the key of another.
// It compares 64 bits of each, which makes one in 10,000 runs of 10^8 find one where
// there is none, and takes several passes so as not to hold all at once.
func collisions(n int) (found int) {
	const held = 1 << 25
	k, passes := newKeyer(), 1+n/held
	keys := make([]uint64, 0, min(n, held+held/8))
	for pass := range passes {
		keys = keys[:0]
		for i := range n {
			sum := k.login(crafted(i))
			if int(sum[8])%passes == pass {
				keys = append(keys, binary.BigEndian.Uint64(sum[:8]))
			}
		}
		slices.Sort(keys)
		found += len(keys) - len(slices.Compact(keys))
	}
	return found
}

// crafted returns the login of the given number: the same text as its neighbours,
// with another end of the user's name. What the name ends with, and the password
// begins with, looks like the lengths that a key is made from.
func crafted(number int) (user, password string) {
	const length = 26
	whole, cut := uint64(number/(length+1)), number%(length+1)
	text := make([]byte, 0, length)
	text = append(text, 'a')
	text = binary.BigEndian.AppendUint64(text, whole%uint64(length))
	text = binary.BigEndian.AppendUint64(text, whole)
	text = binary.BigEndian.AppendUint64(text, 1+whole%3)
	text = append(text, 'b')
	return string(text[:cut]), string(text[cut:])
}

func TestCraftedLoginsAreDifferent(t *testing.T) {
	seen := make(map[[2]string]bool)
	for i := range 10_000 {
		user, password := crafted(i)
		if login := [2]string{user, password}; seen[login] {
			t.Fatalf("login %d is there twice: %q, %q", i, user, password)
		} else {
			seen[login] = true
		}
	}
}

// Without the lengths the same logins share keys, or the tests above show nothing.
func TestCraftedLoginsAreTheSameText(t *testing.T) {
	first, _ := crafted(26)
	for i := range 26 {
		if user, password := crafted(i); user+password != first {
			t.Errorf("login %d is the text %q, want %q", i, user+password, first)
		}
	}
}
