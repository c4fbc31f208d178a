package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gatehouse/backend"
	"gatehouse/gateway/listing"
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

// shelfOf returns a registry of n repositories.
func shelfOf(n int) (shelf shelfOfPages) {
	for i := 0; i < n; i += 1000 {
		var page []string
		for j := range 1000 {
			page = append(page, fmt.Sprintf("team%05d/app", i+j))
		}
		text, _ := json.Marshal(map[string]any{"repositories": page})
		shelf = append(shelf, text)
	}
	return shelf
}

// rulesOnTeams are n rules on repositories, or on paths, each about one team in ten.
func rulesOnTeams(t testing.TB, n int, paths bool) (list []rules.Rule) {
	for i := range n {
		r := rules.Rule{Name: fmt.Sprintf("r%d", i), Require: mustRequire(t, "user alice", fmt.Sprintf("group g%d", i%7))}
		if team := fmt.Sprintf("team%05d/**", i*10); paths {
			r.Methods, r.Paths = []string{"GET"}, []string{"/v2/" + team}
		} else {
			r.Actions, r.Repositories = []string{"pull"}, []string{team}
		}
		list = append(list, r)
	}
	return list
}

// BenchmarkCatalog makes one page of a catalog of 10,000 names of which 1,000 rules let
// each user see some: reading the registry's JSON, a decision for each name, and writing. It
// is to take 5 ms of a processor, and 2 MB.
func BenchmarkCatalog(b *testing.B) {
	const names, count = 10_000, 1000
	shelf := shelfOf(names)
	for _, form := range []string{"repositories", "paths"} {
		b.Run(form, func(b *testing.B) {
			route := recipeRoute(b, "http://127.0.0.1:1")
			route.Rules = rulesOnTeams(b, count, form == "paths")
			g, err := New(Config{Listen: []string{"127.0.0.1:0"}, Routes: []Route{route}})
			if err != nil {
				b.Fatal(err)
			}
			defer g.release()
			s := g.sites.enter()
			defer s.leave()
			x := &exchange{site: s, route: s.routes[0], who: rules.Subject{LoggedIn: true, Identity: backend.Identity{User: "alice"}, GroupsKnown: true}}
			b.ReportAllocs()
			begin := cpuTime(b)
			for b.Loop() {
				r := x.listed(context.Background(), catalogKind)
				pager := listing.Pager{Kind: *catalogKind, Registry: shelf, Keep: r.memory.keep, Shown: r.shown}
				page, err := pager.Page(names, listing.Position{})
				if err != nil || len(page.Names) != count || page.More || len(r.encode(page.Names)) == 0 {
					b.Fatalf("%d names, %v", len(page.Names), err)
				}
				r.memory.giveBack()
			}
			b.ReportMetric((cpuTime(b)-begin).Seconds()*1000/float64(b.N), "cpu-ms/op")
		})
	}
}

// BenchmarkFirstByteOfACatalog asks a gateway for all of 10,000 names, of which 1,000 rules
// let the client see some, and reports how long after the last byte of the registry the
// first one comes: a page is made before any of it is sent.
func BenchmarkFirstByteOfACatalog(b *testing.B) {
	shelf := shelfOf(10_000)
	var sent atomic.Int64
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i := 0
		if _, err := fmt.Sscanf(r.FormValue("last"), "team%d/", &i); err == nil {
			i = i/1000 + 1
		}
		if i < len(shelf)-1 {
			w.Header().Set("Link", `</v2/_catalog>; rel="next"`)
		}
		if w.Header().Set("Content-Type", "application/json"); i < len(shelf) {
			w.Write(shelf[i])
		} else {
			io.WriteString(w, `{"repositories":[]}`)
		}
		sent.Store(time.Now().UnixNano())
	}))
	defer registry.Close()
	route := recipeRoute(b, registry.URL)
	route.Rules = append(rulesOnTeams(b, 1000, false), rules.Rule{Name: "catalog", Actions: []string{"catalog"}, Require: mustRequire(b, "valid-user")})
	tg := startGateway(b, nil, route)
	var waited time.Duration
	for b.Loop() {
		resp := tg.ask(b, "alice", "GET", "/v2/_catalog?n=10000", nil)
		waited += time.Duration(time.Now().UnixNano() - sent.Load())
		if body, err := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK || err != nil {
			b.Fatalf("%s %s %v", resp.Status, body, err)
		}
	}
	b.ReportMetric(waited.Seconds()*1000/float64(b.N), "ms-behind/op")
}

// cpuTime returns how long this process has computed.
func cpuTime(t testing.TB) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
