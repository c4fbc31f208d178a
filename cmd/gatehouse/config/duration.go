package config

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Duration is a length of time written with its unit. It is a struct because
// decoders take a bare number for any integer type, and 5 would be 5 ns.
type Duration struct{ time.Duration }

// days matches a number of days, of 24 hours each, which [time.ParseDuration] does not know.
var days = regexp.MustCompile(`[0-9.]+d`)

// UnmarshalText reads a number with a unit, such as "90s" or "14d", or several of them.
func (d *Duration) UnmarshalText(text []byte) error {
	hours := days.ReplaceAllStringFunc(string(text), func(part string) string {
		n, err := strconv.ParseFloat(strings.TrimSuffix(part, "d"), 64)
		if err != nil {
			return part
		}
		return strconv.FormatFloat(24*n, 'f', -1, 64) + "h"
	})
	v, err := time.ParseDuration(hours)
	if err != nil {
		return fmt.Errorf("%q is not a duration: write a number with a unit, such as \"500ms\", \"30s\", \"5m\", \"1h30m\" or \"14d\"", text)
	}
	d.Duration = v
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }
