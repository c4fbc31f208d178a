package gateway

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// reloadMetrics are about the last time that the configuration was read.
type reloadMetrics struct {
	successful, timestamp, took prometheus.Gauge
	hash                        prometheus.Gauge
	count                       *prometheus.CounterVec
}

func newReloadMetrics() reloadMetrics {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: metricsPrefix + name, Help: help})
	}
	r := reloadMetrics{
		successful: gauge("config_last_reload_successful", "Whether the configuration is in use that was read last: 1, or 0 for an older one."),
		timestamp:  gauge("config_last_reload_success_timestamp_seconds", "When the configuration that is in use was read, in seconds since 1970."),
		took:       gauge("config_last_reload_duration_seconds", "How long it took to read the configuration the last time."),
		hash:       gauge("config_hash", "A number that differs for configurations that differ, to compare replicas by."),
		count:      newCounters("config_reloads_total", "How often the configuration was read, the start included.", "result"),
	}
	for _, result := range []string{"success", "failure"} {
		r.count.WithLabelValues(result)
	}
	return r
}

func (r reloadMetrics) register(to *prometheus.Registry) {
	to.MustRegister(r.successful, r.timestamp, r.took, r.hash, r.count)
}

// exactDigits is how many hexadecimal digits a float64 tells apart.
const exactDigits = 12

// Reloaded takes down that the configuration was read, at the start or later, how
// long that took, and with what error, nil for none. The hash, hexadecimal, is of
// the configuration that is in use now.
func (m *Metrics) Reloaded(hash string, took time.Duration, err error) {
	if n, err := strconv.ParseUint(hash[:min(len(hash), exactDigits)], 16, 64); err == nil {
		m.reload.hash.Set(float64(n))
	}
	m.reload.took.Set(took.Seconds())
	if err != nil {
		m.reload.successful.Set(0)
		m.reload.count.WithLabelValues("failure").Inc()
		return
	}
	m.reload.successful.Set(1)
	m.reload.timestamp.SetToCurrentTime()
	m.reload.count.WithLabelValues("success").Inc()
}
