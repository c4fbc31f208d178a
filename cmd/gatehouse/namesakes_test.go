package main

import (
	"testing"
	"time"
)

// TestLDAP8SurveyThatFailedIsRepeatedSoon: after seconds at first, and at last as often as
// once in some minutes.
func TestLDAP8SurveyThatFailedIsRepeatedSoon(t *testing.T) {
	for failures, want := range map[int]time.Duration{
		0: time.Hour, 1: 10 * time.Second, 2: 20 * time.Second, 5: 160 * time.Second, 6: 5 * time.Minute, 1000: 5 * time.Minute,
	} {
		if got := nextLook(failures); got != want {
			t.Errorf("after %d failures: %v, want %v", failures, got, want)
		}
	}
}
