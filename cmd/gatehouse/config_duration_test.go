package main

import (
	"regexp"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/config"
)

// Days are read as the other units are, and the pattern in the schema takes what is read.
func TestDurationsMayBeInDays(t *testing.T) {
	pattern := regexp.MustCompile(durationPattern)
	for text, want := range map[string]time.Duration{
		"14d": 14 * 24 * time.Hour, "1d12h": 36 * time.Hour, "12h1d": 36 * time.Hour, "1.5d": 36 * time.Hour, "0d": 0,
		"0.1d": 144 * time.Minute, "90s": 90 * time.Second, "1h30m": 90 * time.Minute,
		"d": -1, "1.5.5d": -1, "d1": -1, "1dd": -1, "5md": -1, "1D": -1, "14": -1, "200000d": -1, "14 d": -1, "..d": -1,
	} {
		var d config.Duration
		err := d.UnmarshalText([]byte(text))
		if (err == nil) != (want >= 0) || err == nil && d.Duration != want {
			t.Errorf("%q: got %v, %v, want %v", text, d.Duration, err, want)
		}
		if text != "200000d" && pattern.MatchString(text) != (want >= 0) {
			t.Errorf("%q: the pattern of the schema says otherwise", text)
		}
	}
}
