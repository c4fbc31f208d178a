package gateway

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gatehouse/backend/fault"
	"gatehouse/gateway/rules"
)

// measure resolves the metrics of every route, once for all of its requests.
func (s *site) measure(routes []Route) {
	if s.metrics == nil {
		return
	}
	s.unrouted = s.metrics.route(routeNone)
	for i, r := range s.routes {
		r.metrics = s.metrics.route(routes[i].Name())
	}
}

// count counts an exchange that has ended.
func (x *exchange) count() {
	x.site.metrics.CountFault(fault.Of(x.cause))
	switch {
	case x.site.metrics == nil:
	case x.route == nil:
		x.site.unrouted.count(x)
	default:
		x.route.metrics.count(x)
	}
}

// routeMetrics are the metrics of one route.
type routeMetrics struct {
	all  *Metrics
	name string // the label

	requests       children[requestKind, prometheus.Counter]
	rules          children[ruleKind, prometheus.Counter]
	methods        children[string, methodMetrics]
	authentication prometheus.Observer
	received, sent prometheus.Counter
}

// requestKind is what one counter of requests is about.
type requestKind struct {
	method, outcome string
	status          int
}

// ruleKind is what one counter of the requests that a rule decided is about. Both come
// from the configuration and from this program.
type ruleKind struct{ rule, outcome string }

// methodMetrics are the histograms of one method of a route.
type methodMetrics struct{ total, upstream prometheus.Observer }

// routeNone is the label of requests that came to no route, whose paths begin with
// a slash or a host.
const routeNone = "none"

// route returns the metrics of the route with that name. What is worth an alert
// begins at zero, not with the first request of its kind: a counter that comes
// into being as 1 has not risen.
func (m *Metrics) route(name string) *routeMetrics {
	r := &routeMetrics{
		all: m, name: name, authentication: m.authDuration.WithLabelValues(name),
		received: m.received.WithLabelValues(name), sent: m.sent.WithLabelValues(name),
	}
	if name == routeNone {
		return r
	}
	for _, k := range []requestKind{
		{http.MethodGet, outcomeAllowed, http.StatusOK},
		{http.MethodGet, outcomeUnauthenticated, http.StatusUnauthorized},
		{http.MethodGet, outcomeDenied, http.StatusForbidden},
		{http.MethodGet, outcomeUndecided, http.StatusServiceUnavailable},
	} {
		r.requests.get(k, r.newRequests)
	}
	return r
}

func (r *routeMetrics) newRequests(k requestKind) prometheus.Counter {
	status := "other"
	if k.status != 0 {
		status = strconv.Itoa(k.status)
	}
	return r.all.requests.WithLabelValues(r.name, k.method, k.outcome, status)
}

func (r *routeMetrics) newRule(k ruleKind) prometheus.Counter {
	return r.all.ruled.WithLabelValues(r.name, k.rule, k.outcome)
}

func (r *routeMetrics) newMethod(method string) methodMetrics {
	return methodMetrics{r.all.duration.WithLabelValues(r.name, method), r.all.upstreamTime.WithLabelValues(r.name, method)}
}

// count counts an exchange that has ended.
func (r *routeMetrics) count(x *exchange) {
	method := methodLabel(x.r.Method)
	outcome := x.outcome()
	r.requests.get(requestKind{method, outcome, statusLabel(x.loggedStatus())}, r.newRequests).Inc()
	if rule := x.decision.Rule; rule != "" {
		r.rules.get(ruleKind{rule, outcome}, r.newRule).Inc()
	}
	histograms := r.methods.get(method, r.newMethod)
	histograms.total.Observe(time.Since(x.start).Seconds())
	if x.upstreamTook > 0 {
		histograms.upstream.Observe(x.upstreamTook.Seconds())
	}
	if x.claimed != "" {
		r.authentication.Observe(x.loginTook.Seconds())
	}
	r.sent.Add(float64(x.sent))
	if x.upload != nil {
		r.received.Add(float64(x.upload.received(x.r.ContentLength)))
	}
	if x.refused {
		r.all.refused.get(x.reason(), r.all.newRefusals).Inc()
	}
}

func (m *Metrics) newRefusals(reason fault.Reason) prometheus.Counter {
	return m.refusals.WithLabelValues(string(reason))
}

// methodLabel keeps to methods that are known: a client may send any word.
func methodLabel(method string) string {
	if rules.KnownMethod(method) {
		return method
	}
	return "other"
}

// statusLabel keeps to statuses that are known: an upstream may send any number.
// It returns 0 for others.
func statusLabel(status int) int {
	if status == statusClientGone || http.StatusText(status) != "" {
		return status
	}
	return 0
}

// received returns how many bytes of the body were read from the client; length
// is what the request said, negative if it said nothing.
func (u *uploadBody) received(length int64) int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return length - u.left
}
