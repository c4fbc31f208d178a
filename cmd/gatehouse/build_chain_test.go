package main

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/backend"
	"gatehouse/cmd/gatehouse/assemble"
	"gatehouse/cmd/gatehouse/config"
)

// chainOf returns a configuration with two password files, of which the second
// knows groups, with the chain that the given lines are about before them, and with
// a rule that requires the given items.
func chainOf(t *testing.T, lines, require string) *config.Document {
	t.Helper()
	files := filepath.Join(workspace(t), "files")
	return parse(t, `listen = ["127.0.0.1:0"]
[[backend]]
name = "everyone"
type = "chain"
`+lines+`
[[backend]]
name = "first"
type = "htpasswd"
users_file = "`+files+`/users"
[[backend]]
name = "second"
type = "htpasswd"
users_file = "`+files+`/users"
groups_file = "`+files+`/groups"
[[route]]
path = "/v2/"
upstream = "http://127.0.0.1:5000"
backend = "everyone"
[[route.rule]]
name = "all"
require = [`+require+`]
`, nil)
}

// said returns everything that is said about c, with its place.
func said(t *testing.T, c *config.Document) []string {
	t.Helper()
	a := assemble.Open(c, nil)
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	var texts []string
	errs, warnings := a.Report.Split()
	for _, p := range slices.Concat(errs, warnings) {
		texts = append(texts, p.String())
	}
	return texts
}

const bothMembers = `member = [ { backend = "first" }, { backend = "second" } ]`

func TestWhatIsSaidOfChains(t *testing.T) {
	for _, tt := range []struct {
		name, lines, require string
		want                 []string // parts of what is said, in order
	}{
		{"nothing", bothMembers, `"valid-user"`, nil},
		{"names with a backend", bothMembers, `"user first:testuser", "group second:pusher"`, nil},
		{"bare names", bothMembers, `"user testuser", "group pusher"`, []string{
			`config.toml:19:9: warning: rule "all": user testuser means that name in each of the backends first, second; write user first:testuser`,
			`config.toml:19:9: warning: rule "all": group pusher means that name in each of the backends`,
		}},
		{"bare names on a chain of one", `member = [ { backend = "second" } ]` + "\nextra_groups = [\"first\"]", `"user testuser"`, nil},
		{"groups where no member knows any", `member = [ { backend = "first" } ]` + "\n[[backend]]\nname = \"third\"\ntype = \"chain\"\nmember = [{ backend = \"second\" }]", `"group first:pusher"`, []string{
			`no route and no chain uses the backend "third"`,
			`config.toml:3:1: warning: rule "all" asks for group first:pusher, and nobody is in any group: none of those that the backend "everyone" is made of knows groups`,
		}},
		{"groups that one of them lends", `member = [ { backend = "first" } ]` + "\nextra_groups = [\"second\"]", `"group first:pusher"`, nil},
		{"groups of whom that vouches for nobody", `member = [ { backend = "first" } ]` + "\nextra_groups = [\"second\"]", `{ all = ["valid-user", "not group second:pusher"] }`, []string{
			`config.toml:22:1: group second:pusher: the backend "second" vouches for none of the users of this route`,
			`config.toml:22:12: warning: rule "all": group second:pusher matches nobody`,
		}},
		{"a loop", `member = [ { backend = "more" }, { backend = "first" }, { backend = "second" } ]` + "\n[[backend]]\nname = \"more\"\ntype = \"chain\"\nmember = [ { backend = \"everyone\" } ]", `"valid-user"`, []string{
			`config.toml:5:14: "more" is a chain that leads back to this one`,
			`config.toml:9:14: "everyone" is a chain that leads back to this one`,
		}},
		{"a loop that this chain only leads to", `member = [ { backend = "first" }, { backend = "second" }, { backend = "a" } ]` +
			"\n[[backend]]\nname = \"a\"\ntype = \"chain\"\nmember = [ { backend = \"b\" } ]" +
			"\n[[backend]]\nname = \"b\"\ntype = \"chain\"\nmember = [ { backend = \"a\" } ]", `"group pusher"`, []string{
			`config.toml:5:61: "a" is a chain itself`,
			`config.toml:9:14: "b" is a chain that leads back`,
			`config.toml:13:14: "a" is a chain that leads back`,
			"means that name in each of the backends first, second, a",
		}},
		{"a member that cannot be opened", strings.Replace(bothMembers, "first", "broken", 1) + "\nextra_groups = [\"first\"]\n[[backend]]\nname = \"broken\"\ntype = \"htpasswd\"", `"valid-user"`, []string{
			"config.toml:7:3: this backend has no users_file",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := said(t, chainOf(t, tt.lines, tt.require))
			if len(got) != len(tt.want) {
				t.Fatalf("got %d, want %d:\n%s", len(got), len(tt.want), strings.Join(got, "\n"))
			}
			for i, want := range tt.want {
				if !strings.Contains(got[i], want) {
					t.Errorf("got  %s\nwant %s", got[i], want)
				}
			}
		})
	}
}

// What a chain and a route use is one backend, with one cache for all routes that
// use it and another for what is around it.
func TestBackendsOfAChainAreShared(t *testing.T) {
	c := chainOf(t, bothMembers, `"user first:alice"`)
	second, again := c.Routes[0], c.Routes[0]
	second.Path, second.Backend = "/second/", "second"
	second.Rules = []config.Rule{{Name: "all", Require: []any{"valid-user"}}}
	again.Path = "/again/"
	c.Routes = append(c.Routes, second, again)
	a := assemble.Open(c, nil)
	defer a.Close()
	if err := a.Report.Err(); err != nil {
		t.Fatal(err)
	}
	routes := a.Gateway.Routes
	if routes[0].Backend != routes[2].Backend || routes[0].Backend == routes[1].Backend {
		t.Errorf("two routes with one backend have caches %p and %p, and another %p", routes[0].Backend, routes[2].Backend, routes[1].Backend)
	}
	if diff := cmp.Diff([][]string{{"first", "second"}, {"second"}, {"first", "second"}}, [][]string{routes[0].Backends, routes[1].Backends, routes[2].Backends}); diff != "" {
		t.Errorf("names that rules may put before a colon (-want +got):\n%s", diff)
	}
	caches := 0
	for _, name := range c.BackendNames() {
		if a.Stack(name).Cache != nil {
			caches++
		}
	}
	if caches != 2 {
		t.Errorf("there are %d caches, want 2", caches)
	}
	_, err := routes[0].Backend.Authenticate(t.Context(), "testuser", "wrong")
	if want := `backend "everyone": backend "first": `; !errors.Is(err, backend.ErrWrongPassword) || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want a wrong password at %s", err, want)
	}
}

func TestWordsOfAMemberAreItsBehaviour(t *testing.T) {
	t.Parallel()
	for words, want := range map[string]string{
		``:                             `"first"`,
		`, on_wrong_password = "stop"`: `"first"`,
		`, on_wrong_password = "next"`: `"second"`,
		`, on_unavailable = "next"`:    `"first"`,
	} {
		lines := strings.Replace(bothMembers, `"first"`, `"first"`+words, 1)
		a := assemble.Open(chainOf(t, lines, `"valid-user"`), nil)
		if err := a.Report.Err(); err != nil {
			t.Fatal(err)
		}
		_, err := a.Gateway.Routes[0].Backend.Authenticate(t.Context(), "testuser", "wrong")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want the answer of %s", words, err, want)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
}
