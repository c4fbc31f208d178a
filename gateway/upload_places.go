package gateway

import (
	"net/http"
	"strings"
	"sync/atomic"

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
	known *lru.Cache[uploadPlace, string] // repositories
	any   atomic.Bool                     // there is one
}

type uploadPlace struct{ route, path string }

// Bounds of what is remembered. Who has more uploads under way than that begins the oldest
// again.
const (
	maxUploadPlaces = 10_000
	maxUploadPath   = 512 // bytes
)

func newUploadPlaces() *uploadPlaces {
	known, err := lru.New[uploadPlace, string](maxUploadPlaces)
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
		if repository, ok := places.known.Get(uploadPlace{x.route.name, req.Path}); ok {
			x.uploadOf, step.Repository = repository, repository
			req.Path = step.Path(x.route.policy.Registry())
		}
	}
	return req
}

// noteUpload remembers where the upstream says that an upload goes on. The client knows
// that place as location. Only an answer to a push that was allowed is believed, and only
// about what belongs to no other repository, and to no other route.
func (x *exchange) noteUpload(a *upstream.Response, location string) {
	e := x.endpoint()
	if a.Status != http.StatusAccepted || e.Action(x.r.Method) != oci.Push || !strings.HasPrefix(location, "/") {
		return
	}
	t, err := strict.ParseTarget(location)
	if err != nil || len(t.Path) > maxUploadPath || x.site.door.router.lookup(x.host, t.Path) != x.index {
		return
	}
	switch oci.Parse(x.route.policy.Registry(), t.Path).Kind {
	case oci.None, oci.Extension:
		x.site.sites.uploads.known.Add(uploadPlace{x.route.name, t.Path}, e.Repository)
		x.site.sites.uploads.any.Store(true)
	}
}
