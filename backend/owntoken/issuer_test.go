package owntoken

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestNobodyGetsMoreTokensThanOneMayHave(t *testing.T) {
	_, i := open(t, filepath.Join(t.TempDir(), "tokens.jsonl"))
	var made, refused atomic.Int64
	var wg sync.WaitGroup
	for n := range 40 {
		wg.Go(func() {
			_, _, err := i.Create(t.Context(), Order{Kind: Personal, Name: fmt.Sprint("t", n), Owner: alice})
			switch {
			case err == nil:
				made.Add(1)
			case errors.Is(err, ErrTooMany):
				refused.Add(1)
			}
		})
	}
	wg.Wait()
	if made.Load() != 20 || refused.Load() != 20 {
		t.Errorf("%d were made and %d refused", made.Load(), refused.Load())
	}
	again := alice
	again.Anchor = "entryUUID:2" // another account of the name
	if _, _, err := i.Create(t.Context(), Order{Kind: Personal, Name: "t0", Owner: again}); err != nil {
		t.Errorf("the account made anew under the name: %v", err)
	}
}

func TestOrdersThatCannotBe(t *testing.T) {
	_, i := open(t, filepath.Join(t.TempDir(), "tokens.jsonl"))
	create(t, i, "taken")
	for what, o := range map[string]Order{
		"no name":            {},
		"a name twice":       {Name: "taken"},
		"a name for a shell": {Name: "a b"},
		"a name like a flag": {Name: "-rf"},
		"a name for a page":  {Name: "<b>"},
		"a name of a folder": {Name: "../a"},
		"a long name":        {Name: strings.Repeat("a", 65)},
		"for ever":           {Name: "a", TTL: 2161 * time.Hour},
		"over at once":       {Name: "a", TTL: time.Second},
		"over before":        {Name: "a", TTL: -time.Hour},
		"an unknown kind":    {Name: "a", Kind: "other", TTL: time.Hour},
		"from nowhere":       {Name: "a", Limits: Limits{From: []netip.Prefix{}}},
		"for no repository":  {Name: "a", Limits: Limits{Repositories: []string{}}},
		"for no action":      {Name: "a", Limits: Limits{Actions: []string{}}},
		"a group's":          {Name: "a", Owner: Owner{Backend: "corp", Group: "dev"}},
	} {
		if o.Kind == "" {
			o.Kind = Personal
		}
		if o.Owner == (Owner{}) {
			o.Owner = alice
		}
		if made, secret, err := i.Create(t.Context(), o); err == nil || secret != "" {
			t.Errorf("%s: made %+v", what, made)
		}
	}
	nobody := Order{Kind: Personal, Name: "a", Owner: Owner{Backend: "corp"}}
	if _, _, err := i.Create(t.Context(), nobody); err == nil {
		t.Error("made one of nobody")
	}
}

func TestRotationKeepsTheOldTokenForTheOverlap(t *testing.T) {
	_, i := open(t, filepath.Join(t.TempDir(), "tokens.jsonl"))
	limits := Limits{Repositories: []string{"team/**"}, Actions: []string{"pull"}, From: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	old, oldSecret, err := i.Create(t.Context(), Order{Kind: Personal, Name: "ci", Owner: alice, TTL: 48 * time.Hour, Limits: limits})
	if err != nil {
		t.Fatal(err)
	}
	fresh, secret, err := i.Rotate(t.Context(), old.ID, 24*time.Hour, "alice", "r1")
	if err != nil || fresh.Name != "ci" || !reflect.DeepEqual(fresh.Limits, limits) || secret == oldSecret {
		t.Fatalf("%+v, %v", fresh, err)
	}
	for _, c := range []struct {
		after      time.Duration
		old, fresh error
	}{{time.Hour, nil, nil}, {25 * time.Hour, ErrExpired, nil}, {49 * time.Hour, ErrExpired, ErrExpired}} {
		for s, want := range map[string]error{oldSecret: c.old, secret: c.fresh} {
			found, err := i.Find(t.Context(), s)
			if err != nil || !errors.Is(found.At(time.Now().Add(c.after)), want) {
				t.Errorf("after %s: %v, want %v (%v)", c.after, found.At(time.Now().Add(c.after)), want, err)
			}
		}
	}
	for _, id := range []string{old.ID, fresh.ID} {
		if _, _, err := i.Rotate(t.Context(), id, time.Hour, "alice", ""); !errors.Is(err, ErrTwo) {
			t.Errorf("rotated one of two: %v", err)
		}
	}
	if _, err := i.Revoke(t.Context(), "alice", old.ID); err != nil {
		t.Fatal(err)
	}
	if _, _, err := i.Rotate(t.Context(), fresh.ID, 0, "alice", ""); err != nil {
		t.Fatal(err)
	}
	if found, _ := i.Find(t.Context(), secret); found.At(time.Now().Add(time.Second)) == nil {
		t.Error("without an overlap the old one goes on")
	}
	if _, _, err := i.Rotate(t.Context(), old.ID, 0, "alice", ""); !errors.Is(err, ErrRevoked) {
		t.Errorf("rotated a revoked one: %v", err)
	}
}

// Two who rotate one token at once get one between them.
func TestRotationAtOnceMakesOneToken(t *testing.T) {
	_, i := open(t, filepath.Join(t.TempDir(), "tokens.jsonl"))
	old, _, err := i.Create(t.Context(), Order{Kind: Personal, Name: "ci", Owner: alice})
	if err != nil {
		t.Fatal(err)
	}
	var made atomic.Int64
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, _, err := i.Rotate(t.Context(), old.ID, time.Hour, "alice", ""); err == nil {
				made.Add(1)
			} else if !errors.Is(err, ErrTwo) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if left, err := i.List(t.Context(), alice); made.Load() != 1 || len(left) != 2 || err != nil {
		t.Errorf("%d were made, and there are %d, %v", made.Load(), len(left), err)
	}
}

// A later account of the same name must not be one that nobody can tell from the first.
func TestAccountsWithoutAnAnchorOwnNone(t *testing.T) {
	j, i := open(t, filepath.Join(t.TempDir(), "tokens.jsonl"))
	nameless, named := alice, alice
	nameless.Anchor, named.Anchor = "", "dn:uid=alice,dc=example"
	for want, o := range map[error]Owner{ErrNoAnchor: nameless, ErrDNAnchor: named} {
		if _, _, err := i.Create(t.Context(), Order{Kind: Personal, Name: "a", Owner: o}); !errors.Is(err, want) || !errors.Is(i.CheckOwner(o), want) {
			t.Errorf("%q: %v, want %v", o.Anchor, err, want)
		}
	}
	lenient := i.Bounds()
	lenient.AllowDNAnchor = true
	i = NewIssuer(j, lenient)
	if _, _, err := i.Create(t.Context(), Order{Kind: Personal, Name: "a", Owner: named}); err != nil {
		t.Error(err)
	}
	if _, _, err := i.Create(t.Context(), Order{Kind: Personal, Name: "a", Owner: nameless}); !errors.Is(err, ErrNoAnchor) {
		t.Errorf("without any anchor: %v", err)
	}
}

// What has ended is kept for a while, so that the number of those made has a bound, too.
func TestNobodyMakesTokensWithoutEnd(t *testing.T) {
	_, i := open(t, filepath.Join(t.TempDir(), "tokens.jsonl"))
	made := 0
	for ; made < 1000; made++ {
		t1, _, err := i.Create(t.Context(), Order{Kind: Personal, Name: "a", Owner: alice})
		if errors.Is(err, ErrTooOften) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := i.Revoke(t.Context(), "alice", t1.ID); err != nil {
			t.Fatal(err)
		}
	}
	if made != 100 {
		t.Errorf("made %d", made)
	}
	i.now = func() time.Time { return time.Now().Add(25 * time.Hour) }
	fresh, _, err := i.Create(t.Context(), Order{Kind: Personal, Name: "a", Owner: alice})
	if err != nil {
		t.Fatalf("the next day: %v", err)
	}
	for made = 1; made < 1000 && err == nil; made++ {
		fresh, _, err = i.Rotate(t.Context(), fresh.ID, 0, "alice", "")
	}
	if !errors.Is(err, ErrTooOften) || made != 101 {
		t.Errorf("rotated %d times, %v", made, err)
	}
}

// The oldest is the first that was made, also of those of one second and after a start.
func TestListIsInOrder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens.jsonl")
	j, i := open(t, path)
	i.now = func() time.Time { return time.Now().Truncate(time.Hour) }
	for n := range 20 {
		create(t, i, fmt.Sprint(n))
	}
	check := func(when string, i *Issuer) {
		t.Helper()
		list, err := i.List(t.Context(), alice)
		if err != nil || len(list) != 20 {
			t.Fatalf("%s: %d, %v", when, len(list), err)
		}
		for n, one := range list {
			if one.Name != fmt.Sprint(n) {
				t.Errorf("%s: %s is number %d", when, one.Name, n)
			}
		}
	}
	check("at once", i)
	if err := j.compact(); err != nil {
		t.Fatal(err)
	}
	j.Close()
	_, i = open(t, path)
	check("after a start", i)
}

// The list is of the account, not of its name.
func TestListIsOfOneAccount(t *testing.T) {
	_, i := open(t, filepath.Join(t.TempDir(), "tokens.jsonl"))
	create(t, i, "kept")
	gone, _, err := i.Create(t.Context(), Order{Kind: Personal, Name: "gone", Owner: alice})
	if err != nil {
		t.Fatal(err)
	}
	again := alice
	again.Anchor = "entryUUID:2"
	if _, _, err := i.Create(t.Context(), Order{Kind: Personal, Name: "other", Owner: again}); err != nil {
		t.Fatal(err)
	}
	if _, err := i.Revoke(t.Context(), "alice", gone.ID); err != nil {
		t.Fatal(err)
	}
	if list, err := i.List(t.Context(), alice); err != nil || len(list) != 1 || list[0].Name != "kept" {
		t.Errorf("%v, %v", list, err)
	}
}

func TestLimitsByNetwork(t *testing.T) {
	l := Limits{From: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}}
	for addr, want := range map[string]bool{"10.1.2.3": true, "::ffff:10.1.2.3": true, "11.1.2.3": false, "fd00::1": true, "2001:db8::1": false} {
		if l.LetsFrom(netip.MustParseAddr(addr)) != want {
			t.Errorf("%s: not %v", addr, want)
		}
	}
	if l.LetsFrom(netip.Addr{}) {
		t.Error("an unknown address is let in")
	}
	if !(Limits{}).LetsFrom(netip.Addr{}) {
		t.Error("no limit is one")
	}
	if (Limits{From: []netip.Prefix{}}).LetsFrom(netip.MustParseAddr("10.1.2.3")) {
		t.Error("an empty list of networks is no limit")
	}
}

// Rules know robots by their names: two of one name would have the rights of each other.
func TestRobotsHaveTheirNamesAlone(t *testing.T) {
	_, i := open(t, filepath.Join(t.TempDir(), "tokens.jsonl"))
	team := Owner{Backend: "corp", Group: "team"}
	first, _, err := i.Create(t.Context(), Order{Kind: Robot, Name: "team-ci", Owner: team})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []Owner{team, {Backend: "corp", Group: "other"}, {Backend: "other", Group: "team"}, alice} {
		if _, _, err := i.Create(t.Context(), Order{Kind: Robot, Name: "team-ci", Owner: o}); !errors.Is(err, ErrName) {
			t.Errorf("another of that name for %+v: %v", o, err)
		}
	}
	if _, _, err := i.Create(t.Context(), Order{Kind: Personal, Name: "team-ci", Owner: alice}); err != nil {
		t.Errorf("a person's token of that name: %v", err)
	}
	if _, _, err := i.Rotate(t.Context(), first.ID, time.Hour, "", ""); err != nil {
		t.Errorf("rotated: %v", err)
	}
	for _, name := range []string{"Team", "robot$ci", "a b", "-a", "a-", "a..b", "a+b", "é"} {
		if _, _, err := i.Create(t.Context(), Order{Kind: Robot, Name: name, Owner: team}); err == nil {
			t.Errorf("there is a robot called %q", name)
		}
	}
}

// A reload changes the bounds, and not the tokens.
func TestBoundsCanBeChanged(t *testing.T) {
	_, i := open(t, filepath.Join(t.TempDir(), "tokens.jsonl"))
	create(t, i, "one")
	tight := i.With(Config{PerUser: 1, MaxTTL: time.Hour, RobotMaxTTL: time.Hour})
	if _, _, err := tight.Create(t.Context(), Order{Kind: Personal, Name: "two", Owner: alice}); !errors.Is(err, ErrTooMany) {
		t.Errorf("one more than there may be: %v", err)
	}
	if _, _, err := i.Create(t.Context(), Order{Kind: Personal, Name: "two", Owner: alice}); err != nil {
		t.Error(err)
	}
}
