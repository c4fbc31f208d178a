package owntoken

import "time"

// Counts are how often tokens were made and ended since the process began.
type Counts struct{ Created, Rotated, Revoked uint64 }

// add counts what c does.
func (n *Counts) add(c *Change) {
	if made := uint64(len(c.Add)); len(c.Shorten) > 0 {
		n.Rotated += made
	} else {
		n.Created += made
	}
	n.Revoked += uint64(len(c.Revoke))
}

// Tally says how many tokens there are that have not ended.
type Tally struct {
	Counts
	Stored map[Kind]int

	// Ending is how many end within a time. Those that clients made by a login are none
	// of these: clients make others by themselves.
	Ending map[time.Duration]int

	// Orphaned is how many have an owner who is gone.
	Orphaned int
}

// Soon are the times within which ends are counted.
var Soon = []time.Duration{24 * time.Hour, 7 * 24 * time.Hour, 30 * 24 * time.Hour}

// Tally counts the tokens.
func (j *Journal) Tally() Tally {
	now := j.now()
	t := Tally{Stored: map[Kind]int{Personal: 0, Robot: 0, Identity: 0}, Ending: map[time.Duration]int{}}
	j.mu.RLock()
	defer j.mu.RUnlock()
	t.Counts = j.counts
	for _, within := range Soon {
		t.Ending[within] = 0
	}
	for _, e := range j.tokens.byID {
		if e.At(now) != nil {
			continue
		}
		t.Stored[e.Kind]++
		if !e.Orphaned.IsZero() {
			t.Orphaned++
		}
		for _, within := range Soon {
			if e.Kind != Identity && e.Expires.Sub(now) <= within {
				t.Ending[within]++
			}
		}
	}
	return t
}
