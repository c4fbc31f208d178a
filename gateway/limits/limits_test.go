package limits

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// A trickle is found out; a silence, a slow link and a slow upstream are not.
func TestRateOfBodies(t *testing.T) {
	l := Limits{BodyRate: 1024, BodyWindow: time.Minute}
	for name, tt := range map[string]struct {
		n      int
		took   time.Duration
		before []time.Duration // silences, with a byte behind each
		slow   bool
	}{
		"a byte in 10 s":                       {n: 1, took: 10 * time.Second, slow: true},
		"a byte in 4 min":                      {n: 1, took: 4 * time.Minute, slow: true},
		"half of the rate":                     {n: 512, took: time.Second, slow: true},
		"half of the rate in large pieces":     {n: 128 << 10, took: 256 * time.Second, slow: true},
		"a little more than the rate":          {n: 1100, took: time.Second},
		"the same in large pieces":             {n: 128 << 10, took: 127 * time.Second},
		"100 KiB/s":                            {n: 16 << 10, took: 160 * time.Millisecond},
		"100 KiB/s after a silence of 4 min":   {n: 16 << 10, took: 160 * time.Millisecond, before: []time.Duration{4 * time.Minute}},
		"100 KiB/s after three such silences":  {n: 16 << 10, before: []time.Duration{4 * time.Minute, 4 * time.Minute, 4 * time.Minute}, slow: true},
		"all at once, from behind an upstream": {n: 1},
	} {
		r := NewRate(l)
		var err error
		for _, silence := range tt.before {
			if err == nil {
				err = r.Moved(1, silence)
			}
		}
		for range 100_000 {
			if err == nil {
				err = r.Moved(tt.n, tt.took)
			}
		}
		if (err != nil) != tt.slow {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What the process has no room for is not promised, and said.
func TestLimitsAreWhatThereIsRoomFor(t *testing.T) {
	var log bytes.Buffer
	l := Bounds{Limits: Limits{Connections: 100, UpstreamConnections: 100}}
	l.reduce("connections", &l.Connections, 50, 70)
	l.reduce("upstream_connections", &l.UpstreamConnections, 90, 80)
	l.reduce("upstream_connections", &l.UpstreamConnections, 80, 80)
	if l.Connections != 50 || l.UpstreamConnections != 80 {
		t.Errorf("%d connections and %d to upstreams, want 50 and 80", l.Connections, l.UpstreamConnections)
	}
	l.Tell(slog.New(slog.NewTextHandler(&log, nil)))
	for _, want := range []string{`key=limits.connections configured=100 admitted=50 for_want_of="file descriptors"`, "key=limits.upstream_connections configured=100 admitted=80 for_want_of=memory"} {
		if !strings.Contains(log.String(), want) || strings.Count(log.String(), "\n") != 2 {
			t.Errorf("the log does not say %q:\n%s", want, log.String())
		}
	}
}

// Connections of clients and upstreams leave descriptors for everything else.
func TestSEC3DescriptorsAreReserved(t *testing.T) {
	for all, reserved := range map[int]int{64: 24, 1024: 128, 16384: 512, 1 << 20: 512} {
		shared := SharedOf(all)
		used := shared * 2 / 5
		if taken := shared/2 + used + used/4; taken > all-reserved || taken < (all-reserved)*9/10 {
			t.Errorf("of %d descriptors connections may take %d, and %d are reserved", all, taken, reserved)
		}
	}
}
