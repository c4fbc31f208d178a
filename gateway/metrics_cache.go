package gateway

import (
	"github.com/prometheus/client_golang/prometheus"

	"gatehouse/backend"
)

// What is collected of caches.
var (
	descCacheAnswers = newDesc("cache_requests_total", "Questions to a credential cache, by what they were about and how they were answered.", "backend", "kind", "result")
	descCacheShared  = newDesc("cache_shared_total", "Questions that waited for the answer to an equal one.", "backend")
	descCacheChecks  = newDesc("cache_checks_total", "Remembered logins that were checked without a password, by result.", "backend", "result")
	descCacheEntries = newDesc("cache_entries", "Answers that are remembered, by kind.", "backend", "kind")
	descCacheEvicted = newDesc("cache_evictions_total", "Answers that were forgotten for want of room, by kind.", "backend", "kind")
)

var cacheDescs = []*prometheus.Desc{descCacheAnswers, descCacheShared, descCacheChecks, descCacheEntries, descCacheEvicted}

func collectCache(to chan<- prometheus.Metric, name string, s backend.CacheStats) {
	for kind, a := range map[string]backend.CacheAnswers{"login": s.Logins, "groups": s.Groups} {
		to <- counter(descCacheAnswers, a.Hit, name, kind, "hit")
		to <- counter(descCacheAnswers, a.Miss, name, kind, "miss")
		to <- counter(descCacheAnswers, a.Negative, name, kind, "negative")
		to <- counter(descCacheAnswers, a.Stale, name, kind, "stale")
	}
	to <- counter(descCacheShared, s.Shared, name)
	to <- counter(descCacheChecks, s.Checks.OK, name, "ok")
	to <- counter(descCacheChecks, s.Checks.Refused, name, "refused")
	to <- counter(descCacheChecks, s.Checks.Unavailable, name, "unavailable")
	to <- counter(descCacheChecks, s.Checks.Failed, name, "failed")
	for kind, c := range map[string]backend.CacheContent{
		"good_login": s.GoodLogins, "bad_login": s.BadLogins, "groups": s.GroupLists,
	} {
		to <- gauge(descCacheEntries, float64(c.Entries), name, kind)
		to <- counter(descCacheEvicted, c.Evicted, name, kind)
	}
}
