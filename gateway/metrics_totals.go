package gateway

// Totals are the counts of requests since the program started.
type Totals struct {
	Decisions map[string]uint64 // by what the gateway made of them
	Refusals  map[string]uint64 // that it answered itself, by reason
}

// Totals returns the counts.
func (m *Metrics) Totals() Totals {
	t := Totals{Decisions: map[string]uint64{}, Refusals: map[string]uint64{}}
	families, _ := m.counted.Gather() // which are counters alone and do not fail
	for _, f := range families {
		counts, label := t.Decisions, "decision"
		if f.GetName() == metricsPrefix+"refusals_total" {
			counts, label = t.Refusals, "reason"
		}
		for _, s := range f.GetMetric() {
			for _, l := range s.GetLabel() {
				if l.GetName() == label {
					counts[l.GetValue()] += uint64(s.GetCounter().GetValue())
				}
			}
		}
	}
	return t
}
