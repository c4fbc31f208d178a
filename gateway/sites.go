package gateway

import (
	"sync"
	"sync/atomic"

	"gatehouse/gateway/listing"
)

// sites are the site that new requests get, and those before it that have requests
// running still. A request enters the current site and keeps to it until it leaves,
// so that nothing of its answer is from another configuration. Neither takes a lock.
type sites struct {
	now atomic.Pointer[site]

	mu   sync.Mutex
	live map[*site]struct{} // all that have not been released

	state    atomic.Int32 // what the server is doing, as an index of states
	refusals refusals
	arrivals arrivals
	crowd    crowd
	held     *heldMemory
	uploads  *uploadPlaces
	catalogs *listCache
	places   *listing.Seal // of lists

	slowBodies atomic.Uint64 // requests that were cut off for them
}

func newSites(first *site) *sites {
	s := &sites{live: make(map[*site]struct{}), arrivals: newArrivals(), held: newHeldMemory(), uploads: newUploadPlaces(), catalogs: newListCache(), places: listing.NewSeal()}
	s.adopt(first)
	s.now.Store(first)
	return s
}

// adopt makes next one of the live sites, on whose release it is taken out.
func (s *sites) adopt(next *site) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live[next] = struct{}{}
	next.uses.Add(1) // for being the current one
	next.sites = s
}

// current returns the site that the next request will get. It may be released at
// any time: whoever needs more than its values enters it.
func (s *sites) current() *site { return s.now.Load() }

// enter returns the current site for a request, which calls site.leave at its end.
func (s *sites) enter() *site {
	for {
		site := s.now.Load()
		site.uses.Add(1)
		// Between the two it may have been replaced, and even released. If it is
		// the current one still, whoever replaces it finds it in use.
		if s.now.Load() == site {
			return site
		}
		site.leave()
	}
}

// replace makes next the current site. The one before it is released when the last
// request has left it.
func (s *sites) replace(next *site) {
	s.adopt(next)
	s.now.Swap(next).leave()
}

// running returns the number of requests that are being carried out.
func (s *sites) running() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	var n int64
	for site := range s.live {
		n += site.uses.Load()
	}
	if _, ok := s.live[s.current()]; ok {
		n-- // for being the current one
	}
	return n
}

// leave ends the use of s by a request. What was the last use releases it. A request
// that comes too late to enter s may leave it after that, once more.
func (s *site) leave() {
	if s.uses.Add(-1) == 0 {
		s.released.Do(s.release)
	}
}

func (s *site) release() {
	s.sites.mu.Lock()
	delete(s.sites.live, s)
	s.sites.mu.Unlock()
	s.close()
	if s.onRelease != nil {
		s.onRelease()
	}
}
