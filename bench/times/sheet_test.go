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

// What the floor is for is seen without it, and not with it. The bounds are far from
// what is measured, for machines that are busy.
func TestFloorHidesWhatAFileShows(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs gatehouse")
	}
	auc := func(floor time.Duration) string {
		var out bytes.Buffer
		if err := run(t.Context(), options{samples: 120, conns: 16, floor: floor, limit: 1, only: "file"}, &out); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			if fields := strings.Fields(line); len(fields) == 4 && fields[0] == "wrong" && fields[1] == "remembered" {
				return fields[3]
			}
		}
		t.Fatalf("no figure in\n%s", out.String())
		return ""
	}
	if got := auc(0); got < "0.9" {
		t.Errorf("without a floor, an answer that is remembered is told from one that is not with AUC %s, want 0.9 at least", got)
	}
	if got := auc(100 * time.Millisecond); got > "0.8" {
		t.Errorf("with one, AUC %s, want 0.8 at most", got)
	}
}
