package gateway

import (
	"github.com/prometheus/client_golang/prometheus"

	"gatehouse/backend"
)

// What is collected of shields and flood controls.
var (
	descShieldGuesses = newDesc("shield_passwords_total", "Passwords that came to the lock-out shield of a backend, by what became of them.", "backend", "result")
	descShieldUsers   = newDesc("shield_users", "Users whom the lock-out shield of a backend knows something of.", "backend", "state")
	descFloodRefused  = newDesc("flood_refused_total", "Logins that were refused because too many had failed, from their source or altogether.", "backend", "limit")
	descFloodSources  = newDesc("flood_sources", "Addresses and networks that logins failed from lately.", "backend")
)

var guardDescs = []*prometheus.Desc{descShieldGuesses, descShieldUsers, descFloodRefused, descFloodSources}

func collectShield(to chan<- prometheus.Metric, name string, s backend.ShieldStats) {
	to <- counter(descShieldGuesses, s.Passed, name, "passed")
	to <- counter(descShieldGuesses, s.Repeated, name, "repeated")
	to <- counter(descShieldGuesses, s.Withheld, name, "withheld")
	to <- gauge(descShieldUsers, float64(s.Spent), name, "shielded")
	to <- gauge(descShieldUsers, float64(s.Users), name, "failed")
	to <- gauge(descShieldUsers, float64(s.Known), name, "known")
}

func collectFlood(to chan<- prometheus.Metric, name string, s backend.FloodStats) {
	to <- counter(descFloodRefused, s.Source, name, "source")
	to <- counter(descFloodRefused, s.Total, name, "total")
	to <- gauge(descFloodSources, float64(s.Sources), name)
}
