package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// sheet is the times of refusals, by reason.
type sheet [][]time.Duration

// write writes the medians of all reasons and the AUC of each two, and returns the
// highest.
func (s sheet) write(w io.Writer, of scene) float64 {
	fmt.Fprintf(w, "%s: %s, %d answers of each kind\n", of.name, of.what, len(s[0]))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i, r := range of.reasons {
		fmt.Fprintf(t, "  %s\tmedian %v\tp99 %v\n", r.name, quantile(s[i], 0.5), quantile(s[i], 0.99))
	}
	worst := 0.5
	for i := range s {
		for j := range i {
			a := auc(s[j], s[i])
			worst = max(worst, a)
			fmt.Fprintf(t, "  %s\t%s\tAUC %.3f\n", of.reasons[j].name, of.reasons[i].name, a)
		}
	}
	t.Flush()
	fmt.Fprintln(w)
	return worst
}

func quantile(times []time.Duration, q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	return sorted[int(q*float64(len(sorted)-1))].Round(10 * time.Microsecond)
}

// auc returns how probable it is that a time of one list is above a time of the
// other, equal ones counting half, or below, whichever is more: the U statistic of
// Mann and Whitney over the number of pairs.
func auc(a, b []time.Duration) float64 {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	below, equal := 0, 0 // pairs in which the time of a is so
	for _, t := range b {
		first, _ := slices.BinarySearch(a, t)
		after, _ := slices.BinarySearch(a, t+1)
		below += first
		equal += after - first
	}
	p := (float64(below) + float64(equal)/2) / (float64(len(a)) * float64(len(b)))
	return max(p, 1-p)
}
