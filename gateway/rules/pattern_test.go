package rules

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"gatehouse/gateway/strict"
)

func mustPattern(t testing.TB, text string) Pattern {
	t.Helper()
	p, err := ParsePattern(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPatternMatchesWholeSegments(t *testing.T) {
	tests := []struct {
		Pattern string
		match   []string
		miss    []string
	}{
		{"/", []string{"/"}, []string{"/v2", "/v2/"}},
		{"/v2", []string{"/v2", "/v2/"}, []string{"/", "/v2/x", "/v2x", "/V2", "/xv2"}},
		{"/v2/_catalog/", []string{"/v2/_catalog", "/v2/_catalog/"}, []string{"/v2/_catalog/x", "/v2/_CATALOG"}},
		{"/v2/*", []string{"/v2/a", "/v2/a/", "/v2/*", "/v2/**"}, []string{"/v2", "/v2/", "/v2/a/b"}},
		{"/v2/**", []string{"/v2", "/v2/", "/v2/a", "/v2/a/b/c"}, []string{"/v2x", "/v2x/a", "/"}},
		{"/**", []string{"/", "/v2", "/v2/a/b"}, nil},
		{"/v2/team/**", []string{"/v2/team", "/v2/team/app/manifests/1"}, []string{"/v2/teams/app", "/v2/x/team/app"}},
		{"/v2/*/manifests/*", []string{"/v2/a/manifests/1"}, []string{"/v2/a/b/manifests/1", "/v2/manifests/1", "/v2/a/manifests"}},
		{"/v2/**/manifests/*", []string{"/v2/a/manifests/1", "/v2/a/b/manifests/1", "/v2/manifests/1", "/v2/manifests/manifests/1"}, []string{"/v2/a/manifests/1/2", "/v2/a/Manifests/1"}},
		{"/**/a/**/b/**", []string{"/a/b", "/x/a/y/b/z", "/a/a/b/b"}, []string{"/b/a", "/a", "/ab"}},
		{"/**/**/a", []string{"/a", "/x/y/a"}, []string{"/", "/a/b"}},
		{"/v2/日本/*", []string{"/v2/日本/x"}, []string{"/v2/日/x"}},
	}
	for _, tt := range tests {
		p := mustPattern(t, tt.Pattern)
		for _, path := range tt.match {
			if !p.match(path) {
				t.Errorf("%s does not match %s", tt.Pattern, path)
			}
		}
		for _, path := range tt.miss {
			if p.match(path) {
				t.Errorf("%s matches %s", tt.Pattern, path)
			}
		}
	}
}

func TestParsePatternRefusesWhatItCannotMean(t *testing.T) {
	tests := []struct{ text, want string }{
		{"", `begin with "/"`},
		{"v2/x", `begin with "/"`},
		{"^/v2/.*$", "no regular expression"},
		{"/v2//x", "empty"},
		{"//", "empty"},
		{"/v2/x//", "empty"},
		{"/v2/./x", `".."`},
		{"/v2/../x", `".."`},
		{"/v2/..", `".."`},
		{"/v2/foo*", "stands for whole segments only"},
		{"/v2/*foo/x", "stands for whole segments only"},
		{"/v2/***", "stands for whole segments only"},
		{"/v2/.*", "stands for whole segments only"},
		{"/v2/x?n=1", "without the query"},
		{"/v2/te%61m", "decoded path"},
		{"/v2/a;b", "can match nothing"},
		{`/v2\x`, "can match nothing"},
		{"/v2/#x", "can match nothing"},
		{"/v2/x\n", "can match nothing"},
		{"/v2/\x00", "can match nothing"},
		{"/v2/\xff", "can match nothing"},
		{"/v2/／x", "can match nothing"},
		{strings.Repeat("/a", maxSegments+1), "more than 64 segments"},
	}
	for _, tt := range tests {
		p, err := ParsePattern(tt.text)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("parsePattern(%q) = %v, %v; want an error with %q", tt.text, p, err, tt.want)
		}
	}
}

func TestPatternWithManyWildcardsStaysFast(t *testing.T) {
	p := mustPattern(t, strings.Repeat("/**/a", maxSegments/2-1)+"/b")
	path := strings.Repeat("/a", 5000)
	start := time.Now()
	if p.match(path) {
		t.Error("match of a path that does not end in /b")
	}
	// Exponential backtracking would outlast any ceiling.
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("match took %v", took)
	}
}

func TestPatternCovers(t *testing.T) {
	tests := []struct {
		p, q string
		want bool
	}{
		{"/**", "/v2/**", true},
		{"/v2/**", "/v2/", true},
		{"/v2/**", "/v2/*/x", true},
		{"/v2/*", "/v2/x", true},
		{"/v2/*", "/v2/*", true},
		{"/v2/*", "/v2/**", false},
		{"/v2/x", "/v2/*", false},
		{"/v2/**/x", "/v2/**/x", true},
		{"/v2/**/x", "/v2/*/x", true},
		{"/v2/**/x", "/v2/**", false},
		{"/v2/*/x", "/v2/**/x", false},
		{"/**/*", "/*/**", false}, // the same paths, but this check looks at segments one by one
		{"/v2/a/**", "/v2/b/**", false},
	}
	for _, tt := range tests {
		if got := mustPattern(t, tt.p).covers(mustPattern(t, tt.q)); got != tt.want {
			t.Errorf("%s covers %s = %v, want %v", tt.p, tt.q, got, tt.want)
		}
	}
}

// patternRegexp says what a pattern means in another language.
func patternRegexp(text string) *regexp.Regexp {
	var b strings.Builder
	b.WriteString(`\A`)
	for segment := range strings.SplitSeq(strings.Trim(text, "/"), "/") {
		switch segment {
		case "":
		case "*":
			b.WriteString(`/[^/]+`)
		case "**":
			b.WriteString(`(?:/[^/]+)*`)
		default:
			b.WriteString("/" + regexp.QuoteMeta(segment))
		}
	}
	b.WriteString(`/?\z`)
	return regexp.MustCompile(b.String())
}

func FuzzPattern(f *testing.F) {
	for _, seed := range []struct{ Pattern, path string }{
		{"/v2/**", "/v2/a/b"}, {"/v2/*/x/", "/v2/y/x"}, {"/**/a/**/b", "/a/a/b/a/b"}, {"/", "/"}, {"/**", "/v2/"},
		{"/*/**/*", "/a"}, {"/v2", "/v2x"}, {"/a/**/**/b", "/a/b/"},
	} {
		f.Add(seed.Pattern, seed.path)
	}
	f.Fuzz(func(t *testing.T, text, path string) {
		p, err := ParsePattern(text)
		if err != nil || !strict.CanonicalPath(path) || !strict.HasOneReading(path) {
			return
		}
		if got, want := p.match(path), patternRegexp(text).MatchString(path); got != want {
			t.Errorf("%q matches %q = %v, want %v", text, path, got, want)
		}
		if q, err := ParsePattern(path); err == nil && q.covers(p) && p.match("/\ufffd") && !q.match("/\ufffd") {
			t.Errorf("%q is said to cover %q", path, text)
		}
	})
}
