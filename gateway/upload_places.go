package gateway

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"gatehouse/gateway/oci"
	"gatehouse/gateway/rules"
	"gatehouse/gateway/strict"
	"gatehouse/gateway/upstream"
)

// uploadPlaces remembers where upstreams have said that uploads go on, where that is no
// path of the OCI distribution specification. Nothing in such a path says for which
// repository the upload is; it is for the one that it was begun for.
type uploadPlaces struct {
	any atomic.Bool // there has been one

	mu      sync.Mutex
	known   *simplelru.LRU[uploadPlace, begunUpload]
	clients map[upstream.Client]*simplelru.LRU[uploadPlace, struct{}] // what each has of it
}

// uploadPlace is where an upload goes on. Parameters are a part of it, but for the digest
// that a client adds at the end: a registry may keep in them for which repository it is.
type uploadPlace struct{ route, upstream, host, path, query string }

// placeOf returns the place that a target on the route of x names.
func (x *exchange) placeOf(t strict.Target) uploadPlace {
	return uploadPlace{x.route.name, x.route.upstream.Address, x.host, t.Path, t.SortedQuery("digest")}
}

// begunUpload is an upload that goes on at such a place.
type begunUpload struct {
	repository string
	at         time.Time
	client     upstream.Client
}

// Bounds of what is remembered. Who has more uploads under way than that begins the oldest
// again. One client has half of the places at most, so that its uploads do not take those
// of others.
const (
	maxUploadPlaces = 10_000
	maxClientPlaces = maxUploadPlaces / 2
	maxUploadPath   = 512 // bytes, with the parameters
	maxUploadTime   = 24 * time.Hour
)

func newUploadPlaces() *uploadPlaces {
	p := &uploadPlaces{clients: map[upstream.Client]*simplelru.LRU[uploadPlace, struct{}]{}}
	p.known = mustLRU(maxUploadPlaces, func(place uploadPlace, begun begunUpload) {
		own := p.clients[begun.client]
		own.Remove(place)
		if own.Len() == 0 {
			delete(p.clients, begun.client)
		}
	})
	return p
}

// mustLRU returns a list of at most size entries, of which the one that was not used for
// longest goes.
func mustLRU[K comparable, V any](size int, gone simplelru.EvictCallback[K, V]) *simplelru.LRU[K, V] {
	list, err := simplelru.NewLRU(size, gone)
	if err != nil {
		panic(err) // sizes are constants
	}
	return list
}

// get returns the upload that goes on at a place, if there is one that is not too old.
func (p *uploadPlaces) get(place uploadPlace) (begunUpload, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	begun, ok := p.known.Get(place)
	if ok {
		p.clients[begun.client].Get(place) // which makes it the newest there, too
	}
	return begun, ok && time.Since(begun.at) < maxUploadTime
}

// add remembers an upload. The oldest of a client goes where it has its share already. A
// place that was given for two repositories becomes nobody's.
func (p *uploadPlaces) add(place uploadPlace, begun begunUpload) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if before, ok := p.known.Peek(place); ok && before.repository != begun.repository && time.Since(before.at) < maxUploadTime {
		begun.repository = "" // which no rule is about
	}
	p.known.Remove(place)
	if own := p.clients[begun.client]; own != nil && own.Len() == maxClientPlaces {
		oldest, _, _ := own.GetOldest()
		p.known.Remove(oldest)
	}
	p.known.Add(place, begun)
	if p.clients[begun.client] == nil {
		p.clients[begun.client] = mustLRU[uploadPlace, struct{}](maxClientPlaces, nil)
	}
	p.clients[begun.client].Add(place, struct{}{})
	p.any.Store(true)
}

// remove forgets a place.
func (p *uploadPlaces) remove(place uploadPlace) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known.Remove(place)
}

// asked returns what rules judge: the request, and for an upload that goes on at a place of
// the upstream's own the same step of one where the specification has it.
func (x *exchange) asked() rules.Request {
	req := rules.Request{Method: x.r.Method, Path: x.target.Path, Source: x.from.addr}
	step := oci.Endpoint{Kind: oci.Upload, Reference: "elsewhere"}
	if places := x.site.sites.uploads; places.any.Load() && step.Action(req.Method) == oci.Push {
		if begun, ok := places.get(x.placeOf(x.target)); ok {
			x.uploadOf, step.Repository = begun.repository, begun.repository
			req.Path = step.Path(x.route.policy.Registry())
		}
	}
	return req
}

// noteUpload remembers where the upstream says that an upload goes on. The client knows
// that place as location. Only an answer to a push that was allowed is believed, and only
// about what belongs to no other repository, and to no other route. A place that was given
// for two repositories is nobody's.
func (x *exchange) noteUpload(a *upstream.Response, location string) {
	e := x.endpoint()
	if a.Status != http.StatusAccepted || e.Action(x.r.Method) != oci.Push || !strings.HasPrefix(location, "/") || len(location) > maxUploadPath {
		return
	}
	t, err := strict.ParseTarget(location)
	if err != nil || x.site.door.router.lookup(x.host, t.Path) != x.index {
		return
	}
	kind := oci.Parse(x.route.policy.Registry(), t.Path).Kind
	if kind != oci.None && kind != oci.Extension {
		return
	}
	x.site.sites.uploads.add(x.placeOf(t), begunUpload{e.Repository, time.Now(), clientOf(x.who, x.from.addr)})
}

// endUpload forgets the place of an upload that is complete, or was given up.
func (x *exchange) endUpload(a *upstream.Response) {
	ends := x.r.Method == http.MethodPut && a.Status == http.StatusCreated || x.r.Method == http.MethodDelete && a.Status == http.StatusNoContent
	if x.uploadOf != "" && ends {
		x.site.sites.uploads.remove(x.placeOf(x.target))
	}
}
