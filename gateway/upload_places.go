package gateway

import (
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"gatehouse/gateway/oci"
	"gatehouse/gateway/rules"
	"gatehouse/gateway/strict"
	"gatehouse/gateway/upstream"
)

// uploadPlaces remembers where upstreams have said that uploads go on, where that is no
// path of the OCI distribution specification. Nothing in such a path says for which
// repository the upload is; it is for the one that it was begun for.
type uploadPlaces struct {
	known *lru.Cache[uploadPlace, begunUpload]
	any   atomic.Bool // there is one
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
}

// Bounds of what is remembered. Who has more uploads under way than that begins the oldest
// again.
const (
	maxUploadPlaces = 10_000
	maxUploadPath   = 512 // bytes, with the parameters
	maxUploadTime   = 24 * time.Hour
)

func newUploadPlaces() *uploadPlaces {
	known, err := lru.New[uploadPlace, begunUpload](maxUploadPlaces)
	if err != nil {
		panic(err) // the size is a constant
	}
	return &uploadPlaces{known: known}
}

// asked returns what rules judge: the request, and for an upload that goes on at a place of
// the upstream's own the same step of one where the specification has it.
func (x *exchange) asked() rules.Request {
	req := rules.Request{Method: x.r.Method, Path: x.target.Path, Source: x.from.addr}
	step := oci.Endpoint{Kind: oci.Upload, Reference: "elsewhere"}
	if places := x.site.sites.uploads; places.any.Load() && step.Action(req.Method) == oci.Push {
		if begun, ok := places.known.Get(x.placeOf(x.target)); ok && time.Since(begun.at) < maxUploadTime {
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
	places, place := x.site.sites.uploads, x.placeOf(t)
	upload := begunUpload{e.Repository, time.Now()}
	if before, ok := places.known.Peek(place); ok && before.repository != e.Repository && time.Since(before.at) < maxUploadTime {
		upload.repository = "" // which no rule is about
	}
	places.known.Add(place, upload)
	places.any.Store(true)
}

// endUpload forgets the place of an upload that is complete, or was given up.
func (x *exchange) endUpload(a *upstream.Response) {
	ends := x.r.Method == http.MethodPut && a.Status == http.StatusCreated || x.r.Method == http.MethodDelete && a.Status == http.StatusNoContent
	if x.uploadOf != "" && ends {
		x.site.sites.uploads.known.Remove(x.placeOf(x.target))
	}
}
