package rules

import (
	"strings"
	"testing"
)

func TestImmutableTags(t *testing.T) {
	signature := "sha256-" + strings.Repeat("a", 64)
	for _, tt := range []struct {
		patterns  []string
		kept, not string
	}{
		{[]string{"*", "!latest"}, "1.0 LATEST latest1", "latest " + signature + " " + signature + ".sig"},
		{[]string{"v*", "!v0.*", "v0.1"}, "v v1 v0.1", "v0.2 1.0 V1"},
		{[]string{"*-rc.*-final"}, "1-rc.2-final x-rc.-final", "1-rc-final 1-rc.2-finale -rc.final"},
		{[]string{"a*a"}, "aa aba", "a ab"},
		{[]string{"1.0"}, "1.0", "1x0 1.0.0"},
		{[]string{"sha256-*"}, signature + "x " + signature[1:] + " " + signature + ".SIG " + signature + ".a.b sha256-" + strings.Repeat("A", 64), signature + ".att"},
	} {
		p, err := compileTags(tt.patterns)
		if err != nil {
			t.Errorf("%q: %v", tt.patterns, err)
			continue
		}
		for _, tag := range strings.Fields(tt.kept) {
			if tag != signature[1:] && !p.match(tag) {
				t.Errorf("%q do not keep %s", tt.patterns, tag)
			}
		}
		for _, tag := range strings.Fields(tt.not) {
			if p.match(tag) {
				t.Errorf("%q keep %s", tt.patterns, tag)
			}
		}
	}
}

func TestImmutableTagsThatAreNone(t *testing.T) {
	for want, patterns := range map[string][]string{
		"empty list":        {},
		"matches no tag":    {"v/1"},
		"takes tags out of": {"!latest"},
		`"" matches no tag`: {"v*", ""},
	} {
		if _, err := compileTags(patterns); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", patterns, err, want)
		}
	}
}

// A rule whose people may change its tags by another rule is warned of.
func TestWarningOfTagsThatAreNotKept(t *testing.T) {
	dev, admin, user := mustRequire(t, "group dev"), mustRequire(t, "group admin"), mustRequire(t, "valid-user")
	prod := Rule{Name: "prod", Repositories: []string{"prod/**"}, Actions: []string{"push"}, ImmutableTags: []string{"v*"}, Require: dev}
	with := func(r Rule, change func(*Rule)) Rule { change(&r); return r }
	deletes := Rule{Name: "clean", Repositories: []string{"prod/**"}, Actions: []string{"delete"}, Require: user, Position: "c.toml:9"}
	first := Rule{Name: "special", Repositories: []string{"prod/app/**"}, Actions: []string{"push"}, Require: dev}
	for name, tt := range map[string]struct {
		rules []Rule
		tags  []string
		want  []string
	}{
		"alone":                  {rules: []Rule{prod}},
		"deletes":                {rules: []Rule{prod, deletes}, want: []string{`rule "clean" (c.toml:9) lets group dev delete tags that immutable_tags keeps in this rule alone, such as v1 of prod/any-name`, `rule "clean" (c.toml:9) lets group dev delete images of prod/any-name by digest`}},
		"deletes by digest only": {rules: []Rule{prod, with(deletes, func(r *Rule) { r.ImmutableTags = []string{"v*"} })}, want: []string{`rule "clean" (c.toml:9) lets group dev delete images`}},
		"of the route":           {rules: []Rule{prod, deletes}, tags: []string{"v*"}, want: []string{`rule "clean" (c.toml:9) lets group dev delete images`}},
		"others delete":          {rules: []Rule{prod, with(deletes, func(r *Rule) { r.Require = admin })}},
		"elsewhere":              {rules: []Rule{prod, with(deletes, func(r *Rule) { r.Repositories = []string{"dev/**"} })}},
		"comes first":            {rules: []Rule{first, prod}, want: []string{`rule "special" lets group dev push to tags that immutable_tags keeps in this rule alone, such as v1 of prod/app/any-name`}},
		"comes first, of others": {rules: []Rule{with(first, func(r *Rule) { r.Require = admin }), prod}},
		"comes later":            {rules: []Rule{prod, first}},
		"by methods":             {rules: []Rule{prod, {Name: "all", Methods: []string{"DELETE"}, Paths: []string{"/v2/prod/**"}, Require: dev}}, want: []string{`rule "all" lets group dev delete tags`, `rule "all" lets group dev delete images`}},
		"own names": {rules: []Rule{{Name: "own", Repositories: []string{"users/{user}/**"}, Actions: []string{"push"}, ImmutableTags: []string{"*"}, Require: user}, {Name: "del", Actions: []string{"delete"}, Require: user}},
			want: []string{`rule "del" lets valid-user delete tags`, `rule "del" lets valid-user delete images`}},
	} {
		var got []string
		for _, w := range mustPolicy(t, Route{Path: "/v2/", Rules: tt.rules, ImmutableTags: tt.tags}).Warnings() {
			if strings.Contains(w.Text, "immutable_tags") {
				got = append(got, w.Text)
			}
		}
		if len(got) != len(tt.want) {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
			continue
		}
		for i, want := range tt.want {
			if !strings.HasPrefix(got[i], want) {
				t.Errorf("%s: got %q, want %q", name, got[i], want)
			}
		}
	}
}
