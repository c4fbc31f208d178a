package rules

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// manyRules returns a route with n rules that differ in what they are about.
func manyRules(t testing.TB, n int, about func(i int) Rule) Route {
	r := Route{Path: "/v2/"}
	for i := range n {
		c := about(i)
		c.Name, c.Require = fmt.Sprint("r", i), mustRequire(t, fmt.Sprint("group g", i%97))
		r.Rules = append(r.Rules, c)
	}
	return r
}

// kindsOfRules are the ways to say what a rule is about.
var kindsOfRules = map[string]func(i int) Rule{
	"paths":        func(i int) Rule { return Rule{Methods: []string{"GET"}, Paths: tens("/v2/team%d/app%d/**", i)} },
	"wildcards":    func(i int) Rule { return Rule{Paths: tens("/v2/**/team%d/*/app%d/**", i)} },
	"repositories": func(i int) Rule { return Rule{Repositories: tens("team%d/app%d/**", i)} },
	"own names":    func(i int) Rule { return Rule{Repositories: tens("t%d/{user}/app%d/**", i)} },
	"group first": func(i int) Rule {
		return Rule{Repositories: []string{fmt.Sprintf("{group}/x%d/**", i), fmt.Sprintf("t%d/**", i)}}
	},
	"hidden owners": func(i int) Rule {
		return Rule{Repositories: []string{[]string{fmt.Sprintf("t%d/**", i), "{user}/**"}[i/500]}}
	},
	"methods": func(int) Rule { return Rule{Methods: []string{"OPTIONS"}} },
	"actions": func(int) Rule { return Rule{Actions: []string{"catalog"}} },
	"kept tags": func(i int) Rule {
		return Rule{Repositories: tens("team%d/app%d/**", i), Actions: []string{"push"}, ImmutableTags: []string{"v*"}}
	},
	"kept everywhere": func(int) Rule { return Rule{Actions: []string{"push"}, ImmutableTags: []string{"v*"}} },
	"tags":            func(i int) Rule { return Rule{Paths: tens("/v2/t%d/*/manifests/v%d", i)} },
}

// tens returns a format with i and each of the numbers from 0 to 9.
func tens(format string, i int) []string {
	var list []string
	for j := range 10 {
		list = append(list, fmt.Sprintf(format, i, j))
	}
	return list
}

// The work of looking for what is likely not meant grows with the rules, and not with
// their square: by allocations, of which each comparison of two patterns is one.
func TestWarningsOfManyRulesAreLittleWork(t *testing.T) {
	for name, about := range kindsOfRules {
		p := mustPolicy(t, manyRules(t, 1000, about))
		if n := testing.AllocsPerRun(1, func() { p.Warnings() }); n > 2_000_000 {
			t.Errorf("%s: %.0f allocations, want at most 2,000,000", name, n)
		} else {
			t.Logf("%s: %.0f allocations", name, n)
		}
	}
}

// What the index finds is what a look at each rule would.
func TestFirstToTakeMissesNoRule(t *testing.T) {
	for seed := range uint64(100) {
		g := generator{rand.New(rand.NewPCG(seed, 7))}
		route := Route{Path: "/v2/", Backends: []string{"corp", "local"}}
		for i := range 30 {
			r := Rule{Name: fmt.Sprint("r", i), Require: mustRequire(t, "valid-user")}
			switch g.IntN(4) {
			case 0:
				r.Repositories = []string{g.repository(), g.repository()}
			case 1:
				r.Methods = []string{pick(g, knownMethods[:]...)}
			case 2:
				r.Actions = []string{pick(g, Actions...)}
			default:
				r.Paths = []string{g.pattern(), g.pattern()}
			}
			route.Rules = append(route.Rules, r)
		}
		p := mustPolicy(t, route)
		for i := range route.Rules {
			for part := range p.partsOf(&p.rules[i]) {
				want := slices.IndexFunc(p.rules[:i], func(r rule) bool { taken, _ := p.takes(&r, part); return taken })
				if got, _ := p.firstToTake(i, part); got != want {
					t.Fatalf("seed %d: of rule %d, %v is taken by rule %d first, want %d", seed, i, part, got, want)
				}
			}
		}
	}
}
