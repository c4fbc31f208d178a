package main

import (
	"fmt"
	"time"
)

// Duration is a length of time written with its unit. It is a struct because
// decoders take a bare number for any integer type, and 5 would be 5 ns.
type Duration struct{ time.Duration }

// UnmarshalText reads a number with a unit, such as "90s", or several of them.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a duration: write a number with a unit, such as \"500ms\", \"30s\", \"5m\" or \"1h30m\"", text)
	}
	d.Duration = v
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }
