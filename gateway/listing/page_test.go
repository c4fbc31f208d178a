package listing

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// shelf is a registry with an order of its own.
type shelf struct {
	names []string
	order order       // nil for none, another one each time
	rand  *rand.Rand  // which one
	whole bool        // it does not know of pages
	mute  bool        // it does not say whether more follows
	most  int         // the largest page; 0 for any
	asked func(i int) // before each answer
	times int
}

func (s *shelf) List(n int, last string, each func(string) error) (bool, error) {
	if s.asked != nil {
		s.asked(s.times)
	}
	s.times++
	if s.most > 0 && n > s.most {
		return false, ErrPageSize
	}
	names := slices.Clone(s.names)
	if s.order == nil {
		s.rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	} else if !slices.IsSortedFunc(names, s.order) {
		slices.SortFunc(names, s.order)
	}
	more := false
	if !s.whole {
		if last != "" {
			names = slices.DeleteFunc(names, func(name string) bool { return s.order(name, last) <= 0 })
		}
		if len(names) > n {
			names, more = names[:n], true
		}
	}
	for _, name := range names {
		if err := each(name); err != nil {
			return false, err
		}
	}
	return more && !s.mute, nil
}

func any(string) bool { return true }

// union follows the links of a list and returns what all its pages show.
func union(t *testing.T, r Registry, n int, shown func(string) bool) []string {
	t.Helper()
	var names []string
	at := Position{}
	for range 5000 {
		p := Pager{Kind: Kind{Valid: any}, Registry: r, Shown: func(name string) (bool, error) { return shown(name), nil }, Keep: func(int) error { return nil }}
		page, err := p.Page(n, at)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Names) > n {
			t.Fatalf("a page of %d has %d names", n, len(page.Names))
		}
		names = append(names, page.Names...)
		if !page.More {
			return names
		}
		if page.Next == at {
			t.Fatalf("it does not go on from %v", at)
		}
		at = page.Next
	}
	t.Fatal("the pages do not end")
	return nil
}

func repositories(r *rand.Rand, n int) []string {
	parts := []string{"a", "b", "team", "app", "a-b", "a.b", "z", "0", "a_b"}
	set := map[string]bool{}
	for range n {
		name := parts[r.IntN(len(parts))]
		for range r.IntN(3) {
			name += "/" + parts[r.IntN(len(parts))]
		}
		set[name+strconv.Itoa(r.IntN(n))] = true
	}
	var names []string
	for name := range set {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

var shelves = map[string]func(names []string) *shelf{
	"by path":             func(n []string) *shelf { return &shelf{names: n, order: byPath} },
	"by bytes":            func(n []string) *shelf { return &shelf{names: n, order: strings.Compare} },
	"by letter":           func(n []string) *shelf { return &shelf{names: n, order: byLetter} },
	"without links":       func(n []string) *shelf { return &shelf{names: n, order: byPath, mute: true} },
	"small pages":         func(n []string) *shelf { return &shelf{names: n, order: byPath, most: SmallPage} },
	"whole, in order":     func(n []string) *shelf { return &shelf{names: n, order: byPath, whole: true} },
	"whole, out of order": func(n []string) *shelf { return &shelf{names: n, whole: true} },
}

const listsVariable = "GATEHOUSE_TEST_LISTS" // lists of each kind of registry

// The pages of a list together have exactly the names that are shown, each once, while
// others come and go.
func TestPagesTogetherAreWhatIsShown(t *testing.T) {
	lists := 50
	if n, err := strconv.Atoi(os.Getenv(listsVariable)); err == nil {
		lists = n
	}
	for what, shelf := range shelves {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(lists) {
				r := rand.New(rand.NewPCG(seed, 1))
				names, n := repositories(r, 1+r.IntN(200)), 1+r.IntN(40)
				if seed%100 == 7 { // most faults are found in short lists, and sooner
					names, n = repositories(r, 3000), 200+r.IntN(2000)
				}
				if order := shelf(nil).order; order != nil {
					slices.SortFunc(names, order) // once, and not for each answer
				}
				part := r.IntN(4)
				isShown := map[string]bool{}
				for _, name := range names {
					isShown[name] = r.IntN(4) >= part
				}
				reg, stays := shelf(names), map[string]bool{}
				reg.rand = r
				for _, name := range names {
					stays[name] = r.IntN(10) > 0
				}
				reg.asked = func(i int) { // between two answers some go, and some come
					if i%3 == 1 {
						reg.names = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !stays[name] && r.IntN(2) == 0 })
					}
				}
				got := union(t, reg, n, func(name string) bool { return isShown[name] })
				checkUnion(t, fmt.Sprintf("seed %d", seed), got, names, stays, isShown)
			}
		})
	}
}

func checkUnion(t *testing.T, what string, got, names []string, stays, isShown map[string]bool) {
	t.Helper()
	seen := map[string]bool{}
	for _, name := range got {
		if seen[name] {
			t.Errorf("%s: %q is there twice", what, name)
		}
		if seen[name] = true; !isShown[name] {
			t.Errorf("%s: %q is shown", what, name)
		}
	}
	for _, name := range names {
		if isShown[name] && stays[name] && !seen[name] {
			t.Errorf("%s: %q is missing", what, name)
		}
	}
}

// Only where a page ends on a hidden name does its end tell one, which is then sealed.
func TestPageEndsOnWhatItShows(t *testing.T) {
	names := make([]string, 50_000)
	for i := range names {
		names[i] = fmt.Sprintf("r%05d", i)
	}
	reg := &shelf{names: names, order: byPath}
	p := Pager{Kind: Kind{Valid: any}, Registry: reg, Keep: func(int) error { return nil }, Shown: func(name string) (bool, error) { return name < "r00002" || name > "r45000", nil }}
	page, err := p.Page(1, Position{})
	if err != nil || !page.More || page.Next.After != "r00000" {
		t.Errorf("the first page: %v, %v", page, err)
	}
	page, err = p.Page(5, page.Next)
	if err != nil || !page.More || !slices.Equal(page.Names, []string{"r00001"}) || page.Next.After != "r20000" {
		t.Errorf("the second page: %v, %v", page, err)
	}
	if reg.times != 1+maxAsked {
		t.Errorf("the registry was asked %d times", reg.times)
	}
}

// Whoever names a hidden place learns nothing of it: the list begins at its beginning, and
// what comes before is left out.
func TestFloorLeavesOutWhatComesBefore(t *testing.T) {
	reg := &shelf{names: []string{"a", "c", "m/x", "z"}, order: byPath}
	for place, want := range map[string]string{"b": "c m/x z", "m": "m/x z", "a": "c m/x z", "zz": ""} {
		p := Pager{Kind: Kind{Valid: any}, Registry: reg, Keep: func(int) error { return nil }, Shown: func(string) (bool, error) { return true, nil }}
		page, err := p.Page(10, Position{Floor: place})
		if got := strings.Join(page.Names, " "); got != want || err != nil {
			t.Errorf("behind %q: %q, %v, want %q", place, got, err, want)
		}
	}
}

// No rule can be about a name that breaks the grammar, and nobody is asked about it.
func TestNamesOutOfGrammarAreNotShown(t *testing.T) {
	reg := &shelf{names: []string{"a", "a%2fb", "../a", "Team/a", "b"}, order: strings.Compare}
	valid := func(name string) bool { return name == strings.ToLower(name) && !strings.ContainsAny(name, ".%") }
	p := Pager{Kind: Kind{Valid: valid}, Registry: reg, Keep: func(int) error { return nil }, Shown: func(name string) (bool, error) {
		if !valid(name) {
			t.Errorf("the rules are asked about %q", name)
		}
		return true, nil
	}}
	if page, err := p.Page(10, Position{}); !slices.Equal(page.Names, []string{"a", "b"}) || err != nil {
		t.Errorf("%q, %v", page.Names, err)
	}
}

// endless is a registry that says each time that more follows.
type endless []string

func (e endless) List(_ int, _ string, each func(string) error) (bool, error) {
	for _, name := range e {
		if err := each(name); err != nil {
			return false, err
		}
	}
	return true, nil
}

func TestPageOfARegistryWithoutAnEnd(t *testing.T) {
	for _, r := range []endless{nil, {"a"}, {"a", "b"}, {"b", "a"}} {
		p := Pager{Kind: Kind{Valid: any}, Registry: r, Keep: func(int) error { return nil }, Shown: func(string) (bool, error) { return false, nil }}
		if page, err := p.Page(10, Position{}); !errors.Is(err, ErrList) {
			t.Errorf("%v: %v, %v", r, page, err)
		}
	}
}

// What cannot be found out, and what there is no room for, makes no shorter list.
func TestPageFailsAsAWhole(t *testing.T) {
	fails := errors.New("no groups")
	for _, p := range []Pager{
		{Shown: func(name string) (bool, error) { return true, map[string]error{"c": fails}[name] }, Keep: func(int) error { return nil }},
		{Shown: func(string) (bool, error) { return true, nil }, Keep: func(int) error { return fails }},
	} {
		p.Kind, p.Registry = Kind{Valid: any}, &shelf{names: []string{"a", "b", "c"}, order: byPath}
		if page, err := p.Page(2, Position{}); !errors.Is(err, fails) || page.Names != nil {
			t.Errorf("%v, %v", page, err)
		}
	}
}

// Where the place that a client names has gone, and what is left fits several orders, a
// registry without pages is told from one that has them.
func TestPageBehindANameThatHasGone(t *testing.T) {
	for _, c := range []struct {
		reg        *shelf
		last, want string
	}{
		{&shelf{names: []string{"a-c", "z"}, order: byPath, whole: true}, "a/b", "z"},
		{&shelf{names: []string{"a-c", "z"}, order: byPath}, "a/b", "a-c z"},
		{&shelf{names: []string{"a-a", "a/app", "z"}, order: strings.Compare}, "a-b", "a/app z"},
	} {
		p := Pager{Kind: Kind{Valid: any}, Registry: c.reg, Keep: func(int) error { return nil }, Shown: func(string) (bool, error) { return true, nil }}
		page, err := p.Page(10, Position{After: c.last})
		if got := strings.Join(page.Names, " "); got != c.want || err != nil {
			t.Errorf("%v behind %s: %q, %v, want %q", c.reg.names, c.last, got, err, c.want)
		}
	}
}

// A few names come in a known order by chance, and in another one the next time.
func TestShortListInAnotherOrderEachTime(t *testing.T) {
	all := []string{"a", "a-b", "a/b", "a/b/c", "a.b", "b"}
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 2))
		r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		names := all[:1+r.IntN(len(all))]
		got := union(t, &shelf{names: names, whole: true, rand: r}, 1+r.IntN(3), func(string) bool { return true })
		slices.Sort(got)
		if want := slices.Sorted(slices.Values(names)); !slices.Equal(got, want) {
			t.Fatalf("seed %d: %q, want %q", seed, got, want)
		}
	}
}
