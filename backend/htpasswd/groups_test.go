package htpasswd

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFILE2GroupsFileIsReadAsByApache(t *testing.T) {
	tests := []struct {
		name, text string
		want       map[string][]string // groups by user
	}{
		{"union of lines", "g: alice bob\ng: carol alice\n", map[string][]string{"alice": {"g"}, "bob": {"g"}, "carol": {"g"}}},
		{"several groups", "b: alice\na: alice\n", map[string][]string{"alice": {"b", "a"}}},
		{"comma", "g:dave,erin\n", map[string][]string{"dave,erin": {"g"}}},
		{"blanks around the name", "  g3 : frank\n\tg6: ivan\n", map[string][]string{"frank": {"g3"}, "ivan": {"g6"}}},
		{"tabs", "g:\tmia\tnat\n", map[string][]string{"mia": {"g"}, "nat": {"g"}}},
		{"second colon", "g:: leo\n", map[string][]string{"leo": {"g"}}},
		{"second colon before a name", "g::leo\n", map[string][]string{"leo": {"g"}}},
		{"third colon behind a blank", "g: :leo\n", map[string][]string{":leo": {"g"}}},
		{"comments only", "# nobody yet\n", map[string][]string{}},
		{"no colon", "nocolon gina\ng: bob\n", map[string][]string{"bob": {"g"}}},
		{"no members", "g:\n", map[string][]string{}},
		{"quoted name", `g: "two words" henry 'it is'`, map[string][]string{"two words": {"g"}, "henry": {"g"}, "it is": {"g"}}},
		{"quote inside a name", `g: o'brien x"y`, map[string][]string{"o'brien": {"g"}, `x"y`: {"g"}}},
		{"escapes", `g: "a\"b" 'c\'d' "e\\f" g\\h CORP\bob`, map[string][]string{
			`a"b`: {"g"}, `c'd`: {"g"}, `e\f`: {"g"}, `g\h`: {"g"}, `CORP\bob`: {"g"}}},
		{"hash mark among the members", "g: judy # x\n", map[string][]string{"judy": {"g"}, "#": {"g"}, "x": {"g"}}},
		{"comments", "# g: alice\n  # c\n\ng: bob\n", map[string][]string{"bob": {"g"}}},
		{"CRLF", "g: alice bob\r\nh: bob\r\n", map[string][]string{"alice": {"g"}, "bob": {"g", "h"}}},
		{"continued line", "g: pat \\\nquin\n", map[string][]string{"pat": {"g"}, "quin": {"g"}}},
		{"continued line with CRLF", "g: pat \\\r\nquin\r\n", map[string][]string{"pat": {"g"}, "quin": {"g"}}},
		{"continued name", "g: pat\\\nty\n", map[string][]string{"patty": {"g"}}},
		{"continued comment", "# g: \\\nalice\nh: bob\n", map[string][]string{"bob": {"h"}}},
		{"backslash at the end of the file", `g: alice \`, map[string][]string{"alice": {"g"}, `\`: {"g"}}},
		{"backslash behind the last name", `g: alice bo\`, map[string][]string{"alice": {"g"}, `bo\`: {"g"}}},
		{"backslash and line feed at the end", "g: alice bo\\\n", map[string][]string{"alice": {"g"}, "bo": {"g"}}},
		{"case of groups, not of users", "G11: Olga\ng11: olga\n", map[string][]string{"Olga": {"g11"}, "olga": {"g11"}}},
		{"case beyond ASCII is kept", "GÜ\u212a: bob\n", map[string][]string{"bob": {"gÜ\u212a"}}},
		{"no nesting", "a: alice\nb: a\n", map[string][]string{"alice": {"a"}, "a": {"b"}}},
		{"star", "g: *\n", map[string][]string{"*": {"g"}}},
		{"quotes belong to the name of a group", `"g 14": rob`, map[string][]string{"rob": {`"g 14"`}}},
		{"blank inside the name of a group", `g 14: rob`, map[string][]string{"rob": {"g 14"}}},
		{"UTF-8", "gü: josé\n", map[string][]string{"josé": {"gü"}}},
		{"byte order mark", "\ufeffg: alice\n", map[string][]string{"alice": {"g"}}},
	}
	for _, tt := range tests {
		g, err := parseGroups("groups", tt.text)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if diff := cmp.Diff(tt.want, g.of); diff != "" {
			t.Errorf("%s: want -, got +\n%s", tt.name, diff)
		}
	}
}

func TestGroupsFileIsRefusedWhole(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"empty", "", "groups: there is no group"},
		{"blanks only", " \n\n", "groups: there is no group"},
		{"no colon anywhere", "pusher alice\n", "groups: there is no group"},
		{"no name", "g: a\n : alice\n", "groups:2: the name of the group is empty"},
		{"open quote", "g: \"alice bob\nh: carol\n", "groups:1: a quote is not closed"},
		{"quote closed by an escape", `g: "alice\"`, "groups:1: a quote is not closed"},
		{"NUL", "g: ali\x00ce\n", "groups:1: there is a NUL"},
		{"line number after a continued line", "g: a \\\nb \\\nc\nh: 'd\n", "groups:4: a quote is not closed"},
		{"every line", "g: 'a\nh: b\ni: 'c\n", "groups:1: a quote is not closed\ngroups:3: a quote is not closed"},
	}
	for _, tt := range tests {
		g, err := parseGroups("groups", tt.text)
		if err == nil {
			t.Errorf("%s: was read as %v", tt.name, g.of)
			continue
		}
		if !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error is %q, want %q in it", tt.name, err, tt.want)
		}
	}
}

func TestLinesWithoutColonAreWarnedOf(t *testing.T) {
	g, err := parseGroups("groups", "g: a\nb c\n\nd\n")
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"groups:2, groups:4: a line without a colon makes no group"}; !cmp.Equal(g.warnings, want) {
		t.Errorf("got %q, want %q", g.warnings, want)
	}
}

func TestVeryLongGroupLine(t *testing.T) {
	var text strings.Builder
	text.WriteString("everybody:")
	for i := range 20_000 {
		fmt.Fprintf(&text, " a-user-of-some-length-%d", i)
	}
	g, err := parseGroups("groups", text.String())
	if err != nil {
		t.Fatal(err)
	}
	for _, user := range []string{"a-user-of-some-length-0", "a-user-of-some-length-19999"} {
		if !slices.Contains(g.of[user], "everybody") {
			t.Errorf("%s is not a member", user)
		}
	}
	if len(g.of) != 20_000 {
		t.Errorf("there are %d members", len(g.of))
	}
}

func FuzzParseGroups(f *testing.F) {
	for _, text := range []string{
		"g: alice bob\nG: carol\n", "g: \"a b\" 'c\\'d' e\\\\f", "g: a \\\nb\n", "# \\\n x", "g:\\", "\ufeffg:", ":", "\\\n\\\n", "g: '", "ü:\xff",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		g, err := parseGroups("groups", text)
		if err != nil {
			return
		}
		// What was understood means the same when it is written plainly.
		var plain strings.Builder
		plain.WriteString("none:\n")
		for user, groups := range g.of {
			if strings.ContainsAny(user, "\n\x00") {
				t.Errorf("there is a user %q", user)
			}
			quoted := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(user) + `"`
			for _, group := range groups {
				if group == "" || group != lower(group) {
					t.Errorf("there is a group %q", group)
				}
				fmt.Fprintf(&plain, "%s: %s\n", group, quoted)
			}
		}
		again, err := parseGroups("groups", plain.String())
		if err != nil {
			t.Fatalf("%v in %q", err, plain.String())
		}
		if diff := cmp.Diff(g.of, again.of); diff != "" {
			t.Errorf("first -, then +\n%s", diff)
		}
	})
}
