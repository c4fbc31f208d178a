package strict

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

func TestUserNamesOfEveryKindArePassedOn(t *testing.T) {
	for _, name := range []string{
		"a", "alice", "ALICE", "-", "*", "alice smith", `CORP\alice`, "alice@corp.example", `o"brien`, "o'brien", "a(b)c", "*)(uid=*", "cn=alice,dc=corp", "%u",
		"jörg", "Ærøskøbing", "иван", "ιωάννης", "山田太郎", "やまだtaro", "محمد", "नमस्ते", "иван@corp.example", `CORP\иван`, "maría del carmen",
	} {
		if err := checkUserName(name); err != nil {
			t.Errorf("checkUserName(%q): %v", name, err)
		}
	}
}

func refuseNames(t *testing.T, want error, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := checkUserName(name); !errors.Is(err, want) {
			t.Errorf("checkUserName(%+q): %v; want error %q", name, err, want)
		}
	}
}

func TestInsignificantBlanksInUserNameAreRefused(t *testing.T) {
	refuseNames(t, errUserBlank, "", " ", " alice", "alice ", "alice  smith", "a   b", " jörg", "jörg ")
}

func TestOtherBlanksInUserNameAreRefused(t *testing.T) {
	refuseNames(t, errUserControl, "a\tb", "\talice", "alice\n", "a\vb", "a\u0085b")
	refuseNames(t, errUserText,
		"a\u00a0b", "\u00a0alice", "alice\u00a0", "a\u1680b", "a\u2003b", "a\u2028b", "a\u2029b", "a\u202fb", "a\u205fb", "a\u3000b", "a\u2800\u3164b")
}

func TestInvisibleCharactersInUserNameAreRefused(t *testing.T) {
	refuseNames(t, errUserText,
		"ad\u200bmin", "ad\u200cmin", "ad\u200dmin", "admin\u2060", "\ufeffadmin", "ad\u00admin", "ad\u034fmin", "admin\ufe0f", "admin\u115f",
		"ad\u180bmin", "admin\U000e0001")
}

func TestBidirectionalControlsInUserNameAreRefused(t *testing.T) {
	refuseNames(t, errUserText, "\u202enimda", "a\u202ab", "a\u200eb", "a\u200fb", "a\u061cb", "a\u2066b\u2069")
}

func TestDecomposedUserNameIsRefused(t *testing.T) {
	refuseNames(t, errUserText, "jo\u0308rg", "e\u0301", "\u212b", "\u1100\u1161", "a\u0323\u0302")
}

func TestCompatibilityFormsInUserNameAreRefused(t *testing.T) {
	refuseNames(t, errUserText,
		"\uff41lice", "\uff20", "ﬁona", "ali\u017fe", "\u212aevin", "a\u00b2", "\u2460", "\u2122", "\uff76", "a\u2024b", "\u00aa")
}

func TestLettersThatFoldToASCIIAreRefused(t *testing.T) {
	refuseNames(t, errUserText, "adm\u0131n", "ADM\u0130N")
}

func TestUserNameWithAlphabetsMixedInOneWordIsRefused(t *testing.T) {
	refuseNames(t, errUserScripts, "\u0430dmin", "admi\u0578", "alic\u0435", "r\u03bfot", "adm\u0456n7", "bob \u0430dmin", "corp\\\u0430dmin")
}

func TestUnassignedAndPrivateCharactersInUserNameAreRefused(t *testing.T) {
	refuseNames(t, errUserText, "a\ue000", "a\u0378", "a\uffff", "a\U0010fffe", "a\ufdd0")
}

func TestASCIIUserNameIsCheckedWithoutAllocation(t *testing.T) {
	if got := testing.AllocsPerRun(100, func() { _ = checkUserName("alice.smith@corp.example") }); got != 0 {
		t.Errorf("checkUserName allocates %v times; want 0", got)
	}
}

func FuzzUserName(f *testing.F) {
	for _, name := range []string{"alice", " a", "a  b", "jörg", "jo\u0308rg", "\uff41", "\u017f", "\u200b", "\u202e", "a\u00a0", "\u0131", "\u0430dmin", "\xff", "山田"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if checkUserName(name) != nil {
			return
		}
		// Whatever a backend does to names before it compares them, it may not
		// arrive at another name that is accepted here as well.
		for what, got := range map[string]string{
			"NFC":           norm.NFC.String(name),
			"NFKC":          norm.NFKC.String(name),
			"trimmed":       strings.TrimSpace(name),
			"single blanks": strings.Join(strings.Fields(name), " "),
			"valid UTF-8":   strings.ToValidUTF8(name, ""),
			"visible":       strings.Map(dropInvisible, name),
		} {
			if got != name {
				t.Errorf("%+q is accepted but differs from its form %s, %+q", name, what, got)
			}
		}
		if lower := strings.ToLower(name); isASCII(lower) != isASCII(name) {
			t.Errorf("%+q is accepted and is %+q in lower case", name, lower)
		}
	})
}

func dropInvisible(r rune) rune {
	if unicode.In(r, unicode.C, unicode.Zl, unicode.Zp) {
		return -1
	}
	return r
}

// Letters and marks that are apart, as macOS sends them, are put together once, where
// a name comes in. What would become another name that way stays refused.
func TestLDAP11DecomposedNameIsComposedAtTheDoor(t *testing.T) {
	for typed, want := range map[string]string{"jo\u0308rg": "jörg", "JO\u0308RG": "JÖRG", "\u1100\u1161": "가", "a\u0323\u0302": "ậ", "jörg": "jörg", "alice": "alice"} {
		header := "Basic " + base64.StdEncoding.EncodeToString([]byte(typed+":e\u0301"))
		user, password, err := ParseBasic(header)
		if err != nil || user != want || password != "e\u0301" {
			t.Errorf("%+q: got %+q, %+q, %v, want %+q and the password as it was", typed, user, password, err, want)
		}
		if name, err := UserName(typed); err != nil || name != want {
			t.Errorf("%+q: got %+q, %v, want %+q", typed, name, err, want)
		}
	}
	for _, typed := range []string{"\u212aevin", "\u212b", "o\u0308\u212a", "jo\u0308rgö", "\uff41o\u0308", "o\u0308\u200b"} {
		if name, err := UserName(typed); err == nil {
			t.Errorf("%+q: got %+q, want a refusal", typed, name)
		}
	}
}
