package gateway

import (
	"github.com/prometheus/client_golang/prometheus"

	"gatehouse/backend"
)

// What is collected of shields, flood controls, and the memory for password hashes.
var (
	descShieldGuesses = newDesc("shield_passwords_total", "Passwords that came to the lock-out shield of a backend, by what became of them.", "backend", "result")
	descShieldUsers   = newDesc("shield_users", "Users whom the lock-out shield of a backend knows something of.", "backend", "state")
	descFloodRefused  = newDesc("flood_refused_total", "Logins that were refused because too many had failed, from their source or altogether.", "backend", "limit")
	descFloodSources  = newDesc("flood_sources", "Addresses and networks that logins failed from lately.", "backend")

	descHashMemory    = newDesc("hash_memory_bytes", "Memory that password hashes take which are being computed.")
	descMaxHashMemory = newDesc("max_hash_memory_bytes", "Memory that they may take.")
	descHashWaiting   = newDesc("hash_memory_waiting", "Logins that wait for memory to compute a password hash.")
)

var guardDescs = []*prometheus.Desc{descShieldGuesses, descShieldUsers, descFloodRefused, descFloodSources, descHashMemory, descMaxHashMemory, descHashWaiting}

func collectHashMemory(to chan<- prometheus.Metric, u HashMemoryUse) {
	to <- gauge(descHashMemory, float64(u.Used))
	to <- gauge(descMaxHashMemory, float64(u.Max))
	to <- gauge(descHashWaiting, float64(u.Waiting))
}

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
