package strict

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

func basicHeader(pair string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(pair))
}

func TestBasicCredentialsReachTheBackendByteForByte(t *testing.T) {
	for _, tt := range []struct{ user, password string }{
		{"alice", "secret"},
		{"alice", "with:colons::"},
		{"alice", ":"},
		{"alice", " edge blanks "},
		{"alice", "pässword 🔑"},
		{"alice", "e\u0301 not NFC"},
		{"alice", "latin-1 \xe4\xff\x80"},
		{"alice", "*)(uid=*"},
		{`CORP\alice`, "x"},
		{"alice@corp.example", "x"},
		{"jörg müller", "x"},
		{strings.Repeat("u", 1024), strings.Repeat("p", 1024)},
	} {
		user, password, err := ParseBasic(basicHeader(tt.user + ":" + tt.password))
		if user != tt.user || password != tt.password || err != nil {
			t.Errorf("parseBasic of %q, %q = %q, %q, %v", tt.user, tt.password, user, password, err)
		}
	}
}

func TestBasicSchemeIgnoresCase(t *testing.T) {
	for _, scheme := range []string{"Basic", "basic", "BASIC", "bAsIc"} {
		if user, _, err := ParseBasic(scheme + " YTpi"); user != "a" || err != nil {
			t.Errorf("scheme %q: user %q, %v; want a", scheme, user, err)
		}
	}
}

func refuseBasic(t *testing.T, want error, headers ...string) {
	t.Helper()
	for _, header := range headers {
		if user, password, err := ParseBasic(header); user != "" || password != "" || !errors.Is(err, want) {
			t.Errorf("parseBasic(%.80q) = %q, %.80q, %v; want error %q", header, user, password, err, want)
		}
	}
}

func refusePairs(t *testing.T, want error, pairs ...string) {
	t.Helper()
	for _, pair := range pairs {
		refuseBasic(t, want, basicHeader(pair))
	}
}

func TestOtherSchemesAreRefused(t *testing.T) {
	refuseBasic(t, errBasicScheme,
		"", " ", "Bearer YTpi", "Digest YTpi", "Negotiate YTpi", "Basi YTpi", "BasicYTpi", "Basicx YTpi", "YTpi", "Basic\tYTpi", " Basic YTpi", "baſic YTpi",
		"Basic: YTpi", "\"Basic\" YTpi")
}

func TestMoreThanOneBlankAfterTheSchemeIsRefused(t *testing.T) {
	refuseBasic(t, errBasicEncoding, "Basic  YTpi", "Basic \tYTpi", "Basic YTpi ", "Basic YTpi\t", "Basic Y Tpi")
}

func TestListOfCredentialsIsRefused(t *testing.T) {
	refuseBasic(t, errBasicEncoding, "Basic YTpi, Basic YTpi", "Basic YTpi,Basic YTpi", "Basic YTpi,", "Basic YTpi; q=1")
	refuseBasic(t, errBasicScheme, "Bearer x, Basic YTpi")
}

func TestMalformedBase64IsRefused(t *testing.T) {
	for name, header := range map[string]string{
		"no padding":          "Basic YTpiYg",
		"short padding":       "Basic YTpiYg=",
		"extra padding":       "Basic YTpiYg===",
		"padding of nothing":  "Basic YTpi====",
		"URL alphabet":        "Basic YTo_-w==",
		"trailing garbage":    "Basic YTpi!",
		"after the padding":   "Basic YTpiYg==YTpi",
		"line feed":           "Basic YT\npi",
		"carriage return":     "Basic YTpi\r\n",
		"only padding":        "Basic ====",
		"a single character":  "Basic Y",
		"NUL":                 "Basic YTpi\x00",
		"percent-encoding":    "Basic YTpiYg%3D%3D",
		"trailing line break": "Basic YTpi\n",
	} {
		t.Run(name, func(t *testing.T) { refuseBasic(t, errBasicEncoding, header) })
	}
}

func TestOtherSpellingOfTheSameBytesInBase64IsRefused(t *testing.T) {
	if _, _, err := ParseBasic("Basic YTpiYg=="); err != nil {
		t.Fatalf("the canonical spelling is refused: %v", err)
	}
	refuseBasic(t, errBasicEncoding, "Basic YTpiYh==", "Basic YTpiYv==", "Basic YTpiYmN=")
}

func TestCredentialsWithoutColonAreRefused(t *testing.T) {
	refusePairs(t, errBasicPair, "alice", "", " ")
	refuseBasic(t, errBasicPair, "Basic", "Basic ")
}

func TestEmptyUserOrPasswordIsRefused(t *testing.T) {
	refusePairs(t, errBasicPair, "alice:", ":secret", ":", "::x")
}

func TestControlCharactersInCredentialsAreRefused(t *testing.T) {
	controls := []string{"\u0080", "\u0085", "\u009f", "\x7f"}
	for c := range 0x20 {
		controls = append(controls, string(rune(c)))
	}
	for _, c := range controls {
		refusePairs(t, errBasicControl, "alice:"+c, "alice:good"+c+"junk", "alice:good"+c, "alice:\xff"+c)
		refusePairs(t, errUserControl, "bob"+c+"x:secret", c+"bob:secret", "bob"+c+":secret", "jörg"+c+":secret")
	}
}

func TestOverlongCredentialsAreRefused(t *testing.T) {
	refusePairs(t, errBasicLength,
		strings.Repeat("u", 1025)+":p",
		"u:"+strings.Repeat("p", 1025),
		"u:"+strings.Repeat("p", 1<<20))
	refuseBasic(t, errBasicLength, "Basic "+strings.Repeat("=", 3<<10), strings.Repeat(" ", 1<<20))
}

func TestUserNameThatIsNotUTF8IsRefused(t *testing.T) {
	refusePairs(t, errUserText, "j\xf6rg:secret", "\xff:secret", "\xc0\xae:secret", "\xed\xa0\x80:secret")
}

func TestCredentialErrorsDoNotRepeatTheCredentials(t *testing.T) {
	for _, header := range []string{
		basicHeader("canary"), basicHeader("canary:"), basicHeader("canary:canary\x00"), basicHeader(" canary:canary"), basicHeader("canar\uff59:canary"),
		"canary Y2FuYXJ5", "Basic canary", "Basic canary!",
	} {
		_, _, err := ParseBasic(header)
		if err == nil || strings.Contains(err.Error(), "canar") || strings.Contains(err.Error(), "Y2FuYXJ5") {
			t.Errorf("parseBasic(%q): error %v; want one without the input", header, err)
		}
	}
}

func FuzzBasic(f *testing.F) {
	for _, header := range []string{
		"Basic YTpi", "basic YTpiYg==", "Basic YTpiYh==", "Basic  YTpi", "Basic YTpi\n", "Basic YTo=", "Basic OmI=", "Bearer x", "Basic YTpi,Basic YTpi",
		basicHeader("jörg:\xff"), basicHeader("a:b\x00"), basicHeader("a  b:c"),
	} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		user, password, err := ParseBasic(header)
		if err != nil {
			if user != "" || password != "" {
				t.Errorf("parseBasic(%q) returns %q, %q beside an error", header, user, password)
			}
			return
		}
		if want := basicHeader(user + ":" + password); header[len("Basic"):] != want[len("Basic"):] {
			t.Errorf("%q and %q are spellings of the same credentials", header, want)
		}
		if user == "" || password == "" || strings.Contains(user, ":") || !utf8.ValidString(user) ||
			strings.ContainsAny(user+password, "\x00\r\n\x7f") || checkUserName(user) != nil {
			t.Errorf("parseBasic(%q) = %q, %q", header, user, password)
		}
	})
}
