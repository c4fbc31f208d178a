package gateway

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"gatehouse/backend/fault"
	"gatehouse/backend/owntoken"
)

// Metrics counts what gateways do, in a registry of its own. It outlives the
// configuration: the Gateway that comes after a reload counts on where the one
// before it stopped. No label holds a name that a client chose, so that nobody
// can make their number grow.
type Metrics struct {
	registry *prometheus.Registry
	counted  *prometheus.Registry // those of it that Totals adds up

	requests      *prometheus.CounterVec
	ruled         *prometheus.CounterVec
	refusals      *prometheus.CounterVec
	duration      *prometheus.HistogramVec
	authDuration  *prometheus.HistogramVec
	upstreamTime  *prometheus.HistogramVec
	received      *prometheus.CounterVec
	sent          *prometheus.CounterVec
	inFlight      prometheus.Gauge
	operations    *prometheus.CounterVec
	operationTime *prometheus.HistogramVec
	reload        reloadMetrics
	faults        faultMetrics
	tokens        tokenMetrics

	refused  children[fault.Reason, prometheus.Counter]
	gateway  atomic.Pointer[Gateway] // the one that runs
	backends atomic.Pointer[[]BackendInfo]

	hashMemory atomic.Pointer[func() HashMemoryUse]
	keptTokens atomic.Pointer[func() owntoken.Tally]
}

// Buckets of the histograms, in seconds. A login that is remembered takes a
// microsecond and one with bcrypt a second; a layer may take half an hour.
var (
	authBuckets     = []float64{1e-5, 1e-4, .001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	upstreamBuckets = []float64{5e-4, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 15, 60}
	totalBuckets    = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 15, 60, 300, 1800}
)

// NewMetrics returns Metrics of the program with that version.
func NewMetrics(version, goVersion string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		counted:  prometheus.NewRegistry(),
		requests: newCounters("requests_total", "Requests by route, method, what the gateway made of them, and status.",
			"route", "method", "decision", "status"),
		ruled: newCounters("rule_requests_total", "Requests by route, the rule that decided, and what the gateway made of them.",
			"route", "rule", "decision"),
		refusals: newCounters("refusals_total", "Requests that the gateway answered itself, by reason.", "reason"),
		duration: newHistograms("request_duration_seconds", "Time from the head of a request to the end of its answer.",
			totalBuckets, "route", "method"),
		authDuration: newHistograms("authentication_duration_seconds", "Time that logging in and looking up groups took, remembered answers included.",
			authBuckets, "route"),
		upstreamTime: newHistograms("upstream_duration_seconds", "Time until the upstream began to answer, the upload of a body included.",
			upstreamBuckets, "route", "method"),
		received: newCounters("request_body_bytes_total", "Bytes of request bodies that clients have sent.", "route"),
		sent:     newCounters("response_body_bytes_total", "Bytes of answers' bodies that clients were sent.", "route"),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{Name: "gatehouse_requests_in_flight", Help: "Requests that are being carried out."}),
		operations: newCounters("backend_operations_total", "Operations of backends with their servers, by result.",
			"backend", "server", "operation", "result"),
		operationTime: newHistograms("backend_operation_duration_seconds", "Time that operations of backends with their servers took.",
			upstreamBuckets, "backend", "server", "operation"),
		reload: newReloadMetrics(),
		faults: newFaultMetrics(),
		tokens: newTokenMetrics(),
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "gatehouse_build_info", Help: "Which program this is; the value is always 1.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": goVersion},
	})
	info.Set(1)
	m.registry.MustRegister(m.requests, m.ruled, m.refusals, m.duration, m.authDuration, m.upstreamTime, m.received, m.sent, m.inFlight,
		m.operations, m.operationTime, info, collector{m}, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.counted.MustRegister(m.requests, m.ruled, m.refusals, m.duration)
	m.reload.register(m.registry)
	m.registry.MustRegister(m.faults.all, m.tokens.issued, m.tokens.checked)
	return m
}

func newCounters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: metricsPrefix + name, Help: help}, labels)
}

func newHistograms(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: metricsPrefix + name, Help: help, Buckets: buckets}, labels)
}

// metricsPrefix begins the name of every metric of this program.
const metricsPrefix = "gatehouse_"

// Registry returns what holds the metrics, to be shown and to be added to.
func (m *Metrics) Registry() *prometheus.Registry { return m.registry }
