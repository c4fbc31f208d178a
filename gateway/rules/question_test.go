package rules

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"gatehouse/gateway/oci"
)

// What a list asks about each of its names is what is asked when somebody pulls it.
func TestPullsAreWhatIsAskedOfTheirPaths(t *testing.T) {
	words := []string{"a", "b0", "a.b", "manifests", "blobs", "uploads", "tags", "list", "v2", "a__b", "x-y", "referrers"}
	for _, root := range []string{"/v2/", "/nexus/v2/"} {
		p := mustPolicy(t, Route{Path: "/", Registry: root, Rules: []Rule{{Name: "all", Repositories: []string{"a/**"}, Require: mustRequire(t, "valid-user")}}})
		pulls, without := p.Pulls(loopback, true), p.Pulls(loopback, false)
		for seed := range uint64(3000) {
			r := rand.New(rand.NewPCG(seed, 3))
			var name []string
			for range 1 + r.IntN(6) {
				name = append(name, words[r.IntN(len(words))])
			}
			repository, tag := strings.Join(name, "/"), words[r.IntN(len(words))]
			want := p.Ask(Request{Method: "GET", Path: oci.Endpoint{Kind: oci.Manifest, Repository: repository, Reference: tag}.Path(root), Source: loopback})
			if got := *pulls.Of(repository, tag); got != want {
				t.Fatalf("%s: %+v, want %+v", repository, got, want)
			}
			want.Path = ""
			if got := *without.Of(repository, tag); got != want {
				t.Fatalf("%s: %+v, want %+v", repository, got, want)
			}
		}
	}
}

// Whether the path of a question is left out or not, the decision is that about the whole
// request.
func TestPullsAreDecidedAsRequests(t *testing.T) {
	names := []string{"a", "b", "team", "pusher", "x"}
	sets, err := strconv.Atoi(cmp.Or(os.Getenv("GATEHOUSE_TEST_LISTS"), "200"))
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(sets) {
		r := rand.New(rand.NewPCG(seed, 4))
		pick := func(from ...string) string { return from[r.IntN(len(from))] }
		route := Route{Path: "/v2/"}
		for i := range 1 + r.IntN(2*indexedFrom) {
			rule := Rule{Name: fmt.Sprint(i), Require: mustRequire(t, pick("valid-user", "user pusher", "group pusher", "group other", "all granted", "all denied"))}
			at := pick(names...) + pick("/**", "/*", "", "/"+pick(names...), "/{user}/**", "/{group}")
			switch r.IntN(6) {
			case 0:
				rule.Methods = []string{pick("GET", "PUT")}
			case 1:
				if seed%2 == 0 {
					rule.Paths = []string{"/v2/" + strings.ReplaceAll(strings.ReplaceAll(at, "{user}", "*"), "{group}", "**")}
				}
			case 2:
				rule.Actions = []string{pick("pull", "push", "catalog")}
			default:
				rule.Repositories = []string{at}
			}
			route.Rules = append(route.Rules, rule)
		}
		p := mustPolicy(t, route)
		pulls := p.Pulls(loopback, false)
		for _, who := range []Subject{{}, user("pusher", "corp", "pusher"), user("x", "corp", "a", "team"), {LoggedIn: true, Identity: user("x", "corp").Identity}} {
			for range 30 {
				name := pick(names...) + pick("", "/"+pick(names...), "/"+pick(names...)+"/"+pick(names...))
				want := p.Decide(Request{Method: "GET", Path: "/v2/" + name + "/manifests/latest", Source: loopback}, who, nil)
				if got := p.Answer(pulls.Of(name, "latest"), &who); got != want {
					t.Fatalf("seed %d: %s by %+v: %+v, want %+v", seed, name, who, got, want)
				}
			}
		}
	}
}
