package token

import (
	"encoding/base64"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"gatehouse/backend"
)

func keyring(t testing.TB, keys ...Key) *Keyring {
	t.Helper()
	r, err := NewKeyring(keys)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func seal(t testing.TB, r *Keyring, tok Token) string {
	t.Helper()
	text, err := r.Seal(Access, tok)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// sample is a token as a user of a directory has it.
func sample() Token {
	return Token{
		ID: NewID(), Issued: 1_790_000_000, Expires: 1_790_003_600, Service: "registry.corp.example",
		Identity: backend.Identity{
			User: "alice", Handle: "uid=alice,ou=people,dc=corp,dc=example", Source: "corp",
			Anchor: "entryUUID:3f2a0000-1111-2222-3333-444455556666", Changed: "pwdChangedTime:2026-01-01T00:00:00.000000000Z", OnGrace: true,
		},
		Scopes: "repository:team/app:pull,push",
	}
}

func TestOpenReturnsWhatWasSealed(t *testing.T) {
	old, new := NewKey(time.Now()), NewKey(time.Now())
	before, after := keyring(t, old), keyring(t, new, old)
	for name, tok := range map[string]Token{"user": sample(), "anonymous": {ID: NewID(), Service: "a"}} {
		text := seal(t, before, tok)
		for _, r := range []*Keyring{before, after} { // a replica that has the next key already
			if got, err := r.Open(Access, text); err != nil || got != tok {
				t.Errorf("%s: got %+v, %v, want %+v", name, got, err, tok)
			}
		}
		if _, err := before.Open(Access, seal(t, after, tok)); err != ErrUnknownKey {
			t.Errorf("%s: a token of a key that is not there: %v", name, err)
		}
	}
	text := seal(t, before, sample())
	if sealed, _ := base64.RawURLEncoding.DecodeString(text[5:]); strings.Contains(string(sealed), "alice") {
		t.Error("a token can be read")
	}
	if len(text) > 400 {
		t.Errorf("a token has %d bytes", len(text))
	}
}

// A key by the name of another one opens nothing of it, nor does one of another purpose,
// of which the cipher stands for the second that there is not yet.
func TestT2WrongKeyOpensNothing(t *testing.T) {
	k := NewKey(time.Now())
	other := NewKey(time.Now())
	other.id = k.id
	text := seal(t, keyring(t, k), sample())
	if _, err := keyring(t, other).Open(Access, text); err != ErrMalformed {
		t.Errorf("another key of that name: %v", err)
	}
	foreign := keyring(t, k)
	foreign.keys[k.id][Access].context = []byte("refresh " + k.id)
	if _, err := foreign.Open(Access, text); err != ErrMalformed {
		t.Errorf("another purpose: %v", err)
	}
}

func TestT2ChangedTokenIsNone(t *testing.T) {
	r := keyring(t, NewKey(time.Now()))
	text := seal(t, r, sample())
	encoded := strings.TrimPrefix(text, "gtha_")
	raw, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	var changed []string
	for i := range raw {
		for bit := range 8 {
			b := append([]byte{}, raw...)
			b[i] ^= 1 << bit
			changed = append(changed, "gtha_"+base64.RawURLEncoding.EncodeToString(b))
		}
	}
	for i := range text {
		changed = append(changed, text[:i], text[:i]+"\n"+text[i:], text[:i]+"A"+text[i:])
	}
	changed = append(changed, text+"=", "gthr_"+encoded, encoded, strings.ToUpper(text), "gtha_"+strings.Repeat("A", MaxLength))
	for _, c := range changed {
		if got, err := r.Open(Access, c); err == nil {
			t.Fatalf("%q was opened: %+v", c, got)
		}
	}
}

// mutationsVariable says how many changed tokens are tried.
const mutationsVariable = "GATEHOUSE_TEST_TOKENS"

func mutations() int {
	if n, err := strconv.Atoi(os.Getenv(mutationsVariable)); err == nil {
		return n
	}
	return 100_000
}

func TestT2NoMutatedTokenIsOpened(t *testing.T) {
	r := keyring(t, NewKey(time.Now()), NewKey(time.Now()))
	random := rand.New(rand.NewPCG(1, 2))
	text := seal(t, r, sample())
	second := seal(t, r, sample())
	for range mutations() {
		b := []byte(text)
		for range 1 + random.IntN(4) {
			switch at := random.IntN(len(b)); random.IntN(4) {
			case 0:
				b[at] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[random.IntN(64)]
			case 1:
				b = b[:max(at, 1)]
			case 2:
				b = append(b[:at:at], second[min(at, len(second)):]...)
			default:
				b[at] ^= 1 << random.IntN(8)
			}
			if len(b) == 0 {
				b = []byte("g")
			}
		}
		if c := string(b); c != text && c != second {
			if got, err := r.Open(Access, c); err == nil {
				t.Fatalf("%q was opened: %+v", c, got)
			}
		}
	}
}

func FuzzOpen(f *testing.F) {
	r, err := NewKeyring([]Key{NewKey(time.Now())})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seal(f, r, sample()))
	f.Add("gtha_")
	f.Fuzz(func(t *testing.T, text string) {
		if tok, err := r.Open(Access, text); err == nil && tok.Service != sample().Service {
			t.Errorf("%q was opened: %+v", text, tok)
		}
	})
}

// What is sealed is never from a stranger, but it may be from another version.
func FuzzDecode(f *testing.F) {
	f.Add(string(sample().encode()))
	f.Fuzz(func(t *testing.T, s string) {
		tok, err := decode(s)
		if err == nil && string(tok.encode()) != s && len(tok.encode()) > len(s) {
			t.Errorf("%q reads as %+v", s, tok)
		}
	})
}

func TestOpenAllocatesNoMoreThanTwice(t *testing.T) {
	r := keyring(t, NewKey(time.Now()))
	text := seal(t, r, sample())
	if n := testing.AllocsPerRun(1000, func() {
		if _, err := r.Open(Access, text); err != nil {
			t.Fatal(err)
		}
	}); n > 1 {
		t.Errorf("%v allocations, want 1", n)
	}
}

// processTime returns how long the process has worked so far, in nanoseconds. Other
// processes on the machine change it less than the clock.
func processTime() int64 {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err)
	}
	return used.Utime.Nano() + used.Stime.Nano()
}

func BenchmarkOpen(b *testing.B) {
	local := sample()
	local.Identity = backend.Identity{User: "alice", Source: "local"}
	for name, tok := range map[string]Token{"directory": sample(), "password file": local} {
		b.Run(name, func(b *testing.B) {
			r := keyring(b, NewKey(time.Now()))
			text := seal(b, r, tok)
			b.ReportAllocs()
			begin := processTime()
			for b.Loop() {
				if _, err := r.Open(Access, text); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(processTime()-begin)/float64(b.N), "cpu-ns/op")
		})
	}
}

func TestSealRefusesWhatIsTooLong(t *testing.T) {
	tok := sample()
	tok.Scopes = Scopes(strings.Repeat("repository:a:pull ", 300))
	if _, err := keyring(t, NewKey(time.Now())).Seal(Access, tok); err != ErrTooLong {
		t.Errorf("got %v", err)
	}
}

// A token opens under the name of its key alone, even where two keys are the same, and in
// one spelling: whoever looks for a token in logs must find it.
func TestT2TokenHasOneSpellingAndOneKey(t *testing.T) {
	one := NewKey(time.Now())
	two := one
	two.id = "2026-01-01-abcdef"[:len(one.id)]
	r := keyring(t, one, two)
	tok := sample()
	for range 3 { // lengths of which some leave bits over
		tok.Service += "a"
		text := seal(t, r, tok)
		raw, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(text, "gtha_"))
		if err != nil {
			t.Fatal(err)
		}
		copy(raw[1:], two.id)
		if _, err := r.Open(Access, "gtha_"+base64.RawURLEncoding.EncodeToString(raw)); err == nil {
			t.Error("it opens under the name of another key")
		}
		for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" {
			other := text[:len(text)-1] + string(c)
			if _, err := r.Open(Access, other); (err == nil) != (other == text) {
				t.Errorf("%q opens as %q does", other, text)
			}
		}
	}
}

// What is longer than a token can be is none, although it was sealed.
func TestT2TokenIsNoLongerThanMaxLength(t *testing.T) {
	k := NewKey(time.Now())
	r := keyring(t, k)
	tok := sample()
	tok.Scopes = Scopes(strings.Repeat("a", MaxLength))
	nonce := make([]byte, nonceSize)
	sealed := append([]byte{byte(len(k.id))}, k.id...)
	sealed = append(sealed, nonce...)
	sealed = r.keys[k.id][Access].aead.Seal(sealed, nonce, tok.encode(), r.keys[k.id][Access].context)
	if _, err := r.Open(Access, "gtha_"+base64.RawURLEncoding.EncodeToString(sealed)); err != ErrMalformed {
		t.Errorf("got %v", err)
	}
}

// A token of another version of the gateway is none, and not half of one.
func TestDecodeTakesWholeTokensAlone(t *testing.T) {
	whole := string(sample().encode())
	if got, err := decode(whole); err != nil || got.Identity != sample().Identity {
		t.Fatalf("got %+v, %v", got, err)
	}
	texts := []string{"", whole + "x", "\x00" + whole[1:], "\x03" + whole[1:], whole[:fixedSize-1] + "\x02" + whole[fixedSize:]}
	for i := range whole {
		texts = append(texts, whole[:i])
	}
	for _, s := range texts {
		if got, err := decode(s); err == nil {
			t.Errorf("%q is %+v", s, got)
		}
	}
}

// Tokens that were sealed before there were Via and Own count until they end.
func TestDecodeTakesTokensOfBefore(t *testing.T) {
	want := sample()
	want.Via, want.Own = "", ""
	now := string(want.encode())
	got, err := decode("\x01" + now[1:len(now)-2])
	if err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := decode("\x01" + now[1:]); err == nil {
		t.Error("a token of before with what there was not")
	}
}
