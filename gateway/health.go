package gateway

import (
	"fmt"
	"net/http"
)

// CheckHealthPath returns what is wrong with path as the one under which the service
// port says whether the gateway serves, nil if nothing is. It must take no request away
// from a registry, from a route or from a rule that is about it.
func CheckHealthPath(path string, routes []Route) error {
	return checkReservedPath(path, "/-/healthz", routes)
}

// checkHealth checks the health path of a configuration, if it has one.
func checkHealth(cfg Config) error {
	if cfg.HealthPath == "" {
		return nil
	}
	if err := CheckHealthPath(cfg.HealthPath, cfg.Routes); err != nil {
		return fmt.Errorf("health path: %w", err)
	}
	return nil
}

// isHealthCheck reports whether r asks how the gateway is at a health path. A load
// balancer may ask without a Host, as HAProxy does, or by an address.
func isHealthCheck(r *http.Request, path string) bool {
	return r.RequestURI == path && path != ""
}

// healthStatus returns what a health check is answered while the gateway serves.
func healthStatus(method string) int {
	if method != http.MethodGet && method != http.MethodHead {
		return http.StatusMethodNotAllowed
	}
	return http.StatusOK
}

// serveHealth answers a health check. It is in no log and no metric: a load balancer asks
// every few seconds, from several machines. It is in the crowd, because an answer that a
// client does not take costs memory like any other.
func (x *exchange) serveHealth() (completed bool) {
	x.join()
	defer x.leaveCrowd()
	defer func() {
		if v := recover(); v != nil && v != http.ErrAbortHandler {
			panic(v)
		}
	}()
	x.openBodies()
	x.endIfUnread()
	x.answerHealth()
	return true
}

// answerHealth says whether clients should be sent here.
func (x *exchange) answerHealth() {
	text := "ok\n"
	x.status = healthStatus(x.r.Method)
	h := x.w.Header()
	switch {
	case x.status != http.StatusOK:
		text = "GET or HEAD only\n"
		h.Set("Allow", "GET, HEAD")
	case x.site.sites.state.Load() == isDraining:
		x.status, text = http.StatusServiceUnavailable, "draining\n"
	}
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "text/plain; charset=utf-8")
	x.answerHere([]byte(text))
}
