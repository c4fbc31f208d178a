package admin

import (
	"cmp"
	"maps"
	"math"
	"net/http"
	"runtime"
	"runtime/metrics"
	"slices"
	"strings"
	"time"

	"gatehouse/backend/memory"
	"gatehouse/gateway"
)

// Status is how a gateway is: what the page shows, as JSON. It holds no secret,
// and no user's name unless Config.ShowUsers says so.
type Status struct {
	Version       string         `json:"version"`
	State         gateway.State  `json:"state"`
	Degraded      bool           `json:"degraded"`
	Time          time.Time      `json:"time"`
	Started       time.Time      `json:"started"`
	Uptime        float64        `json:"uptime_seconds"`
	Configuration Configuration  `json:"configuration"`
	Listeners     []string       `json:"listeners"`
	Certificates  []Certificate  `json:"certificates"`
	Backends      []Backend      `json:"backends"`
	Routes        []Route        `json:"routes"`
	LastHour      []Minute       `json:"last_hour"`
	Requests      Requests       `json:"requests"`
	Refusals      Refusals       `json:"refusals"`
	Connections   map[string]int `json:"connections"`
	Limited       Limited        `json:"limited"`
	Process       Process        `json:"process"`

	// Dropped counts the records of each log that were lost.
	Dropped map[string]uint64 `json:"dropped_log_records"`
}

// Configuration is the one that is in use, and how it came to be.
type Configuration struct {
	File       string    `json:"file"`
	Hash       string    `json:"hash"`
	Loaded     time.Time `json:"loaded"` // when it was read
	Age        float64   `json:"age_seconds"`
	LastReload Reload    `json:"last_reload"`
}

// Reload is an attempt to read the configuration, the one at the start included.
type Reload struct {
	Time    time.Time `json:"time"`
	OK      bool      `json:"ok"`
	Error   string    `json:"error,omitempty"` // why the one before it stays in use
	Code    string    `json:"code,omitempty"`  // of the error
	Seconds float64   `json:"seconds"`
}

// Certificate is one that clients see.
type Certificate struct {
	Names    []string  `json:"names"`
	NotAfter time.Time `json:"not_after"`
	DaysLeft int       `json:"days_left"`
}

// Requests counts requests since the program started.
type Requests struct {
	Running    int               `json:"running"`
	Total      uint64            `json:"total"`
	ByDecision map[string]uint64 `json:"by_decision"`
}

// Route counts the requests to a route of the configuration in use, since the program
// started.
type Route struct {
	Name     string `json:"name"`
	Requests uint64 `json:"requests"`
	Refused  uint64 `json:"refused"` // of these, that no rule has let pass
	Rules    []Rule `json:"rules"`
}

// Rule counts the requests that a rule decided.
type Rule struct {
	Name    string `json:"name"`
	Passed  uint64 `json:"passed"`
	Refused uint64 `json:"refused"` // also for want of a login
}

// Refusals are the requests that the gateway answered itself.
type Refusals struct {
	ByReason map[string]uint64 `json:"by_reason"`
	Last     []Refusal         `json:"last"`
}

// Refusal is one of the last. Its ID is the one that the client was shown.
type Refusal struct {
	ID     string    `json:"id"`
	Time   time.Time `json:"time"`
	Method string    `json:"method"`
	Status int       `json:"status"`
	Reason string    `json:"reason"`
	User   string    `json:"user,omitempty"`
}

// Limited counts what limits have ended since the program started.
type Limited struct {
	Connections int `json:"max_connections"` // of clients, that there may be

	Refused    map[string]uint64 `json:"refused_connections"` // by reason
	Shed       uint64            `json:"shed_connections"`    // closed to make room for others
	SlowBodies uint64            `json:"slow_bodies"`
}

// Process is what the program takes of the machine.
type Process struct {
	Goroutines int    `json:"goroutines"`
	Memory     uint64 `json:"memory_bytes"`
	Limit      uint64 `json:"memory_limit_bytes,omitempty"` // that it tries to stay within; not there for none
	CPUs       int    `json:"cpus"`
	Go         string `json:"go"`
}

// shownRefusals is how many of the last refusals are shown, and maxMethod how much
// of a method, which may be any text.
const (
	shownRefusals = 20
	maxMethod     = 10
)

// Status returns how the gateway is. It asks nobody outside the program.
func (s *Server) Status() Status {
	now, stats := time.Now(), s.cfg.Gateway.Stats()
	totals := s.cfg.Metrics.Totals()
	status := Status{
		Version: s.cfg.Version, State: stats.State, Time: now, Started: s.started, Uptime: seconds(now.Sub(s.started)),
		Configuration: s.cfg.Configuration(),
		Listeners:     []string{},
		Certificates:  []Certificate{},
		Backends:      s.backends(),
		Routes:        routes(stats.Routes, totals),
		LastHour:      s.history.minutes(sampleOf(now, totals)),
		Requests:      Requests{Running: stats.Running, ByDecision: totals.Decisions},
		Refusals:      Refusals{ByReason: totals.Refusals, Last: s.lastRefusals()},
		Connections: map[string]int{
			"handshake": stats.Handshakes, "idle": stats.IdleConnections,
			"active": stats.ActiveConnections, "http2": stats.HTTP2Connections,
		},
		Limited: Limited{Connections: stats.MaxConnections, Refused: stats.Refused, Shed: stats.Shed, SlowBodies: stats.SlowBodies},
		Process: process(),
		Dropped: map[string]uint64{"access": stats.AccessDropped, "audit": stats.AuditDropped},
	}
	status.Configuration.Age = seconds(now.Sub(status.Configuration.Loaded))
	for _, n := range totals.Decisions {
		status.Requests.Total += n
	}
	if stats.State != gateway.StateStarting { // while it is, they are being opened
		for _, a := range s.cfg.Gateway.Addrs() {
			status.Listeners = append(status.Listeners, a.String())
		}
	}
	for _, c := range stats.Certificates {
		days := int(c.NotAfter.Sub(now) / (24 * time.Hour))
		status.Certificates = append(status.Certificates, Certificate{c.Names, c.NotAfter, days})
	}
	status.Degraded = slices.ContainsFunc(status.Backends, func(b Backend) bool { return b.Degraded })
	return status
}

// routes returns what was counted of the routes in use.
func routes(list []gateway.RouteStats, totals gateway.Totals) []Route {
	all := []Route{}
	for _, r := range list {
		passed, refused := passedAndRefused(totals.Routes[r.Name])
		route := Route{Name: r.Name, Requests: passed + refused, Refused: refused, Rules: []Rule{}}
		for _, name := range r.Rules {
			passed, refused := passedAndRefused(totals.Rules[gateway.RouteRule{Route: r.Name, Rule: name}])
			route.Rules = append(route.Rules, Rule{name, passed, refused})
		}
		all = append(all, route)
	}
	return all
}

func passedAndRefused(byDecision map[string]uint64) (passed, refused uint64) {
	for decision, n := range byDecision {
		if isLetPass(decision) {
			passed += n
		} else {
			refused += n
		}
	}
	return passed, refused
}

// seconds rounds to what a person or a machine may care for.
func seconds(d time.Duration) float64 { return d.Round(time.Millisecond).Seconds() }

func (s *Server) lastRefusals() []Refusal {
	last := []Refusal{}
	for _, r := range s.cfg.Gateway.LastRefusals(shownRefusals) {
		shown := Refusal{ID: r.ID, Time: r.Time, Method: r.Method[:min(len(r.Method), maxMethod)], Status: r.Answer.Status, Reason: string(r.Reason)}
		if s.cfg.ShowUsers {
			shown.User = cmp.Or(r.Who.Identity.User, r.Claimed)
		}
		last = append(last, shown)
	}
	return last
}

// process asks the runtime for what costs nothing to tell: ReadMemStats would stop
// every request for a moment.
func process() Process {
	classes := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(classes)
	limit := memory.Limit()
	if limit == math.MaxInt64 {
		limit = 0
	}
	return Process{
		Limit:      uint64(limit),
		Goroutines: runtime.NumGoroutine(),
		Memory:     classes[0].Value.Uint64() - classes[1].Value.Uint64(),
		CPUs:       runtime.GOMAXPROCS(0),
		Go:         runtime.Version(),
	}
}

// status serves the page, or JSON to whoever asks for that.
func (s *Server) status(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("format") == "json" || prefersJSON(r.Header.Values("Accept")) {
		s.statusJSON(w, r)
		return
	}
	s.page.serve(w, s.Status())
}

func (s *Server) statusJSON(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, s.Status())
}

// prefersJSON reports whether a client names JSON and not HTML, as programs do and
// browsers do not.
func prefersJSON(accept []string) bool {
	all := strings.Join(accept, ",")
	return strings.Contains(all, "application/json") && !strings.Contains(all, "text/html")
}

// largestFirst returns the keys of counts by their counts.
func largestFirst(counts map[string]uint64) []string {
	return slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
}
