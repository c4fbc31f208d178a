package main

import (
	"context"
	"fmt"
	"io"
	"time"
)

// measure is a row of the report.
type measure struct {
	Key   string `json:"key"`
	Title string `json:"title"`
	Unit  string `json:"unit"`
	goal  goal
}

const (
	smallCPU     = "small_cpu"
	smallRate    = "small_rate"
	smallP50     = "small_p50"
	smallP99     = "small_p99"
	pullCPU      = "pull_cpu"
	pushCPU      = "push_cpu"
	handshakeCPU = "handshake_cpu"
	idleRSS      = "idle_rss"
	idleEach     = "idle_each"
)

func measures(o options) []measure {
	mib := fmt.Sprintf("%d MiB", o.blobMiB)
	return []measure{
		{Key: smallCPU, Title: "CPU per small GET", Unit: "µs", goal: goal{text: "at most haproxy", rivals: []string{"haproxy"}}},
		{Key: smallRate, Title: "small GETs per second", Unit: "1/s"},
		{Key: smallP50, Title: "small GET, p50", Unit: "ms"},
		{Key: smallP99, Title: "small GET, p99", Unit: "ms"},
		{Key: pullCPU, Title: "CPU per " + mib + " pulled", Unit: "ms", goal: goal{text: "ahead of all", rivals: []string{"apache", "nginx", "haproxy"}, strict: true}},
		{Key: pushCPU, Title: "CPU per " + mib + " pushed", Unit: "ms"},
		{Key: handshakeCPU, Title: "CPU per full handshake + 401", Unit: "µs"},
		{Key: idleRSS, Title: fmt.Sprintf("RSS, %d idle connections", o.idle), Unit: "MiB"},
		{Key: idleEach, Title: "  of it for each connection", Unit: "KiB"},
	}
}

// sheet holds what was seen: by measure, by server, a value for each round.
type sheet map[string]map[string][]float64

func (s sheet) add(key, server string, value float64) {
	if s[key] == nil {
		s[key] = map[string][]float64{}
	}
	s[key][server] = append(s[key][server], value)
}

// measureAll looks at the memory of each server while it is young, checks that
// it carries blobs unharmed, and then loads all of them in turns.
func measureAll(ctx context.Context, l *lab, servers []*server, o options, progress io.Writer) (sheet, error) {
	results := sheet{}
	for _, s := range servers {
		fmt.Fprintf(progress, "%s: memory and digests\n", s.name)
		err := patiently(ctx, "hold idle connections", func(ctx context.Context) error {
			return measureIdle(ctx, l, s, o.idle, results)
		})
		if err != nil {
			return nil, err
		}
		if err := patiently(ctx, "verify blobs", func(ctx context.Context) error { return verify(ctx, l, s) }); err != nil {
			return nil, err
		}
	}
	for round := range o.rounds {
		// Nobody always comes first.
		for i := range servers {
			s := servers[(round+i)%len(servers)]
			fmt.Fprintf(progress, "round %d of %d: %s\n", round+1, o.rounds, s.name)
			if err := measureRound(ctx, l, s, o, results); err != nil {
				return nil, err
			}
		}
	}
	return results, nil
}

func measureRound(ctx context.Context, l *lab, s *server, o options, results sheet) error {
	for _, w := range loads(o) {
		if !w.on(s) {
			continue
		}
		err := patiently(ctx, w.name, func(ctx context.Context) error {
			out, err := w.run(ctx, l, s)
			if err == nil {
				results.record(w, s, out)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s sheet) record(w load, on *server, out outcome) {
	n := float64(len(out.latencies))
	s.add(w.cpuKey, on.name, in(w.cpuUnit, out.cpu)/n)
	if w.name != "small" {
		return
	}
	s.add(smallRate, on.name, n/out.elapsed.Seconds())
	s.add(smallP50, on.name, in(time.Millisecond, percentile(out.latencies, 50)))
	s.add(smallP99, on.name, in(time.Millisecond, percentile(out.latencies, 99)))
}

func in(unit, d time.Duration) float64 { return float64(d) / float64(unit) }

// measureIdle reads the memory of s with n connections that have been used and
// are silent now.
func measureIdle(ctx context.Context, l *lab, s *server, n int, results sheet) error {
	if s.tls == nil {
		return nil
	}
	before, err := groupRSS(s.group())
	if err != nil {
		return s.explain(err)
	}
	clients, err := connect(ctx, l, s, n)
	defer closeAll(clients)
	if err != nil {
		return err
	}
	time.Sleep(time.Second) // for the server to put away what it used for the handshakes
	after, err := groupRSS(s.group())
	if err != nil {
		return s.explain(err)
	}
	// A connection that the server gave up meanwhile must not count as held.
	for i, c := range clients {
		if err := c.do(rootRequest(s.user(l, i))); err != nil {
			return err
		}
	}
	results.add(idleRSS, s.name, float64(after)/(1<<20))
	results.add(idleEach, s.name, float64(after-before)/(1<<10)/float64(n))
	return nil
}

// verify sends a blob each way and compares digests.
func verify(ctx context.Context, l *lab, s *server) error {
	if err := once(ctx, s, verifiedPull(l, s.user(l, 0))); err != nil {
		return err
	}
	return once(ctx, s, verifiedPush(l, s.user(l, 0)))
}
