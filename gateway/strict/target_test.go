package strict

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

var targetOptions = cmp.AllowUnexported(Target{}, param{})

func parseTarget(t *testing.T, raw string) Target {
	t.Helper()
	target, err := ParseTarget(raw)
	if err != nil {
		t.Fatalf("ParseTarget(%q): %v", raw, err)
	}
	return target
}

func refuseTargets(t *testing.T, want error, targets ...string) {
	t.Helper()
	for _, raw := range targets {
		if got, err := ParseTarget(raw); !errors.Is(err, want) {
			t.Errorf("ParseTarget(%q) = %q, %v; want error %q", raw, got, err, want)
		}
	}
}

func TestOrdinaryTargetsPassUnchanged(t *testing.T) {
	for _, raw := range []string{
		"/",
		"/v2",
		"/v2/",
		"/v2/library/app/manifests/latest",
		"/v2/a/b/c/manifests/v1.0.0-rc.1",
		"/v2/library/app/blobs/sha256:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b",
		"/v2/app/blobs/uploads/",
		"/v2/app/tags/...",
		"/v2/_catalog?n=100&last=library%2Fapp",
		"/v2/a/.hidden/..b/c..",
		"/a!$&'()*+,=:@~-._z",
		"/files/a%20b%22%3C%3E%5B%5D%5E%60%7B%7C%7D",
		"/files/gr%C3%BC%C3%9Fe/%E6%97%A5%E6%9C%AC",
	} {
		if got := parseTarget(t, raw).String(); got != raw {
			t.Errorf("ParseTarget(%q).String() = %q; want it unchanged", raw, got)
		}
	}
}

func TestPathIsDecodedOnceAndWrittenInCanonicalForm(t *testing.T) {
	for _, tt := range []struct{ raw, path, text string }{
		{"/v2/%70rivate/x", "/v2/private/x", "/v2/private/x"},
		{"/%76%32/", "/v2/", "/v2/"},
		{"/v2/%7Euser%2Dx%5Fy", "/v2/~user-x_y", "/v2/~user-x_y"},
		{"/a%3ab%40c%2bd%21%24%27%28%29%2A%2C%3D", "/a:b@c+d!$'()*,=", "/a:b@c+d!$'()*,="},
		{"/a%c3%a9", "/aé", "/a%C3%A9"},
		{"/a%5bb%5d", "/a[b]", "/a%5Bb%5D"},
		{"/a%20b", "/a b", "/a%20b"},
		{"/v2/?", "/v2/", "/v2/"},
		{"/v2/%61?n=%31", "/v2/a", "/v2/a?n=1"},
	} {
		got := parseTarget(t, tt.raw)
		if got.Path != tt.path || got.String() != tt.text {
			t.Errorf("ParseTarget(%q) = path %q, text %q; want %q, %q", tt.raw, got.Path, got, tt.path, tt.text)
		}
	}
}

func TestAbsoluteFormIsTakenApart(t *testing.T) {
	for _, tt := range []struct{ raw, host, text string }{
		{"http://registry.example/v2/", "registry.example", "/v2/"},
		{"HTTPS://Registry.Example:5043/v2/%61?n=1", "Registry.Example:5043", "/v2/a?n=1"},
		{"https://[::1]:5043/", "[::1]:5043", "/"},
	} {
		got := parseTarget(t, tt.raw)
		if got.Host != tt.host || got.String() != tt.text {
			t.Errorf("ParseTarget(%q) = host %q, text %q; want %q, %q", tt.raw, got.Host, got, tt.host, tt.text)
		}
	}
}

func TestAbsoluteFormWithBadAuthorityIsRefused(t *testing.T) {
	refuseTargets(t, errHost, "http:///v2/", "http://user@host/v2/", "http://a b/v2/", "http://h?x/v2/", `http://h\@evil/v2/`)
	refuseTargets(t, errHostPort, "http://host:0/v2/", "http://host:/v2/")
}

func TestTargetsOfOtherFormsAreRefused(t *testing.T) {
	refuseTargets(t, errTargetForm,
		"", "*", "v2/", "host:443", "registry.example", "?a=b", "#",
		"ftp://host/v2/", "file:///v2/", "javascript://host/v2/", "httpſ://host/v2/", "://host/v2/",
		"http:/v2/", "http://", "http://host", "https://host?x=1")
}

func TestDotSegmentsAreRefused(t *testing.T) {
	refuseTargets(t, errPathDots,
		"/.", "/..", "/../", "/./v2/", "/v2/./x", "/v2/.", "/v2/..", "/v2/public/../private/x", "/v2/../../v2/",
		"http://host/v2/../x")
}

func TestEncodedDotSegmentsAreRefused(t *testing.T) {
	refuseTargets(t, errPathEscape,
		"/v2/%2e%2e/private/x", "/v2/public/%2E./private", "/v2/public/.%2e/private", "/%2e/v2/", "/v2/a%2eb")
}

func TestEmptySegmentsAreRefused(t *testing.T) {
	refuseTargets(t, errPathEmptyParts, "//", "//v2/", "/v2//x", "/v2//", "/v2/private//x", "//evil.example/v2/", "http://host//v2/")
}

func TestEncodedSlashesAreRefused(t *testing.T) {
	refuseTargets(t, errPathEscape, "/v2%2fprivate", "/v2/private%2Fx", "/%2f", "/v2/..%2f", "/v2/tags%2Flist")
}

func TestDoubleEncodingIsRefused(t *testing.T) {
	refuseTargets(t, errPathEscape, "/v2/%252e%252e/private", "/v2/%25252e", "/v2/a%25", "/v2/a%252fb")
}

func TestBackslashesAreRefused(t *testing.T) {
	refuseTargets(t, errPathByte, `/v2/public\..\private`, `/\v2`)
	refuseTargets(t, errPathEscape, "/v2/public%5c..%5Cprivate")
}

func TestPathParametersAreRefused(t *testing.T) {
	refuseTargets(t, errPathByte, "/v2/private;a=b/x", "/v2/public/..;/private", "/v2;")
	refuseTargets(t, errPathEscape, "/v2/private%3ba=b", "/v2/..%3B/x")
}

func TestControlCharactersInPathAreRefused(t *testing.T) {
	for c := range 0x21 {
		refuseTargets(t, errPathByte, "/v2/a"+string(rune(c))+"b")
	}
	refuseTargets(t, errPathByte, "/v2/\x7f")
	for c := range 0x20 {
		refuseTargets(t, errPathEscape, "/v2/a%"+hexByte(byte(c))+"b")
	}
	refuseTargets(t, errPathEscape, "/v2/a%7f", "/v2/%0d%0aX:y", "/v2/private%00/x")
	refuseTargets(t, errPathText, "/v2/a%C2%80", "/v2/a%C2%85", "/v2/a%C2%9F")
}

func hexByte(c byte) string {
	const hex = "0123456789abcdef"
	return string([]byte{hex[c>>4], hex[c&15]})
}

func TestEncodedDelimitersInPathAreRefused(t *testing.T) {
	refuseTargets(t, errPathEscape, "/v2/private%3fx", "/v2/private%3F", "/v2/a%23b", "/v2/a%26b")
}

func TestFragmentsAreRefused(t *testing.T) {
	refuseTargets(t, errPathByte, "/v2/#", "/v2/a#b")
	refuseTargets(t, errQueryByte, "/v2/?a#b")
}

func TestBytesThatDoNotBelongInAPathAreRefused(t *testing.T) {
	for _, c := range "\"<>[]^`{|}" {
		refuseTargets(t, errPathByte, "/v2/a"+string(c)+"b")
	}
}

func TestRawNonASCIIPathIsRefused(t *testing.T) {
	refuseTargets(t, errPathByte, "/v2/priväte", "/v2/\xff", "/v2/\xe4", "/v2/\u2044", "/v2/\uff0f")
}

func TestMalformedPercentEncodingIsRefused(t *testing.T) {
	refuseTargets(t, errTargetEscape, "/v2/%", "/v2/%4", "/v2/%zz", "/v2/%4g", "/v2/%g4", "/v2/%%41", "/v2/%u002e", "/v2/% 41", "/v2/%+1")
}

func TestInvalidUTF8InPathIsRefused(t *testing.T) {
	refuseTargets(t, errPathText, "/v2/%ff", "/v2/%e4", "/v2/%c3", "/v2/%80", "/v2/%ed%a0%80", "/v2/%f4%90%80%80")
}

func TestOverlongUTF8IsRefused(t *testing.T) {
	refuseTargets(t, errPathText, "/v2/%c0%af", "/v2/%e0%80%af", "/v2/%f0%80%80%af", "/v2/%c0%ae%c0%ae/x", "/v2/%c1%a1")
}

func TestUnicodeLookalikesInPathAreRefused(t *testing.T) {
	for name, text := range map[string]string{
		"full-width slash":     "\uff0f",
		"full-width letter":    "\uff41lice",
		"one dot leader":       "\u2024\u2024",
		"two dot leader":       "\u2025",
		"long s":               "\u017fecret",
		"Kelvin sign":          "\u212aey",
		"ligature":             "\ufb01le",
		"NFD":                  "e\u0301",
		"zero-width space":     "a\u200bb",
		"zero-width joiner":    "a\u200db",
		"byte order mark":      "\ufeffa",
		"bidi override":        "a\u202eb",
		"bidi isolate":         "a\u2066b",
		"soft hyphen":          "a\u00adb",
		"no-break space":       "a\u00a0b",
		"ogham space":          "a\u1680b",
		"ideographic space":    "a\u3000b",
		"line separator":       "a\u2028b",
		"combining joiner":     "a\u034fb",
		"variation selector":   "a\ufe0fb",
		"Hangul filler":        "a\u1160b",
		"private use":          "a\ue000b",
		"noncharacter":         "a\uffffb",
		"unassigned":           "a\u0378b",
		"tag":                  "a\U000e0041b",
		"language tag":         "a\U000e0001b",
		"interlinear anchor":   "a\ufff9b",
		"Mongolian separator":  "a\u180eb",
		"Khmer inherent vowel": "a\u17b4b",
	} {
		t.Run(name, func(t *testing.T) {
			refuseTargets(t, errPathText, "/v2/"+url.PathEscape(text))
		})
	}
}

func TestErrorsDoNotRepeatTheTarget(t *testing.T) {
	for _, raw := range []string{"canary", "/canary/..", "/canary%zz", "/canary?from=canary&from=canary", "http://canary canary/"} {
		if _, err := ParseTarget(raw); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("ParseTarget(%q): error %v; want one without the input", raw, err)
		}
	}
}

func TestOrdinaryTargetsAreParsedWithoutAllocation(t *testing.T) {
	for _, raw := range []string{"/v2/library/app/blobs/sha256:6c3c624b58dbbcd3", "/v2/library/app/manifests/v1.0"} {
		got := testing.AllocsPerRun(100, func() {
			if _, err := ParseTarget(raw); err != nil {
				t.Error(err)
			}
		})
		if got != 0 {
			t.Errorf("ParseTarget(%q) allocates %v times; want 0", raw, got)
		}
	}
}

func BenchmarkParseTarget(b *testing.B) {
	for name, raw := range map[string]string{
		"blob":          "/v2/library/app/blobs/sha256:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b",
		"upload":        "/v2/library/app/blobs/uploads/0b2c?_state=eyJOYW1lIjoiYXBwIn0%3D&digest=sha256%3A6c3c624b58dbbcd3",
		"hostile 8 KiB": "/" + strings.Repeat("%41/", 2047),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ParseTarget(raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func FuzzTarget(f *testing.F) {
	for _, raw := range []string{
		"/", "/v2/", "/v2/library/app/manifests/latest", "/v2/a/blobs/uploads/?mount=sha256:ab&from=b/c",
		"/v2/%70rivate", "/v2/%252e", "/v2/%2e%2e/", "/v2//", "/a%c3%a9", "/%c0%af", "/e%cc%81", "/%ef%bc%8f",
		"http://host:80/v2/?a=b", "https://[::1]/", "*", "host:1", "/a;b", "/a?b;c", "/?&&=&a=%zz", "/?a=[b]&c=%5b", "/?Mount=1", "/a%20b%7f",
	} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := ParseTarget(raw)
		if err != nil {
			return
		}
		again, err := ParseTarget(got.String())
		again.Host = got.Host
		if err != nil {
			t.Fatalf("ParseTarget(%q) = %q, which is refused: %v", raw, got, err)
		}
		if diff := cmp.Diff(got, again, targetOptions); diff != "" {
			t.Errorf("ParseTarget(%q) = %q, which parses differently:\n%s", raw, got, diff)
		}
		checkHarmless(t, got)
	})
}

// checkHarmless compares the target with how an independent parser reads it.
func checkHarmless(t *testing.T, target Target) {
	t.Helper()
	u, err := url.ParseRequestURI(target.String())
	if err != nil {
		t.Fatalf("net/url refuses %q: %v", target, err)
	}
	if u.Path != target.Path || u.Host != "" || u.Fragment != "" {
		t.Errorf("net/url reads %q as path %q; want %q", target, u.Path, target.Path)
	}
	for segment := range strings.SplitSeq(target.Path, "/") {
		if segment == "." || segment == ".." {
			t.Errorf("path %q has a dot segment", target.Path)
		}
	}
	if strings.Contains(target.Path, "//") || strings.ContainsAny(target.Path, `\;?#%`) ||
		strings.ContainsFunc(target.Path, unicode.IsControl) || !strings.HasPrefix(target.Path, "/") {
		t.Errorf("path %q is not canonical", target.Path)
	}
	if strings.ContainsFunc(target.String(), func(r rune) bool { return r <= ' ' || r > '~' }) {
		t.Errorf("text %q is not of visible ASCII", target)
	}
}
