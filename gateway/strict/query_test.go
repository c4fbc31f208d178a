package strict

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestQueryIsWrittenInCanonicalForm(t *testing.T) {
	for raw, want := range map[string]string{
		"n=10&last=app":                      "n=10&last=app",
		"_state=AbC-_%3D%3D&digest=sha256:0": "_state=AbC-_%3D%3D&digest=sha256:0",
		"last=a%2fb":                         "last=a%2Fb",
		"last=%61%2D%5f%7e%2E":               "last=a-_~.",
		"a=b+c&d=e%2bf":                      "a=b+c&d=e%2Bf",
		"u=http://h:1/x?y@z":                 "u=http://h:1/x?y@z",
		"a=%26b%3dc%3Bd%23%25":               "a=%26b%3Dc%3Bd%23%25",
		"a=[1]&b={x|y}^`\"<>":                "a=%5B1%5D&b=%7Bx%7Cy%7D%5E%60%22%3C%3E",
		"a&b=&=c&&d==e":                      "a&b=&=c&&d==e",
		"q=gr%c3%bcn":                        "q=gr%C3%BCn",
		"a=1&a=2&A=3":                        "a=1&a=2&A=3",
	} {
		got := parseTarget(t, "/v2/x?"+raw).String()
		if got != "/v2/x?"+want {
			t.Errorf("query %q goes on as %q; want %q", raw, got, want)
		}
	}
}

func TestQueryParametersAreDecodedInOrder(t *testing.T) {
	got := parseTarget(t, "/?b=2&a=x+y%2Bz&c&d=%3D%26&b=1").params
	want := []param{
		{"b", "2", "b=2"},
		{"a", "x y+z", "a=x+y%2Bz"},
		{"c", "", "c"},
		{"d", "=&", "d=%3D%26"},
		{"b", "1", "b=1"},
	}
	if diff := cmp.Diff(want, got, targetOptions); diff != "" {
		t.Errorf("parameters differ (-want +got):\n%s", diff)
	}
}

func TestBytesThatDoNotBelongInAQueryAreRefused(t *testing.T) {
	refuseTargets(t, errQueryByte, `/?a\b`, "/?a b", "/?a\x7f", "/?ä", "/?\xff", "/?a#b")
	for c := range 0x20 {
		refuseTargets(t, errQueryByte, "/?a="+string(rune(c)))
	}
}

func TestSemicolonIsNoQuerySeparator(t *testing.T) {
	refuseTargets(t, errQueryByte, "/?a=1;b=2", "/v2/a/blobs/uploads/?a;from=x", "/?;")
}

func TestMalformedEscapesInQueryAreRefused(t *testing.T) {
	refuseTargets(t, errTargetEscape, "/?a=%", "/?a=%4", "/?a=%zz", "/?%g1=b", "/?a=1&c=%zz&d=3")
}

func TestEncodedControlsInQueryAreRefused(t *testing.T) {
	for c := range 0x20 {
		refuseTargets(t, errQueryText, "/?a=b%"+hexByte(byte(c)), "/?%"+hexByte(byte(c))+"a=b")
	}
	refuseTargets(t, errQueryText, "/?a=%7f", "/?from%00x=a", "/?a=%c2%85")
}

func TestInvalidUTF8InQueryIsRefused(t *testing.T) {
	refuseTargets(t, errQueryText, "/?a=%ff", "/?%c0%afrom=x", "/?a=%ed%a0%80")
}

func TestQueryParametersAreCounted(t *testing.T) {
	parseTarget(t, "/?"+strings.Repeat("a&", maxParams-1)+"a")
	refuseTargets(t, errQueryCount, "/?"+strings.Repeat("a&", maxParams)+"a", "/?"+strings.Repeat("&", 10_000))
}

func TestRepeatedSecurityParametersAreRefused(t *testing.T) {
	refuseTargets(t, errQuerySecurity,
		"/?from=pub/a&from=sec/ret", "/?mount=a&x=1&mount=a", "/?from&from", "/?from=a&fr%6fm=b", "/?%6dount=a&mount=b")
}

func TestSecurityParametersInOtherCaseAreRefused(t *testing.T) {
	refuseTargets(t, errQuerySecurity, "/?From=a", "/?FROM=", "/?Mount=a", "/?mounT", "/?%46rom=a", "/?from=a&FROM=b")
}

func TestEncodedNameOfSecurityParameterIsDecoded(t *testing.T) {
	target := parseTarget(t, "/?fr%6Fm=a%2fb")
	if got, ok := target.Query("from"); got != "a/b" || !ok || target.String() != "/?from=a%2Fb" {
		t.Errorf("from = %q, %v in %q", got, ok, target)
	}
}

func TestWithoutQueryKeepsTheRestInOrder(t *testing.T) {
	for _, tt := range []struct{ raw, want string }{
		{"/v2/a?mount=d&from=r", "/v2/a"},
		{"/v2/a?x=1&mount=d&y=%3D&from=r&z", "/v2/a?x=1&y=%3D&z"},
		{"/v2/a?from=r", "/v2/a"},
		{"/v2/a?x=mount", "/v2/a?x=mount"},
		{"/v2/a", "/v2/a"},
		{"/v2/a?x=?&from=", "/v2/a?x=?"},
	} {
		original := parseTarget(t, tt.raw)
		got := original.WithoutQuery("mount", "from")
		if diff := cmp.Diff(parseTarget(t, tt.want), got, targetOptions); diff != "" {
			t.Errorf("%q without mount and from (-want +got):\n%s", tt.raw, diff)
		}
		if original.String() != tt.raw {
			t.Errorf("withoutQuery changed %q to %q", tt.raw, original)
		}
	}
}

func FuzzQuery(f *testing.F) {
	for _, raw := range []string{"", "a=1&b=2", "a=%2b+%20", "from=a&mount=b", "&&=", "a=%c3%a9", "a=[|]", "a;b", "FROM=x", "fr%6fm", "a=?/:@", "%00"} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		query, err := normalizeQuery(raw)
		if err != nil {
			return
		}
		if again, err := normalizeQuery(query); err != nil || again != query {
			t.Errorf("normalizeQuery(%q) = %q, then %q, %v", raw, query, again, err)
		}
		params, err := parseParams(query)
		if err != nil {
			if _, ok := errors.AsType[Error](err); !ok {
				t.Errorf("parseParams(%q): error of an unknown kind: %v", query, err)
			}
			return
		}
		checkAgainstNetURL(t, raw, params)
		checkAgainstNetURL(t, query, params)
	})
}

// checkAgainstNetURL compares the parameters with how an independent parser, that
// of most registries, reads the query.
func checkAgainstNetURL(t *testing.T, query string, params []param) {
	t.Helper()
	want, err := url.ParseQuery(query)
	if err != nil {
		t.Fatalf("net/url refuses query %q: %v", query, err)
	}
	got := url.Values{}
	for _, p := range params {
		if p.text != "" {
			got.Add(p.name, p.value)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("net/url reads %q otherwise (-net/url +ours):\n%s", query, diff)
	}
}
