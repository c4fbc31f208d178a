package gateway

import (
	"fmt"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"gatehouse/backend"
	"gatehouse/gateway/limits"
)

// BackendInfo is a backend as metrics and the status page show it.
type BackendInfo struct {
	Name string // in the configuration
	Type string // of the configuration

	// Backend is the backend itself, without what stands in front of it.
	Backend backend.Backend

	// What stands in front of it, each nil if nothing does.
	Cache  *backend.Cache
	Shield *backend.Shield
	Flood  *backend.Flood
}

// Status returns how the backend is, and false if it cannot say.
func (b BackendInfo) Status() (backend.Status, bool) {
	r, ok := b.Backend.(backend.Reporter)
	if !ok {
		return backend.Status{}, false
	}
	return r.Status(), true
}

// SetBackends says which backends are in use from now on.
func (m *Metrics) SetBackends(list []BackendInfo) { m.backends.Store(&list) }

// Operation returns what counts the operations of the backend with that name. It
// may be called from any number of goroutines.
func (m *Metrics) Operation(name string) func(backend.Operation) {
	type kind struct{ server, name, result string }
	var counters children[kind, prometheus.Counter]
	var times children[kind, prometheus.Observer]
	return func(o backend.Operation) {
		counters.get(kind{o.Server, o.Name, o.Result}, func(k kind) prometheus.Counter {
			return m.operations.WithLabelValues(name, k.server, k.name, k.result)
		}).Inc()
		times.get(kind{o.Server, o.Name, ""}, func(k kind) prometheus.Observer {
			return m.operationTime.WithLabelValues(name, k.server, k.name)
		}).Observe(o.Took.Seconds())
	}
}

// collector reads, when somebody looks, what others count or know anyway.
type collector struct{ *Metrics }

// What the collector reads.
var (
	descConnections    = newDesc("connections", "Connections of clients, by what they are doing.", "state")
	descAccept         = newDesc("accept_errors_total", "Connections that could not be accepted.")
	descMaxConnections = newDesc("max_connections", "Connections of clients that there may be.")
	descRefused        = newDesc("connections_refused_total", "Connections that were closed before they had said anything, by reason.", "reason")
	descShed           = newDesc("connections_shed_total", "Connections that were closed while they waited for their client, to make room for others.")
	descDelayed        = newDesc("connections_delayed_total", "Waits of connections that ask for more than is theirs, by what for.", "what")
	descSlowBodies     = newDesc("slow_bodies_total", "Requests that were cut off because the client moved a body too slowly.")
	descMemoryLimit    = newDesc("memory_limit_bytes", "Memory that the program tries to stay within; +Inf for no limit.")
	descUndecided      = newDesc("requests_undecided", "Requests that no rule has allowed yet, and refusals that have not been taken.")
	descMaxUndecided   = newDesc("max_requests_undecided", "Those that there may be; from half of it on, only logins that are remembered are let in.")
	descCrowded        = newDesc("crowded_total", "Requests and connections that ended because there were too many undecided requests.", "what")
	descUpstreams      = newDesc("upstream_connections", "Connections to upstreams, and requests that wait for one, by what they are doing.", "state")
	descMaxUpstreams   = newDesc("max_upstream_connections", "Connections to upstreams that may be in use.")
	descBusy           = newDesc("upstream_refused_total", "Requests that got no connection to their upstream, by what there were too many of.", "reason")
	descStuck          = newDesc("stuck_clients_shed_total", "Requests whose client moved nothing and that made room for others.")
	descDropped        = newDesc("log_records_dropped_total", "Records that were lost because nobody read those before them.", "log")
	descCertificate    = newDesc("tls_certificate_not_after_timestamp_seconds", "When the certificate that clients see expires, in seconds since 1970.", "name")
	descDegraded       = newDesc("backend_degraded", "Whether questions to the backend are likely to fail.", "backend")
	descUp             = newDesc("backend_server_up", "Whether the server of a backend is asked: 0 while it is left alone because it failed.", "backend", "server")
	descPool           = newDesc("backend_connections", "Connections to the server of a backend, by whether they are in use.", "backend", "server", "state")
)

func newDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(metricsPrefix+name, help, labels, nil)
}

// Describe implements [prometheus.Collector].
func (c collector) Describe(to chan<- *prometheus.Desc) {
	own := []*prometheus.Desc{descConnections, descMaxConnections, descRefused, descShed, descDelayed, descSlowBodies, descUndecided, descMaxUndecided, descCrowded,
		descUpstreams, descMaxUpstreams, descBusy, descStuck, descMemoryLimit, descAccept, descDropped, descCertificate, descDegraded, descUp, descPool}
	for _, d := range slices.Concat(own, cacheDescs, guardDescs, keptTokenDescs) {
		to <- d
	}
}

// Collect implements [prometheus.Collector]. It is called from a goroutine where a
// panic would end the program.
func (c collector) Collect(to chan<- prometheus.Metric) {
	defer func() {
		if v := recover(); v != nil {
			to <- prometheus.NewInvalidMetric(descDegraded, fmt.Errorf("collect metrics: panic: %v", v))
		}
	}()
	if g := c.gateway.Load(); g != nil {
		collectGateway(to, g.Stats())
	}
	if use := c.hashMemory.Load(); use != nil {
		collectHashMemory(to, (*use)())
	}
	if tally := c.keptTokens.Load(); tally != nil {
		collectKeptTokens(to, (*tally)())
	}
	for _, b := range c.Backends() {
		b.collect(to)
	}
}

// Backends returns the backends that are in use.
func (m *Metrics) Backends() []BackendInfo {
	if list := m.backends.Load(); list != nil {
		return *list
	}
	return nil
}

func collectGateway(to chan<- prometheus.Metric, s Stats) {
	for state, n := range map[string]int{
		"handshake": s.Handshakes, "idle": s.IdleConnections, "active": s.ActiveConnections, "http2": s.HTTP2Connections,
	} {
		to <- gauge(descConnections, float64(n), state)
	}
	to <- counter(descAccept, s.AcceptErrors)
	to <- gauge(descMaxConnections, float64(s.MaxConnections))
	for reason, n := range s.Refused {
		to <- counter(descRefused, n, reason)
	}
	to <- counter(descShed, s.Shed)
	for what, n := range s.Delayed {
		to <- counter(descDelayed, n, what)
	}
	to <- counter(descSlowBodies, s.SlowBodies)
	to <- gauge(descUndecided, float64(s.Undecided))
	to <- gauge(descMaxUndecided, float64(s.MaxUndecided))
	to <- counter(descCrowded, s.CrowdedRequests, "request")
	to <- counter(descCrowded, s.CrowdedConnections, "connection")
	for state, n := range map[string]int{"active": s.UpstreamActive, "idle": s.UpstreamIdle, "waiting": s.UpstreamWaiting} {
		to <- gauge(descUpstreams, float64(n), state)
	}
	to <- gauge(descMaxUpstreams, float64(s.MaxUpstream))
	for reason, n := range s.UpstreamRefused {
		to <- counter(descBusy, n, reason)
	}
	to <- counter(descStuck, s.StuckClients)
	to <- gauge(descMemoryLimit, limits.Memory())
	to <- counter(descDropped, s.AccessDropped, "access")
	to <- counter(descDropped, s.AuditDropped, "audit")
	for _, c := range s.Certificates {
		to <- gauge(descCertificate, float64(c.NotAfter.Unix()), c.Names[0])
	}
}

func (b BackendInfo) collect(to chan<- prometheus.Metric) {
	if b.Cache != nil {
		collectCache(to, b.Name, b.Cache.Stats())
	}
	if b.Shield != nil {
		collectShield(to, b.Name, b.Shield.Stats())
	}
	if b.Flood != nil {
		collectFlood(to, b.Name, b.Flood.Stats())
	}
	if status, ok := b.Status(); ok {
		collectStatus(to, b.Name, status)
	}
}

func collectStatus(to chan<- prometheus.Metric, name string, status backend.Status) {
	to <- gauge(descDegraded, number(status.Degraded), name)
	for _, s := range status.Servers {
		to <- gauge(descUp, number(!s.Down), name, s.Address)
		to <- gauge(descPool, float64(s.InUse), name, s.Address, "in_use")
		to <- gauge(descPool, float64(s.Idle), name, s.Address, "idle")
	}
}

func gauge(d *prometheus.Desc, value float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}

func counter(d *prometheus.Desc, value uint64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(value), labels...)
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
