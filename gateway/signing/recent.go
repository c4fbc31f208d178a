package signing

import (
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// Bounds of the tokens that are kept. Anybody may ask for any name where pulls need no
// login, so that neither the number of names nor their length must count.
const (
	maxRecent      = 1024
	maxRecentBytes = 2 << 20
	recentOverhead = 200 // bytes of an entry besides its texts
)

// recent keeps tokens for as long as they are used again.
type recent struct {
	mu    sync.Mutex
	known *simplelru.LRU[Grant, signed]
	bytes int
}

type signed struct {
	text  string
	until time.Time
}

// sizeOf returns the memory of an entry.
func sizeOf(g Grant, s signed) int {
	return len(g.User) + len(g.Repository) + len(g.From) + len(s.text) + recentOverhead
}

func newRecent() *recent {
	r := new(recent)
	known, err := simplelru.NewLRU(maxRecent, func(g Grant, s signed) { r.bytes -= sizeOf(g, s) })
	if err != nil {
		panic(err) // the size is a constant
	}
	r.known = known
	return r
}

// get returns the token for g, if there is one that may be used again.
func (r *recent) get(g Grant, now time.Time) (string, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, ok := r.known.Get(g)
	return s.text, ok && now.Before(s.until) && s.until.Sub(now) <= reuse // the clock may have been set back
}

// add keeps a token, and forgets those that were not used for longest where there are too
// many.
func (r *recent) add(g Grant, text string, until time.Time) {
	// Each of these may be a piece of the head of a request, all of which would stay.
	g.User, g.Repository, g.From = strings.Clone(g.User), strings.Clone(g.Repository), strings.Clone(g.From)
	s := signed{text, until}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known.Remove(g)
	r.bytes += sizeOf(g, s)
	r.known.Add(g, s)
	for r.bytes > maxRecentBytes {
		r.known.RemoveOldest()
	}
}
