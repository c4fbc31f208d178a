package gateway

import (
	"github.com/prometheus/client_golang/prometheus"

	"gatehouse/backend/fault"
)

// faultMetrics count what went wrong, by code. All of them begin at zero: a counter
// that comes into being as 1 has not risen.
type faultMetrics struct {
	all    *prometheus.CounterVec
	byCode map[fault.Code]prometheus.Counter
}

func newFaultMetrics() faultMetrics {
	f := faultMetrics{
		all:    newCounters("faults_total", "What went wrong with requests and besides, by the code in docs/errors.md.", "code"),
		byCode: map[fault.Code]prometheus.Counter{},
	}
	for _, g := range fault.Catalogue() {
		for _, e := range g.Entries {
			f.byCode[e.Code] = f.all.WithLabelValues(string(e.Code))
		}
	}
	return f
}

// CountFault counts a fault by its code. It does nothing for one that is not in the
// catalogue, or if m is nil.
func (m *Metrics) CountFault(code fault.Code) {
	if m == nil || code == "" {
		return
	}
	if c, ok := m.faults.byCode[code]; ok {
		c.Inc()
	}
}
