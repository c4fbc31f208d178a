package admin

import (
	"context"
	"sync"
	"time"

	"gatehouse/gateway"
)

const (
	// sampleEvery is how long one of the minutes of a [Status] is.
	sampleEvery = time.Minute

	// keptMinutes are those of the last hour.
	keptMinutes = 60
)

// Minute is what there was to do in a minute of the last hour.
type Minute struct {
	Time     time.Time `json:"time"` // when it began
	Requests uint64    `json:"requests"`
	Refused  uint64    `json:"refused"`     // of these, that no rule has let pass
	Median   float64   `json:"p50_seconds"` // half of the requests took no longer
	P95      float64   `json:"p95_seconds"`
}

// history remembers the counts at the beginning of each minute of the last hour. It may
// be used from any number of goroutines.
type history struct {
	mu      sync.Mutex
	samples []sample // the newest at the end
}

// sample is what had been counted at a time.
type sample struct {
	at                time.Time
	requests, allowed uint64
	durations         gateway.Durations
}

func sampleOf(at time.Time, t gateway.Totals) sample {
	s := sample{at: at, durations: t.Durations}
	for decision, n := range t.Decisions {
		s.requests += n
		if isLetPass(decision) {
			s.allowed += n
		}
	}
	return s
}

// isLetPass reports whether requests of which the gateway made this came through.
func isLetPass(decision string) bool { return decision == "allowed" || decision == "preflight" }

// add remembers s, and forgets what is older than an hour.
func (h *history) add(s sample) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.samples = append(h.samples, s); len(h.samples) > keptMinutes {
		h.samples = h.samples[1:]
	}
}

// minutes returns the last hour up to now, of which the last minute may be shorter.
func (h *history) minutes(now sample) []Minute {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := []Minute{}
	for i, begin := range h.samples {
		end := now
		if i+1 < len(h.samples) {
			end = h.samples[i+1]
		}
		list = append(list, between(begin, end))
	}
	return list
}

// between returns what there was to do. The counts of the end may be less, where one is
// taken while the other is.
func between(begin, end sample) Minute {
	took := end.durations.Since(begin.durations)
	requests := gateway.Rise(begin.requests, end.requests)
	return Minute{
		Time: begin.at, Requests: requests, Refused: gateway.Rise(gateway.Rise(begin.allowed, end.allowed), requests),
		Median: took.Quantile(.5), P95: took.Quantile(.95),
	}
}

// remember takes a sample each minute until ctx is done.
func (s *Server) remember(ctx context.Context) {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			s.history.add(sampleOf(now, s.cfg.Metrics.Totals()))
		}
	}
}
