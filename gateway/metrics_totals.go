package gateway

import "slices"

// Totals are the counts of requests since the program started.
type Totals struct {
	Decisions map[string]uint64 // by what the gateway made of them
	Refusals  map[string]uint64 // that it answered itself, by reason

	Routes map[string]map[string]uint64    // by name, and what the gateway made of them
	Rules  map[RouteRule]map[string]uint64 // that decided, likewise

	Durations Durations
}

// RouteRule is a rule of a route, by their names.
type RouteRule struct{ Route, Rule string }

// Durations say how long requests took, from the head to the end of the answer.
type Durations struct {
	Bounds []float64 // in seconds, rising
	Counts []uint64  // of requests that took no longer than each of these
	Total  uint64
}

// Totals returns the counts.
func (m *Metrics) Totals() Totals {
	t := Totals{Decisions: map[string]uint64{}, Refusals: map[string]uint64{}, Routes: map[string]map[string]uint64{}, Rules: map[RouteRule]map[string]uint64{}}
	families, _ := m.counted.Gather() // which are counters and histograms alone and do not fail
	for _, f := range families {
		for _, s := range f.GetMetric() {
			label, n := labelsOf(s.GetLabel()), uint64(s.GetCounter().GetValue())
			switch f.GetName() {
			case metricsPrefix + "requests_total":
				t.Decisions[label["decision"]] += n
				add(t.Routes, label["route"], label["decision"], n)
			case metricsPrefix + "rule_requests_total":
				add(t.Rules, RouteRule{label["route"], label["rule"]}, label["decision"], n)
			case metricsPrefix + "refusals_total":
				t.Refusals[label["reason"]] += n
			case metricsPrefix + "request_duration_seconds":
				addBuckets(&t.Durations, s.GetHistogram().GetBucket(), s.GetHistogram().GetSampleCount())
			}
		}
	}
	return t
}

func labelsOf[L interface {
	GetName() string
	GetValue() string
}](pairs []L) map[string]string {
	labels := map[string]string{}
	for _, l := range pairs {
		labels[l.GetName()] = l.GetValue()
	}
	return labels
}

// add adds n to what counts has for k and decision.
func add[K comparable](counts map[K]map[string]uint64, k K, decision string, n uint64) {
	if counts[k] == nil {
		counts[k] = map[string]uint64{}
	}
	counts[k][decision] += n
}

// addBuckets adds a histogram, which has the same bounds as all others.
func addBuckets[B interface {
	GetUpperBound() float64
	GetCumulativeCount() uint64
}](d *Durations, buckets []B, total uint64) {
	if d.Bounds == nil {
		d.Counts = make([]uint64, len(buckets))
		for _, b := range buckets {
			d.Bounds = append(d.Bounds, b.GetUpperBound())
		}
	}
	for i, b := range buckets[:min(len(buckets), len(d.Counts))] {
		d.Counts[i] += b.GetCumulativeCount()
	}
	d.Total += total
}

// Since returns the durations that came after those of before, none if that is later.
func (d Durations) Since(before Durations) Durations {
	since := Durations{Bounds: d.Bounds, Counts: slices.Clone(d.Counts), Total: Rise(before.Total, d.Total)}
	for i, n := range before.Counts[:min(len(before.Counts), len(d.Counts))] {
		since.Counts[i] = Rise(n, d.Counts[i])
	}
	return since
}

// Rise returns by how much a count has risen, 0 if it has fallen.
func Rise(before, now uint64) uint64 { return now - min(before, now) }

// Quantile returns how long the share q of the requests took at most, in seconds: a
// bound, between two of which nothing is known. It returns 0 if there are none.
func (d Durations) Quantile(q float64) float64 {
	if d.Total == 0 {
		return 0
	}
	rank := q * float64(d.Total)
	i, _ := slices.BinarySearchFunc(d.Counts, rank, func(n uint64, rank float64) int {
		if float64(n) >= rank {
			return 1
		}
		return -1
	})
	return d.Bounds[min(i, len(d.Bounds)-1)]
}
