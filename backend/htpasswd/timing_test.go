package htpasswd

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fakeHash matches one password and counts how often it was asked.
type fakeHash struct {
	password string
	asked    *int
}

func (h fakeHash) matches(password string) bool { *h.asked++; return password == h.password }
func (h fakeHash) cost(int) int                 { return 0 }
func (h fakeHash) memory() int                  { return 0 }
func (h fakeHash) legacy() bool                 { return false }

func TestRefusalAsksTheDearestHash(t *testing.T) {
	tests := []struct {
		name     string
		own      hash
		password string
		want     bool
		asked    int
	}{
		{"unknown user", nil, "dear", false, 1},
		{"locked user", locked{}, "dear", false, 1},
		{"wrong password of equal cost", fakeHash{"own", new(int)}, "dear", false, 0},
		{"right password", fakeHash{"own", new(int)}, "own", true, 0},
	}
	for _, tt := range tests {
		asked := 0
		got := check(tt.own, fakeHash{"dear", &asked}, tt.password)
		if got != tt.want || asked != tt.asked {
			t.Errorf("%s: got %v after asking the dearest %d times, want %v after %d", tt.name, got, asked, tt.want, tt.asked)
		}
	}
}

func TestPowersOfTwoAddUp(t *testing.T) {
	for n := -1; n < 5000; n++ {
		exponents, sum := powersOfTwo(n)
		for _, e := range exponents {
			if e < 4 {
				t.Fatalf("%d: bcrypt cannot do 2^%d", n, e)
			}
			sum += 1 << e
		}
		if sum != max(n, 0) {
			t.Errorf("%d was split into powers of %v, which make %d", n, exponents, sum)
		}
	}
	if exponents, rest := powersOfTwo(1<<12 - 1<<5); rest != 0 || !cmp.Equal(exponents, []int{5, 6, 7, 8, 9, 10, 11}) {
		t.Errorf("the difference of bcrypt 12 and 5 is split into %v and %d", exponents, rest)
	}
}

// Without the top-up the first of these would take a sixteenth of the time.
func TestWrongPasswordOfCheapHashTakesAsLongAsOfTheDearest(t *testing.T) {
	dearest := parsed(t, "$2y$08$"+strings.Repeat(".", 53))
	for _, text := range []string{
		"$2y$04$" + strings.Repeat(".", 53),
		"{SHA}" + strings.Repeat("A", 27) + "=",
		"$6$salt$" + strings.Repeat(".", 86),
	} {
		cheap := parsed(t, text)
		fast, slow := time.Hour, time.Hour
		for range 3 {
			start := time.Now()
			check(cheap, dearest, "wrong")
			middle := time.Now()
			check(nil, dearest, "wrong")
			fast, slow = min(fast, middle.Sub(start)), min(slow, time.Since(middle))
		}
		if fast < slow/4 {
			t.Errorf("%.6s: a wrong password takes %v, an unknown user %v", text, fast, slow)
		}
	}
}

func TestDearestHashIsTheDecoy(t *testing.T) {
	u, err := parseUsers("users", strings.Join([]string{
		"a:!", "b:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", "c:$2y$05$" + strings.Repeat("c", 53),
		"d:$2y$07$" + strings.Repeat("d", 53), "e:$2y$06$" + strings.Repeat("e", 53), "f:",
	}, "\n")+"\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := hash(bcryptHash("$2y$07$" + strings.Repeat("d", 53))); u.dearest != want {
		t.Errorf("got %v, want %v", u.dearest, want)
	}
}
