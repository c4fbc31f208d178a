package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPercentileIsNearestRank(t *testing.T) {
	var hundred []time.Duration
	for i := range 100 {
		hundred = append(hundred, time.Duration(i+1))
	}
	for _, c := range []struct {
		sorted []time.Duration
		p      int
		want   time.Duration
	}{
		{nil, 50, 0},
		{hundred[:1], 50, 1},
		{hundred[:1], 99, 1},
		{hundred[:2], 50, 1},
		{hundred[:3], 50, 2},
		{hundred, 50, 50},
		{hundred, 99, 99},
		{hundred, 100, 100},
		{hundred[:10], 99, 10},
	} {
		if got := percentile(c.sorted, c.p); got != c.want {
			t.Errorf("p%d of %d values: got %d, want %d", c.p, len(c.sorted), got, c.want)
		}
	}
}

func TestSummarize(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   cell
	}{
		{[]float64{3}, cell{3, 3, 3}},
		{[]float64{3, 1, 2}, cell{2, 1, 3}},
		{[]float64{4, 1, 3, 2}, cell{2.5, 1, 4}},
	} {
		if got := summarize(c.values); got != c.want {
			t.Errorf("%v: got %+v, want %+v", c.values, got, c.want)
		}
	}
}

func TestGoalIsJudgedByMedians(t *testing.T) {
	atMost := goal{text: "at most haproxy", rivals: []string{"haproxy"}}
	ahead := goal{text: "ahead of all", rivals: []string{"nginx", "haproxy"}, strict: true}
	for _, c := range []struct {
		name  string
		goal  goal
		cells map[string]cell
		want  string
	}{
		{"no goal", goal{}, map[string]cell{"gatehouse": {Median: 1}}, ""},
		{"gatehouse left out", atMost, map[string]cell{"haproxy": {Median: 1}}, "at most haproxy"},
		{"rival left out", atMost, map[string]cell{"gatehouse": {Median: 1}}, "at most haproxy"},
		{"equal is at most", atMost, map[string]cell{"gatehouse": {Median: 1}, "haproxy": {Median: 1}}, "at most haproxy: reached"},
		{"more", atMost, map[string]cell{"gatehouse": {Median: 2}, "haproxy": {Median: 1}}, "at most haproxy: missed (haproxy)"},
		{"equal is not ahead", ahead, map[string]cell{"gatehouse": {Median: 1}, "haproxy": {Median: 1}, "nginx": {Median: 2}}, "ahead of all: missed (haproxy)"},
		{"ahead", ahead, map[string]cell{"gatehouse": {Median: 1}, "haproxy": {Median: 2}, "nginx": {Median: 2}}, "ahead of all: reached"},
	} {
		if got := c.goal.judge(c.cells); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestTableIsAligned(t *testing.T) {
	r := report{
		Machine: "2 CPUs",
		Setting: "as told",
		Servers: []program{{Name: "gatehouse", Version: "1"}, {Name: "haproxy", Version: "2"}},
		Absent:  []absent{{"nginx", "not installed"}},
		Measures: []reportRow{
			{measure{Title: "CPU", Unit: "µs"}, map[string]cell{"gatehouse": {20, 18, 22.25}, "haproxy": {150, 150, 150}}, "at most haproxy: reached"},
			{measure{Title: "memory", Unit: "MiB"}, map[string]cell{"haproxy": {0.5, 0.25, 1}}, ""},
		},
	}
	var got strings.Builder
	if err := r.writeText(&got); err != nil {
		t.Fatal(err)
	}
	const want = `2 CPUs
as told
  gatehouse: 1
  haproxy: 2
  nginx: left out: not installed

measure   unit   gatehouse          haproxy            goal
CPU       µs     20.0 (18.0–22.2)   150                at most haproxy: reached
memory    MiB    -                  0.50 (0.25–1.00)   -
`
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Error(diff)
	}
}
