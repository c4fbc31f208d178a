package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"gatehouse/backend"
	"gatehouse/gateway/listing"
	"gatehouse/gateway/oci"
	"gatehouse/gateway/rules"
)

// shelfOfPages is a registry whose answers are in memory.
type shelfOfPages [][]byte

func (s shelfOfPages) List(n int, last string, each func(string) error) (bool, error) {
	i := 0
	if last != "" {
		fmt.Sscanf(last, "team%d/", &i)
		i = i/n + 1
	}
	if i == len(s) {
		return false, nil
	}
	return i < len(s)-1, catalogKind.Read(bytes.NewReader(s[i]), each)
}

// BenchmarkCatalog makes one page of a catalog of 10,000 names of which 1,000 rules let
// each user see some: reading the registry's JSON, a decision for each name, and writing.
func BenchmarkCatalog(b *testing.B) {
	const names, count = 10_000, 1000
	var list []rules.Rule
	for i := range count {
		list = append(list, rules.Rule{Name: fmt.Sprintf("r%d", i), Methods: []string{"GET"}, Paths: []string{fmt.Sprintf("/v2/team%05d/**", i*10)}, Require: mustRequire(b, "user alice", fmt.Sprintf("group g%d", i%7))})
	}
	policy, err := rules.NewPolicy(rules.Route{Path: "/v2/", Rules: list})
	if err != nil {
		b.Fatal(err)
	}
	var shelf shelfOfPages
	for i := 0; i < names; i += 1000 {
		var page []string
		for j := range 1000 {
			page = append(page, fmt.Sprintf("team%05d/app", i+j))
		}
		text, _ := json.Marshal(map[string]any{"repositories": page})
		shelf = append(shelf, text)
	}
	who := rules.Subject{LoggedIn: true, Identity: backend.Identity{User: "alice"}, GroupsKnown: true}
	b.ReportAllocs()
	for b.Loop() {
		pager := listing.Pager{Kind: *catalogKind, Registry: shelf, Keep: func(int) error { return nil }, Shown: func(name string) (bool, error) {
			path := oci.Endpoint{Kind: oci.Manifest, Repository: name, Reference: "latest"}.Path("/v2/")
			return policy.Decide(rules.Request{Method: "GET", Path: path}, who, nil).Verdict == rules.Allowed, nil
		}}
		page, err := pager.Page(names, listing.Position{})
		if err != nil || len(page.Names) != count || page.More {
			b.Fatalf("%d names, %v", len(page.Names), err)
		}
	}
}
