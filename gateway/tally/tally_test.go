package tally

import "testing"

// Strangers choose the keys: one that is kept without need is memory that they take.
func TestNoKeyIsKeptOfWhichThereIsNone(t *testing.T) {
	counts := Of[string]{}
	counts.Drop("never there")
	counts.Add("a")
	counts.Add("a")
	counts.Drop("a")
	if len(counts) != 1 || counts["a"] != 1 {
		t.Errorf("of two, one was dropped: %v", counts)
	}
	if counts.Drop("a"); len(counts) != 0 {
		t.Errorf("all were dropped: %v", counts)
	}
}
