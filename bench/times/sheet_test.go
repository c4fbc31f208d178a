package main

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"
)

func TestAUC(t *testing.T) {
	for _, tt := range []struct {
		a, b []time.Duration
		want float64
	}{
		{[]time.Duration{1, 2, 3}, []time.Duration{4, 5, 6}, 1},
		{[]time.Duration{4, 5, 6}, []time.Duration{1, 2, 3}, 1},
		{[]time.Duration{1, 2, 3}, []time.Duration{1, 2, 3}, 0.5},
		{[]time.Duration{7, 7}, []time.Duration{7, 7, 7}, 0.5},
		{[]time.Duration{1, 3}, []time.Duration{2}, 0.5},
		{[]time.Duration{3, 1, 1, 1}, []time.Duration{2}, 0.75},
		{[]time.Duration{2, 1}, []time.Duration{2, 3}, 0.875},
	} {
		if got := auc(tt.a, tt.b); math.Abs(got-tt.want) > 1e-9 {
			t.Errorf("%v, %v: got %v, want %v", tt.a, tt.b, got, tt.want)
		}
	}
}

// The command asks a gatehouse for all that it is to compare. What the figures are
// on a machine that runs tests says nothing.
func TestTimesOfAFile(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), options{samples: 4, conns: 2, floor: 100 * time.Millisecond, limit: 1, only: "file"}, &out); err != nil {
		t.Fatal(err)
	}
	medians, pairs := 0, 0
	for line := range strings.Lines(out.String()) {
		if _, text, ok := strings.Cut(line, "median "); ok {
			medians++
			if d, err := time.ParseDuration(strings.Fields(text)[0]); err != nil || d < 100*time.Millisecond {
				t.Errorf("%q: want a time of at least 100ms (%v)", line, err)
			}
		}
		if strings.Contains(line, "AUC ") {
			pairs++
		}
	}
	if medians != 4 || pairs != 6 {
		t.Errorf("got %d medians and the AUC of %d pairs, want 4 and 6:\n%s", medians, pairs, out.String())
	}
}
