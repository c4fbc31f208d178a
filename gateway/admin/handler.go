package admin

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"gatehouse/backend/fault"
	"gatehouse/backend/shown"
	"gatehouse/gateway/strict"
)

// reading serves what changes nothing and names nobody.
func (s *Server) reading(profiles bool) http.Handler {
	mux := http.NewServeMux()
	s.addReading(mux)
	if s.cfg.PProf && profiles {
		addProfiles(mux)
	}
	return readOnly(mux)
}

// everything serves what there is.
func (s *Server) everything() http.Handler {
	mux := http.NewServeMux()
	s.addReading(mux)
	if s.cfg.PProf {
		addProfiles(mux)
	}
	s.addControl(mux)
	return withHeader(mux)
}

// Scrapes that run at once, and how long one may take. Whoever asks more often is
// not Prometheus.
const (
	maxScrapes    = 4
	scrapeTimeout = 10 * time.Second
)

func (s *Server) addReading(mux *http.ServeMux) {
	mux.Handle("/metrics", promhttp.HandlerFor(s.cfg.Metrics.Registry(), promhttp.HandlerOpts{
		// One figure that cannot be had must not take all others with it.
		ErrorHandling:       promhttp.ContinueOnError,
		ErrorLog:            scrapeLog{s.cfg.Log},
		MaxRequestsInFlight: maxScrapes,
		Timeout:             scrapeTimeout,
	}))
	mux.HandleFunc("/livez", s.livez)
	mux.HandleFunc("/readyz", s.readyz)
	mux.HandleFunc("/status", s.status)
	mux.HandleFunc("/status.json", s.statusJSON)
	mux.Handle("/{$}", http.RedirectHandler("/status", http.StatusFound))
}

// addProfiles serves profiles. Those of package net/http/pprof are on a mux of its
// own too, which nobody serves here.
func addProfiles(mux *http.ServeMux) {
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
}

// readOnly refuses whatever might change something.
func readOnly(h http.Handler) http.Handler {
	return withHeader(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			fail(w, http.StatusMethodNotAllowed, "over TCP there is only reading; whatever changes something is on the socket")
			return
		}
		h.ServeHTTP(w, r)
	}))
}

// withHeader sets what all answers have: nothing is kept, guessed, framed, or
// handed to pages of other origins.
func withHeader(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Cache-Control", "no-store")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
		h.ServeHTTP(w, r)
	})
}

// guardTCP refuses requests under names that the listener does not have. A page on
// the web can have its own name lead to this address, and would then be taken by
// the browser to be of one origin with what is served here.
func (s *Server) guardTCP(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.ownHost(r) {
			fail(w, http.StatusMisdirectedRequest, "this is served to loopback, the address itself and the names under hosts in [admin] only")
			return
		}
		h.ServeHTTP(w, r)
	})
}

// ownHost reports whether the Host of a request is one of the listener's.
func (s *Server) ownHost(r *http.Request) bool {
	host := hostOf(r.Host)
	if strict.IsLoopback(host) || slices.Contains(s.cfg.Hosts, host) {
		return true
	}
	configured, _, _ := net.SplitHostPort(s.cfg.Listen)
	if host != "" && host == configured {
		return true
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	addr, err := netip.ParseAddr(host)
	return ok && err == nil && local.AddrPort().Addr().Unmap() == addr.Unmap()
}

// hostOf returns the host of a Host field in lower case, without port and brackets.
func hostOf(field string) string {
	host := field
	if h, _, err := net.SplitHostPort(field); err == nil {
		host = h
	}
	return strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"))
}

// reply answers with v as JSON.
func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(shown.NewWriter(w))
	e.SetIndent("", "  ")
	e.Encode(v) // a client that has gone is no news
}

// fail answers with the reason for a refusal.
func fail(w http.ResponseWriter, status int, reason string) {
	reply(w, status, map[string]string{"error": reason})
}

// failWith says why something is refused, with the code of the reason.
func failWith(w http.ResponseWriter, status int, err error) {
	reply(w, status, map[string]string{"error": err.Error(), "code": string(fault.Of(err))})
}
