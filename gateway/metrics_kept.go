package gateway

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gatehouse/backend/owntoken"
)

// What is collected of the tokens that accounts own.
var (
	descTokensStored   = newDesc("tokens_stored", "Tokens of people and robots that have not ended.", "kind")
	descTokensEnding   = newDesc("tokens_ending", "Tokens of people and robots that end within a number of days, those of docker login not among them.", "days")
	descTokensOrphaned = newDesc("tokens_orphaned", "Tokens of people and robots whose owner is gone.")
	descTokensChanges  = newDesc("tokens_changes_total", "Tokens of people and robots that were made, replaced and revoked.", "change")
)

var keptTokenDescs = []*prometheus.Desc{descTokensStored, descTokensEnding, descTokensOrphaned, descTokensChanges}

// SetTokens has m show what tally says of the tokens that accounts own.
func (m *Metrics) SetTokens(tally func() owntoken.Tally) { m.keptTokens.Store(&tally) }

func collectKeptTokens(to chan<- prometheus.Metric, t owntoken.Tally) {
	for kind, n := range t.Stored {
		to <- gauge(descTokensStored, float64(n), string(kind))
	}
	for within, n := range t.Ending {
		days := map[time.Duration]string{owntoken.Soon[0]: "1", owntoken.Soon[1]: "7", owntoken.Soon[2]: "30"}[within]
		to <- gauge(descTokensEnding, float64(n), days)
	}
	to <- gauge(descTokensOrphaned, float64(t.Orphaned))
	to <- counter(descTokensChanges, t.Created, "created")
	to <- counter(descTokensChanges, t.Rotated, "rotated")
	to <- counter(descTokensChanges, t.Revoked, "revoked")
}
