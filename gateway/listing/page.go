package listing

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Registry has a list.
type Registry interface {
	// List asks for at most n names that come behind last, or from the beginning on where
	// last is empty, and calls each for every name that comes, until that fails. It
	// reports whether the registry says that further names follow. A registry that takes
	// no n as large is an error that wraps [ErrPageSize].
	List(n int, last string, each func(name string) error) (more bool, err error)
}

// ErrPageSize says that the registry gives no pages of that size.
var ErrPageSize = errors.New("the registry gives no pages as large")

// How the registry is asked.
const (
	pageSize = 1000 // the largest page of distribution 3
	maxAsked = 20   // pages of the registry for one of ours
)

// SmallPage is a number of names that every registry gives which has pages.
const SmallPage = 100

// maxPageBytes is how many bytes of names one page has at most, whatever a client asks
// for. A page is made in memory and not sent while it grows: the status and the link come
// before the names on the wire, and depend on how the page ends. A failure of the registry
// or of a directory in the middle would cut a list short that began with 200.
const maxPageBytes = 1 << 20

// Position is a place in a list.
type Position struct {
	After string // the name that stands before it; empty for the beginning
	Floor string // what is shown comes behind this name, wherever After is; empty for everything
}

// A Page is a part of a list.
type Page struct {
	Names []string
	More  bool     // something may follow
	Next  Position // where it would, if there is more
}

// A Pager makes the pages of a list. One goroutine uses it.
type Pager struct {
	Kind     Kind
	Registry Registry
	Shown    func(name string) (bool, error) // whether the client may know of the name
	Keep     func(bytes int) error           // told before names of so many bytes more are kept in memory, and of less when they are not any more

	size int // of the registry's pages
}

// Page returns the page of up to n names at a place in the list. It is shorter only where
// the list ends, where it has grown to [maxPageBytes], and where the registry had to be
// asked too often.
func (p *Pager) Page(n int, at Position) (Page, error) {
	page, bytes := Page{Next: at}, 0
	for range maxAsked {
		a, err := p.ask(page.Next.After)
		if err != nil {
			return Page{}, err
		}
		if err := p.settle(a, n-len(page.Names)); err != nil {
			return Page{}, err
		}
		kept := 0
		for _, name := range a.behind(at) {
			if len(page.Names) == n || bytes > maxPageBytes {
				return page.endingAt(page.Names[len(page.Names)-1]), nil
			}
			page.Names, bytes, kept = append(page.Names, name), bytes+len(name), kept+len(name)+stringSize
		}
		p.Keep(kept - a.kept)
		switch {
		case !a.more, a.full && (a.whole || !a.names.begun):
			return page, nil
		case a.whole || !a.names.begun:
			return Page{}, fmt.Errorf("%w: its pages do not come to an end", ErrList)
		}
		page.Next.After = a.names.last
	}
	if len(page.Names) == n {
		return page.endingAt(page.Names[n-1]), nil
	}
	page.More = true
	return page, nil
}

// endingAt returns the page with a place to go on at that tells nothing of hidden names.
func (p Page) endingAt(name string) Page {
	p.More, p.Next = true, Position{After: name}
	return p
}

// answer is what the registry has said when it was asked once.
type answer struct {
	after string   // which name it was asked for those behind
	names sequence // all of them
	shown []string
	kept  int  // bytes that shown takes in memory
	count int  // of all that came
	more  bool // something follows
	full  bool // that is not what the registry says: it gave as many names as it was asked for
	met   bool // after is among the names
	early bool // a name is among them that comes before after in the order of bytes
	whole bool // they are all that the registry has, whatever it was asked for
}

// ask asks the registry for the names behind after. Some registries do not know of pages:
// they give all names each time, and not always in an order.
func (p *Pager) ask(after string) (*answer, error) {
	a, err := p.list(after)
	if err != nil || after == "" {
		return a, err
	}
	switch _, sorted := a.names.order(); {
	case a.met || sorted && a.names.beginsBefore(after):
		a.whole = true
	case !sorted:
		// Either after has gone from a list without an order, or the registry has
		// an order that is not known here.
		all, err := p.list("")
		if err != nil {
			return nil, err
		}
		if !all.more {
			p.Keep(-a.kept)
			all.after, all.whole = after, true
			return all, nil
		}
		p.Keep(-all.kept)
	}
	return a, nil
}

// settle finds out whether an answer is a page or all that the registry has, where that
// makes a difference to a page of ours that has room for so many names. All that a registry
// without pages has is brought into the order of bytes, as it may come in another order
// each time, by chance in one that fits a page. A registry with pages has nothing behind
// the last name, and one without them gives everything again.
func (p *Pager) settle(a *answer, room int) error {
	compare, sorted := a.names.order()
	isCut := len(a.shown) > room && !a.names.inBytes()
	if a.whole || !sorted || a.more && !a.full || !isCut && !a.early {
		return nil
	}
	again, err := p.list(a.names.last)
	if err != nil {
		return err
	}
	p.Keep(-again.kept)
	a.whole = again.met || again.names.begun && compare(again.names.first, a.names.last) < 0
	return nil
}

func (p *Pager) list(after string) (*answer, error) {
	if p.size == 0 {
		p.size = pageSize
	}
	a := &answer{after: after}
	var err error
	a.more, err = p.Registry.List(p.size, after, func(name string) error { return p.take(a, name) })
	if errors.Is(err, ErrPageSize) && p.size > SmallPage {
		p.size = SmallPage
		return p.list(after)
	}
	if _, sorted := a.names.order(); !a.more && sorted && a.count == p.size {
		a.more, a.full = true, true // some registries have pages, and no links to them
	}
	return a, err
}

// take keeps a name that may be shown. One that breaks the grammar of names is never
// shown: no rule can be about it.
func (p *Pager) take(a *answer, name string) error {
	a.count++
	if !p.Kind.Valid(name) {
		return nil
	}
	a.met, a.early = a.met || name == a.after, a.early || name < a.after
	a.names.add(name)
	shown, err := p.Shown(name)
	if err != nil || !shown {
		return err
	}
	if err := p.Keep(len(name) + stringSize); err != nil {
		return err
	}
	a.shown, a.kept = append(a.shown, strings.Clone(name)), a.kept+len(name)+stringSize
	return nil
}

// stringSize is what a string takes beside its bytes, in a slice that grows.
const stringSize = 40

// behind returns the names to be shown that come behind a place.
func (a *answer) behind(at Position) []string {
	compare, sorted := a.names.order()
	switch isAll := a.whole || a.after == "" && !a.more; {
	case a.whole && !a.names.inBytes(), isAll && !sorted:
		compare = strings.Compare
		slices.SortFunc(a.shown, compare)
		a.shown = slices.Compact(a.shown)
	case !sorted:
		seen := map[string]bool{}
		a.shown = slices.DeleteFunc(a.shown, func(name string) bool {
			twice := seen[name]
			seen[name] = true
			return twice
		})
	}
	if a.whole {
		a.shown = behind(a.shown, a.after, strings.Compare)
	}
	if at.Floor != "" {
		a.shown = behind(a.shown, at.Floor, compare)
	}
	return a.shown
}

func behind(names []string, place string, compare order) []string {
	return slices.DeleteFunc(names, func(name string) bool { return compare(name, place) <= 0 })
}
