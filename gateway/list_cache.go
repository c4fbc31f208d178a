package gateway

import (
	"errors"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// listCache keeps pages of catalogs as registries gave them, for routes that say for how
// long. What each user sees of them is decided anew.
type listCache struct {
	pages *lru.Cache[listPage, keptPage]
}

// listPage is which page it is.
type listPage struct {
	route, upstream, host, last string
	n                           int
}

type keptPage struct {
	names       []string
	more        bool
	contentType string
	until       time.Time
}

// Bounds of what is kept.
const (
	maxKeptPages = 64
	maxKeptNames = 128 << 10 // bytes of one page; the pages of registries have less
)

func newListCache() *listCache {
	pages, err := lru.New[listPage, keptPage](maxKeptPages)
	if err != nil {
		panic(err) // the size is a constant
	}
	return &listCache{pages}
}

// CheckCatalogTTL reports why r.CatalogTTL cannot be.
func (r Route) CheckCatalogTTL() error {
	switch {
	case r.CatalogTTL == 0:
		return nil
	case r.Catalog == WholeCatalog:
		return errors.New("catalog_ttl is about a list that is filtered, and catalog = \"all\" passes on what the registry gives: take one of them out")
	case r.ForwardAuthorization || r.UserHeader != "" || r.GroupsHeader != "":
		return errors.New("catalog_ttl keeps one list for all users, and the upstream is told who asks, so that it may have another list for each: take catalog_ttl out")
	}
	return nil
}

// isKept reports whether the registry's list is kept for all.
func (r *listedRegistry) isKept() bool { return r.x.asksForAll() }

// List implements [listing.Registry]: out of what is kept, or by asking the upstream.
func (r *listedRegistry) List(n int, last string, each func(name string) error) (more bool, err error) {
	if !r.isKept() {
		return r.request(n, last, each)
	}
	x := r.x
	pages, page := x.site.sites.catalogs.pages, listPage{x.route.name, x.route.upstream.Address, x.host, last, n}
	if kept, ok := pages.Get(page); ok && time.Now().Before(kept.until) {
		r.contentType = kept.contentType
		for _, name := range kept.names {
			if err := each(name); err != nil {
				return false, err
			}
		}
		return kept.more, nil
	}
	fresh, size := keptPage{until: time.Now().Add(x.route.catalogTTL)}, 0
	fresh.more, err = r.request(n, last, func(name string) error {
		if size += len(name) + 16; size <= maxKeptNames { // with the string itself
			fresh.names = append(fresh.names, name)
		}
		return each(name)
	})
	if fresh.contentType = r.contentType; err == nil && size <= maxKeptNames {
		pages.Add(page, fresh)
	}
	return fresh.more, err
}
