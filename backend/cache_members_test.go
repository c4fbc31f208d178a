package backend_test

import (
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/backend"
	"gatehouse/backend/chain"
)

// twoDirectories are members of a chain, of which the second has alice.
type twoDirectories struct {
	corp, partner *fake
	cache         *backend.Cache
}

// newTwoDirectories returns a chain in which next says of the first member whether
// the second is asked in spite of a refusal, and of an outage.
func newTwoDirectories(t *testing.T, first string, next bool) twoDirectories {
	t.Helper()
	d := twoDirectories{corp: newFake(map[string]account{"bob": {password: "bob-5ecret"}}), partner: newFake(people())}
	members := map[string]backend.Backend{"corp": d.corp, "partner": d.partner}
	second := map[string]string{"corp": "partner", "partner": "corp"}[first]
	var c chain.Config
	for _, name := range []string{first, second} {
		c.Members = append(c.Members, struct {
			Name                string
			Backend             backend.Backend
			NextOnWrongPassword bool
			NextOnUnavailable   bool
		}{name, backend.Named(name, members[name]), next, next})
	}
	b, err := chain.New(c)
	if err != nil {
		t.Fatal(err)
	}
	d.cache = newCache(t, b, backend.CacheConfig{TTL: time.Minute, Stale: time.Hour})
	return d
}

// What one member has refused does not go on because of an outage of another.
func TestLoginThatItsMemberRefusesIsNeverStale(t *testing.T) {
	accounts := map[string]account{
		"password changed": {password: "changed"},
		"locked":           {password: "alice-5ecret", locked: true},
		"gone":             {},
	}
	for name, a := range accounts {
		for _, first := range []string{"corp", "partner"} {
			t.Run(name+", asked first is "+first, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					d := newTwoDirectories(t, first, true)
					login(t, d.cache, "alice", "alice-5ecret", "")
					time.Sleep(time.Minute)
					fail(d.corp, backend.ErrUnavailable)
					d.partner.set("alice", a)
					if name == "gone" {
						d.partner.users = nil
					}
					login(t, d.cache, "alice", "alice-5ecret", "unavailable") // for corp might have let her in
					fail(d.partner, backend.ErrUnavailable)
					login(t, d.cache, "alice", "alice-5ecret", "unavailable")
				})
			})
		}
	}
}

// A refusal by a member that did not vouch for the user ends nothing.
func TestRefusalByAnotherMemberLeavesALoginStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newTwoDirectories(t, "corp", true)
		login(t, d.cache, "alice", "alice-5ecret", "")
		d.corp.set("alice", account{password: "of another alice"})
		time.Sleep(time.Minute)
		fail(d.partner, backend.ErrUnavailable)
		for range 3 {
			login(t, d.cache, "alice", "alice-5ecret", "")
			time.Sleep(time.Minute)
		}
	})
}

// Nor does an outage of one member make it an outage of the other.
func TestOutageOfAMemberIsNotThatOfAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newTwoDirectories(t, "corp", true)
		d.partner.set("dora", account{password: "dora-5ecret"})
		login(t, d.cache, "alice", "alice-5ecret", "")
		login(t, d.cache, "dora", "dora-5ecret", "")
		time.Sleep(time.Minute)
		fail(d.corp, backend.ErrUnavailable)
		d.partner.set("alice", account{password: "changed"})
		d.partner.set("dora", account{password: "changed"})
		login(t, d.cache, "alice", "alice-5ecret", "unavailable")
		login(t, d.cache, "dora", "dora-5ecret", "unavailable")
	})
}
