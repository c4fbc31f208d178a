package rules

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gatehouse/gateway/oci"
)

// The index names every rule that is about a request, in order, whatever the patterns.
func TestIndexMissesNoRule(t *testing.T) {
	words := []string{"v2", "a", "b", "team", "*", "**", "manifests", "1", "{user}"}
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 2))
		pattern := func(words []string) (p Pattern) {
			for range 1 + r.IntN(5) {
				p = append(p, words[r.IntN(len(words))])
			}
			return slices.Compact(p)
		}
		list := make([]rule, indexedFrom+r.IntN(40))
		for i := range list {
			switch r.IntN(4) {
			case 0:
				list[i] = rule{actions: pullBit, repositories: []Pattern{pattern(words), pattern(words)}, templates: true}
			case 1:
				list[i] = rule{methods: methodBit("GET")}
			default:
				list[i] = rule{methods: methodBit("GET"), paths: []Pattern{pattern(words[:8])}}
			}
		}
		x := newIndex(list)
		for range 50 {
			path := "/" + strings.ReplaceAll(pattern(words[:4]).String()[1:], "*", "x")
			q := question{Request: Request{Method: "GET", Path: path}, method: methodBit("GET"), action: pullBit, at: oci.Endpoint{Repository: strings.Trim(path, "/")}}
			found := x.find(&q, nil)
			if !slices.IsSorted(found) {
				t.Fatalf("seed %d: %v is in no order", seed, found)
			}
			who := &Subject{LoggedIn: true}
			who.Identity.User = "a"
			for i := range list {
				if list[i].covers(&q, who) != Denied && !slices.Contains(found, i) {
					t.Errorf("seed %d: rule %d %v %v is about %s and not in %v", seed, i, list[i].paths, list[i].repositories, path, found)
				}
			}
		}
	}
}

// Patterns with many wildcards make the walk no longer than there are nodes and segments.
func TestIndexWalksOnce(t *testing.T) {
	tree := newSegmentTree()
	for i := range 200 {
		tree.add([]Pattern{slices.Collect(segments(strings.Repeat("**/a/", 20) + fmt.Sprint(i)))}, i)
	}
	if found := tree.find(strings.Repeat("/a", 250), nil); len(found) != 0 {
		t.Errorf("%v", found)
	}
	if found := tree.find(strings.Repeat("/a", 250)+"/7", nil); !slices.Equal(found, []int{7}) {
		t.Errorf("%v", found)
	}
}

// BenchmarkThousandRules decides about a request that the last of 1,000 rules is about.
func BenchmarkThousandRules(b *testing.B) {
	for _, form := range []string{"paths", "repositories", "templates"} {
		b.Run(form, func(b *testing.B) {
			r := Route{Path: "/v2/"}
			for i := range 1000 {
				rule := Rule{Name: fmt.Sprint(i), Require: validUser{}}
				switch form {
				case "paths":
					rule.Methods, rule.Paths = []string{"GET"}, []string{fmt.Sprintf("/v2/team%d/**", i)}
				case "repositories":
					rule.Actions, rule.Repositories = []string{"pull"}, []string{fmt.Sprintf("team%d/**", i)}
				default:
					rule.Actions, rule.Repositories = []string{"pull"}, []string{fmt.Sprintf("{user}/x%d/**", i)}
				}
				r.Rules = append(r.Rules, rule)
			}
			p, err := NewPolicy(r)
			if err != nil {
				b.Fatal(err)
			}
			who := Subject{LoggedIn: true, GroupsKnown: true}
			who.Identity.User = "team999"
			path := "/v2/team999/app/manifests/1"
			if form == "templates" {
				path = "/v2/team999/x999/manifests/1"
			}
			for b.Loop() {
				if d := p.Decide(Request{Method: "GET", Path: path}, who, nil); d.Verdict != Allowed {
					b.Fatal(d)
				}
			}
		})
	}
}

// However many rules there are, the built-in one is found at the root, and nowhere else.
func TestIndexFindsTheBuiltinRule(t *testing.T) {
	r := Route{Path: "/v2/"}
	for i := range 2 * indexedFrom {
		r.Rules = append(r.Rules, Rule{Name: fmt.Sprint(i), Actions: []string{"push"}, Repositories: []string{fmt.Sprintf("team%d/**", i)}, Require: validUser{}})
	}
	p := mustPolicy(t, r)
	for path, want := range map[string]string{"/v2/": BuiltinRule, "/v2": BuiltinRule, "/v2/team1/manifests/1": "", "/v2/_catalog": ""} {
		d := p.Decide(Request{Method: "GET", Path: path, Source: loopback}, user("pusher", "corp"), nil)
		if d.Rule != want || (d.Verdict == Allowed) != (want != "") {
			t.Errorf("%s: %+v, want the rule %q", path, d, want)
		}
	}
}
